/** Receipts: how far users have read. */
import { sql } from 'kysely'
import type { ReceiptRow } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

/** The user's receipts of one kind in one room, by thread, held until the transaction ends. */
export async function lockReceipts(
  tx: Tx,
  key: Pick<ReceiptRow, 'room_id' | 'user_id' | 'receipt_type'>,
): Promise<ReceiptRow[]> {
  return tx.q
    .selectFrom('receipts')
    .selectAll()
    .where('room_id', '=', key.room_id)
    .where('user_id', '=', key.user_id)
    .where('receipt_type', '=', key.receipt_type)
    .forUpdate()
    .execute()
}

/** Write, unless the receipt that is there is as far, or further. */
export async function advanceReceipt(tx: Tx, receipt: ReceiptRow): Promise<void> {
  const { event_id, event_position, received_ts, position } = receipt
  await tx.q
    .insertInto('receipts')
    .values(receipt)
    .onConflict(conflict =>
      conflict
        .columns(['room_id', 'user_id', 'receipt_type', 'thread_id'])
        .doUpdateSet({ event_id, event_position, received_ts, position })
        .where('receipts.event_position', '<', event_position),
    )
    .execute()
}

/** Receipts in these rooms that moved in (after, upTo], without the private ones of others. */
export async function selectReceiptsBetween(
  db: Db,
  viewerId: string,
  rooms: readonly { roomId: string; after: number }[],
  upTo: number,
): Promise<ReceiptRow[]> {
  if (rooms.length === 0) return []
  const { rows } = await sql<ReceiptRow>`
    SELECT receipts.* FROM
      unnest(${rooms.map(room => room.roomId)}::text[], ${rooms.map(room => room.after)}::bigint[])
        AS wanted (room_id, after)
    CROSS JOIN LATERAL (
      SELECT * FROM receipts
      -- "- 0" is in no index: by it the receipts of all rooms would be found.
      WHERE receipts.room_id = wanted.room_id AND position > wanted.after AND position - 0 <= ${upTo}
      OFFSET 0
    ) AS receipts
    WHERE receipt_type = 'm.read' OR user_id = ${viewerId}
    ORDER BY position`.execute(db.q)
  return rows
}

/** The first `limit` receipts that moved in (after, upTo], of whomever and wherever, in order. */
export async function selectAllReceiptsBetween(
  db: Db,
  after: number,
  upTo: number,
  limit: number,
): Promise<ReceiptRow[]> {
  return db.q
    .selectFrom('receipts')
    .selectAll()
    .where('position', '>', after)
    .where('position', '<=', upTo)
    .orderBy('position')
    .limit(limit)
    .execute()
}

/** All receipts of one user in these rooms. */
export async function selectOwnReceipts(
  db: Db,
  userId: string,
  roomIds: readonly string[],
): Promise<ReceiptRow[]> {
  if (roomIds.length === 0) return []
  return db.q
    .selectFrom('receipts')
    .selectAll()
    .where('room_id', '=', sql<string>`ANY(${[...roomIds]}::text[])`)
    .where('user_id', '=', userId)
    .execute()
}
