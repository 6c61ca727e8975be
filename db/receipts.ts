/** Receipts: how far users have read. */
import { sql } from 'kysely'
import { deleteInOrder } from './in-order.ts'
import type { ReceiptRow } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

/** One receipt, held until the transaction ends. */
export async function lockReceipt(
  tx: Tx,
  key: Pick<ReceiptRow, 'room_id' | 'user_id' | 'receipt_type' | 'thread_id'>,
): Promise<ReceiptRow | undefined> {
  return tx.q
    .selectFrom('receipts')
    .selectAll()
    .where('room_id', '=', key.room_id)
    .where('user_id', '=', key.user_id)
    .where('receipt_type', '=', key.receipt_type)
    .where('thread_id', '=', key.thread_id)
    .forUpdate()
    .executeTakeFirst()
}

const movedColumns = ['event_id', 'event_position', 'received_ts', 'position'] as const

/** One that is held. */
export async function moveReceipt(tx: Tx, receipt: ReceiptRow): Promise<void> {
  const { room_id, user_id, receipt_type, thread_id, ...moved } = receipt
  await tx.q
    .updateTable('receipts')
    .set(moved)
    .where('room_id', '=', room_id)
    .where('user_id', '=', user_id)
    .where('receipt_type', '=', receipt_type)
    .where('thread_id', '=', thread_id)
    .execute()
}

/**
 * Unless one has come meanwhile that is as far, or further, or the room has been deleted. Until the
 * transaction ends it is not: whoever holds receipts has made sure of that before.
 */
export async function insertReceipt(tx: Tx, receipt: ReceiptRow): Promise<void> {
  const moved = sql.join(
    movedColumns.map(name => sql`${sql.ref(name)} = excluded.${sql.ref(name)}`),
  )
  await sql`
    INSERT INTO receipts
    SELECT given.* FROM rooms CROSS JOIN json_populate_record(
      NULL::receipts, ${JSON.stringify(receipt)}::text::json
    ) AS given
    WHERE rooms.room_id = ${receipt.room_id} FOR KEY SHARE OF rooms
    ON CONFLICT (room_id, user_id, receipt_type, thread_id) DO UPDATE SET ${moved}
    WHERE receipts.event_position < excluded.event_position`.execute(tx.q)
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

/** How far a user has read these rooms, as far as only they know. */
export async function deletePrivateReceipts(
  tx: Tx,
  userId: string,
  roomIds: readonly string[],
): Promise<void> {
  await deleteInOrder(
    tx,
    'receipts',
    sql`room_id = ANY(${[...roomIds]}::text[]) AND user_id = ${userId}
      AND receipt_type = 'm.read.private'`,
  )
}
