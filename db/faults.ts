/** What the laboratory asks of a transaction that it breaks. */
import { sql } from 'kysely'
import type { Tx } from './transaction.ts'

export interface Touched {
  delay_id: string
  room_id: string
  user_id: string
}

/** The delayed events that this transaction has written so far, whatever led it to them. */
export async function selectDelayedEventsWrittenBy(tx: Tx): Promise<Touched[]> {
  return tx.q
    .selectFrom('delayed_events')
    .select(['delay_id', 'room_id', 'user_id'])
    .where(sql<boolean>`xmin = pg_current_xact_id()::xid`)
    .execute()
}

/** The database refuses: SQLSTATE 40001, and the transaction can only be rolled back. */
export async function failToSerialise(tx: Tx): Promise<never> {
  await sql`DO $$ BEGIN
    RAISE EXCEPTION 'could not serialize access, says the laboratory' USING ERRCODE = '40001';
  END $$`.execute(tx.q)
  throw new Error('the database let it pass')
}
