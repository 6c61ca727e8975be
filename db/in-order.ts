/**
 * Deleting many rows that somebody else may be deleting, too, chosen by something else: all of a user's, and all of
 * a room's. Each holds them in the order of their key before the first is gone, so that the two never wait
 * for each other. Who deletes from several of these tables does so in the order in which they stand here.
 */
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import type { Tx } from './transaction.ts'

/** In no index as they are written here: rows are found by what is asked, and then sorted. */
const keys = {
  receipts: sql`room_id || '', user_id, receipt_type, thread_id`,
  account_data: sql`user_id || '', room_id, type`,
  thread_subscriptions: sql`user_id || '', root_event_id`,
}

export async function deleteInOrder(
  tx: Tx,
  table: keyof typeof keys,
  isOver: RawBuilder<SqlBool>,
): Promise<void> {
  // Apart from deleting: what waits for another sees the row where that has left it only in the next statement.
  await sql`
    SELECT count(*) FROM (
      SELECT FROM ${sql.table(table)} WHERE ${isOver} ORDER BY ${keys[table]} FOR UPDATE
    ) AS held`.execute(tx.q)
  await sql`DELETE FROM ${sql.table(table)} WHERE ${isOver}`.execute(tx.q)
}
