/** Rooms that are deleted, step by step, and rooms that are blocked. */
import { sql } from 'kysely'
import { deleteInOrder } from './in-order.ts'
import type { BlockedRoomRow, RoomDeletionRow } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

/** @returns false if the room is being deleted already */
export async function insertDeletion(tx: Tx, deletion: RoomDeletionRow): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx.q
    .insertInto('room_deletions')
    .values(deletion)
    .onConflict(conflict => conflict.doNothing())
    .executeTakeFirstOrThrow()
  return numInsertedOrUpdatedRows === 1n
}

export async function updateDeletion(
  tx: Tx,
  deleteId: string,
  changes: Partial<RoomDeletionRow>,
): Promise<void> {
  await tx.q.updateTable('room_deletions').set(changes).where('delete_id', '=', deleteId).execute()
}

export async function selectDeletion(
  db: Db,
  deleteId: string,
): Promise<RoomDeletionRow | undefined> {
  return db.q
    .selectFrom('room_deletions')
    .selectAll()
    .where('delete_id', '=', deleteId)
    .executeTakeFirst()
}

/** Oldest first. */
export async function selectDeletionsOf(db: Db, roomId: string): Promise<RoomDeletionRow[]> {
  return db.q
    .selectFrom('room_deletions')
    .selectAll()
    .where('room_id', '=', roomId)
    .orderBy('requested_ts')
    .orderBy('delete_id')
    .execute()
}

/** Those that are under way. */
export async function selectActiveDeletions(db: Db): Promise<string[]> {
  const rows = await db.q
    .selectFrom('room_deletions')
    .select('delete_id')
    .where(sql<boolean>`status = 'active'`)
    .orderBy('requested_ts')
    .execute()
  return rows.map(row => row.delete_id)
}

/** @param before Unix ms, exclusive; of when they ended */
export async function deleteDeletionsBefore(tx: Tx, before: number): Promise<void> {
  await tx.q.deleteFrom('room_deletions').where('finished_ts', '<', before).execute()
}

/** Up to `limit` users who are in the room, are invited to it or knock on it. */
export async function selectInvolved(
  db: Db,
  roomId: string,
  except: readonly string[],
  limit: number,
): Promise<{ userId: string; isJoined: boolean }[]> {
  const rows = await db.q
    .selectFrom('room_state')
    .select(['state_key', 'membership'])
    .where('room_id', '=', roomId)
    .where('type', '=', 'm.room.member')
    .where('until_position', 'is', null)
    .where('membership', 'in', ['join', 'invite', 'knock'])
    .where('state_key', '!=', sql<string>`ALL(${[...except]}::text[])`)
    .orderBy('position')
    .limit(limit)
    .execute()
  return rows.map(row => ({ userId: row.state_key, isJoined: row.membership === 'join' }))
}

/** Users whom these departures, which have just been stored, concern hear no more of the room. */
export async function forgetDeparted(tx: Tx, eventIds: readonly string[]): Promise<void> {
  await sql`
    INSERT INTO forgotten_rooms (user_id, room_id, up_to_position)
    SELECT state_key, room_id, position FROM events
    WHERE event_id = ANY(${[...eventIds]}::text[])
    ON CONFLICT (user_id, room_id) DO UPDATE SET up_to_position = excluded.up_to_position
  `.execute(tx.q)
}

/** The room's row, and whatever hangs on it but its events and their state. */
export async function deleteRoom(tx: Tx, roomId: string): Promise<void> {
  await tx.q.deleteFrom('room_aliases').where('room_id', '=', roomId).execute()
  for (const table of ['receipts', 'account_data', 'thread_subscriptions'] as const) {
    await deleteInOrder(tx, table, sql`room_id = ${roomId}`)
  }
  await tx.q.deleteFrom('reports').where('room_id', '=', roomId).execute()
  await tx.q.deleteFrom('rooms').where('room_id', '=', roomId).execute()
}

/**
 * Up to `limit` events of a deleted room, with all that hangs on them. The departures after
 * `fromPosition` (exclusive) stay: by them clients hear that they are out.
 *
 * @returns whether there may be more
 */
export async function purgeEvents(
  tx: Tx,
  roomId: string,
  fromPosition: number,
  limit: number,
): Promise<boolean> {
  const { rows } = await sql<{ event_id: string; position: number }>`
    SELECT event_id, position FROM events
    WHERE room_id = ${roomId} AND NOT EXISTS (
      SELECT FROM room_state AS departure
      WHERE departure.room_id = events.room_id AND departure.position = events.position
        AND departure.position > ${fromPosition} AND departure.membership = 'leave'
        AND departure.until_position IS NULL
      -- Each is looked up: compared with all, there might be very many.
      OFFSET 0
    )
    ORDER BY position LIMIT ${limit}`.execute(tx.q)
  const eventIds = rows.map(row => row.event_id)
  const positions = rows.map(row => row.position)
  await sql`
    DELETE FROM room_state
    WHERE room_id || '' = ${roomId} AND position = ANY(${positions}::bigint[])`.execute(tx.q)
  for (const table of ['threads', 'searchable_texts', 'events'] as const) {
    const key = sql.ref(table === 'threads' ? 'root_event_id' : 'event_id')
    await sql`
      DELETE FROM ${sql.table(table)} WHERE ${key} = ANY(${eventIds}::text[])`.execute(tx.q)
  }
  return rows.length === limit
}

/** Who left the room long ago need not be remembered to have forgotten it. */
export async function deleteForgottenBefore(
  tx: Tx,
  roomId: string,
  fromPosition: number,
): Promise<void> {
  await tx.q
    .deleteFrom('forgotten_rooms')
    .where('room_id', '=', roomId)
    .where('up_to_position', '<=', fromPosition)
    .execute()
}

export async function insertBlocked(tx: Tx, row: BlockedRoomRow): Promise<void> {
  await tx.q
    .insertInto('blocked_rooms')
    .values(row)
    .onConflict(conflict => conflict.doNothing())
    .execute()
}

export async function deleteBlocked(tx: Tx, roomId: string): Promise<void> {
  await tx.q.deleteFrom('blocked_rooms').where('room_id', '=', roomId).execute()
}

export async function selectBlocked(db: Db, roomIds: readonly string[]): Promise<BlockedRoomRow[]> {
  if (roomIds.length === 0) return []
  return db.q
    .selectFrom('blocked_rooms')
    .selectAll()
    .where('room_id', '=', sql<string>`ANY(${[...roomIds]}::text[])`)
    .execute()
}
