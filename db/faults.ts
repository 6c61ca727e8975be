/** What the laboratory asks of a transaction that it breaks. */
import { sql } from 'kysely'
import type { Tx } from './transaction.ts'

export interface Touched {
  room_id: string
  user_id: string
  /** Null: an event that was never delayed. */
  delay_id: string | null
  /** False: a delayed event that is scheduled still. */
  is_over: boolean
}

/** The events and delayed events that this transaction has written, whatever led it to them. */
export async function selectWrittenBy(tx: Tx): Promise<Touched[]> {
  const isOurs = sql<boolean>`xmin = pg_current_xact_id()::xid`
  return tx.q
    .selectFrom('delayed_events')
    .select([
      'room_id',
      'user_id',
      sql<string | null>`delay_id`.as('delay_id'),
      sql<boolean>`status <> 'scheduled'`.as('is_over'),
    ])
    .where(isOurs)
    .unionAll(
      tx.q
        .selectFrom('events')
        .select(['room_id', 'sender as user_id', 'delay_id', sql<boolean>`true`.as('is_over')])
        .where(isOurs),
    )
    .execute()
}

/** The database refuses: SQLSTATE 40001, and the transaction can only be rolled back. */
export async function failToSerialise(tx: Tx): Promise<never> {
  await sql`DO $$ BEGIN
    RAISE EXCEPTION 'could not serialize access, says the laboratory' USING ERRCODE = '40001';
  END $$`.execute(tx.q)
  throw new Error('the database let it pass')
}
