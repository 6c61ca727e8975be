/** Rooms: the row that every append locks, the directory, and who does not want to hear of it. */
import { sql } from 'kysely'
import { fixed } from './fixed.ts'
import { presume } from './presume.ts'
import type { RoomAliasRow, RoomRow } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

declare const held: unique symbol

/** A room's row without what changes by anything but its events, once it has been made. */
export type RoomHead = Omit<RoomRow, 'is_public'>

/**
 * Proof that this transaction holds the room's row when it commits, so appends to one room queue up.
 * Only what is in this file makes one. Lock order: the room first, then delayed events.
 */
export type HeldRoom = RoomHead & { readonly [held]: true }

/** One that is held, and was read. */
export type LockedRoom = RoomRow & HeldRoom

/** Undefined if there is no such room. */
export async function lockRoom(tx: Tx, roomId: string): Promise<LockedRoom | undefined> {
  const row = await tx.q
    .selectFrom('rooms')
    .selectAll()
    .where('room_id', '=', roomId)
    .forUpdate()
    .executeTakeFirst()
  return row as LockedRoom | undefined
}

/** In the order of their ids, so that two who lock several never wait for each other. By id. */
export async function lockRooms(
  tx: Tx,
  roomIds: readonly string[],
): Promise<Map<string, LockedRoom>> {
  const { rows } = await sql<LockedRoom>`
    SELECT * FROM rooms WHERE room_id = ANY(${[...new Set(roomIds)]}::text[])
    ORDER BY room_id FOR UPDATE`.execute(tx.q)
  return new Map(rows.map(room => [room.room_id, room]))
}

/**
 * As {@link lockRooms}, of rooms that are remembered, without reading them: presumes that nothing was
 * appended to them since. By id.
 */
export async function holdUnmoved(
  tx: Tx,
  rooms: readonly RoomHead[],
): Promise<Map<string, HeldRoom>> {
  await presume(
    tx,
    sql`(
      SELECT count(*) FROM (
        SELECT FROM rooms JOIN unnest(
          ${rooms.map(room => room.room_id)}::text[],
          ${rooms.map(room => room.last_event_id)}::text[]
        ) AS remembered (room_id, last_event_id) USING (room_id)
        WHERE rooms.last_event_id = remembered.last_event_id
        ORDER BY room_id FOR UPDATE OF rooms
      ) AS unmoved
    ) = ${rooms.length}`,
  )
  return new Map(rooms.map(room => [room.room_id, { ...room } as HeldRoom]))
}

/** A new room, which nobody else can see yet and so is locked. Undefined if the id is taken. */
export async function insertRoom(
  tx: Tx,
  room: { roomId: string; version: string; isPublic: boolean },
): Promise<LockedRoom | undefined> {
  const row = await tx.q
    .insertInto('rooms')
    .values({
      room_id: room.roomId,
      version: room.version,
      last_event_id: null,
      last_event_hash: null,
      last_depth: 0,
      joined_members: 0,
      invited_members: 0,
      state_version: 0,
      bump_position: 0,
      is_public: room.isPublic,
      notices_for: null,
    })
    .onConflict(conflict => conflict.doNothing())
    .returningAll()
    .executeTakeFirst()
  return row as LockedRoom | undefined
}

/**
 * Rooms that are not deleted before this transaction ends, by id. Others may append to them only
 * then, too: for who writes something that hangs on a room.
 */
export async function selectRoomsToStay(
  tx: Tx,
  roomIds: readonly string[],
): Promise<Map<string, RoomRow>> {
  const { rows } = await sql<RoomRow>`
    SELECT * FROM rooms WHERE room_id = ANY(${[...new Set(roomIds)]}::text[])
    ORDER BY room_id FOR KEY SHARE`.execute(tx.q)
  return new Map(rows.map(room => [room.room_id, room]))
}

/** As {@link selectRoomsToStay}, without reading them: presumes that they are there. */
export async function holdRoomsToStay(tx: Tx, roomIds: readonly string[]): Promise<void> {
  await presume(
    tx,
    sql`(
      SELECT count(*) FROM (
        SELECT FROM rooms WHERE room_id = ANY(${[...roomIds]}::text[])
        ORDER BY room_id FOR KEY SHARE
      ) AS present
    ) = ${roomIds.length}`,
  )
}

export async function selectRoom(db: Db, roomId: string): Promise<RoomRow | undefined> {
  return db.q.selectFrom('rooms').selectAll().where('room_id', '=', roomId).executeTakeFirst()
}

export async function selectRooms(db: Db, roomIds: readonly string[]): Promise<RoomRow[]> {
  if (roomIds.length === 0) return []
  const { rows } = await fixed<RoomRow>`
    SELECT * FROM rooms WHERE room_id = ANY(${[...roomIds]}::text[])`.execute(db.q)
  return rows
}

export async function selectAllRooms(db: Db): Promise<RoomRow[]> {
  return db.q.selectFrom('rooms').selectAll().execute()
}

/** Where a room stands in the directory. */
export interface PublicRoomPlace {
  joinedMembers: number
  roomId: string
}

/** In the directory; nobody is to be met in a room that all have left. In the words of the index. */
const isListed = sql<boolean>`is_public AND -joined_members < 0`

/** From a place (exclusive) down the directory, largest rooms first; or up, smallest first. */
export async function selectPublicRooms(
  db: Db,
  page: { limit: number; place: PublicRoomPlace | undefined; direction: 'down' | 'up' },
): Promise<RoomRow[]> {
  const { place, direction, limit } = page
  const isDown = direction === 'down'
  // One comparison of rows, so that the index is entered at the place: hence the sign.
  const beyond = isDown ? sql.raw('>') : sql.raw('<')
  return db.q
    .selectFrom('rooms')
    .selectAll()
    .where(isListed)
    .$if(place !== undefined, query =>
      query.where(
        sql<boolean>`(-joined_members, room_id) ${beyond}
          (${-(place?.joinedMembers ?? 0)}::int, ${place?.roomId ?? ''}::text)`,
      ),
    )
    .orderBy(sql`-joined_members`, isDown ? 'asc' : 'desc')
    .orderBy('room_id', isDown ? 'asc' : 'desc')
    .limit(limit)
    .execute()
}

export async function countPublicRooms(db: Db): Promise<number> {
  const row = await db.q
    .selectFrom('rooms')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where(isListed)
    .executeTakeFirstOrThrow()
  return row.count
}

export async function insertAlias(tx: Tx, alias: RoomAliasRow): Promise<'created' | 'taken'> {
  const { numInsertedOrUpdatedRows } = await tx.q
    .insertInto('room_aliases')
    .values(alias)
    .onConflict(conflict => conflict.doNothing())
    .executeTakeFirstOrThrow()
  return numInsertedOrUpdatedRows === 1n ? 'created' : 'taken'
}

export async function selectAlias(db: Db, alias: string): Promise<RoomAliasRow | undefined> {
  return db.q
    .selectFrom('room_aliases')
    .selectAll()
    .where('room_alias', '=', alias)
    .executeTakeFirst()
}

/** Those of these that lead somewhere. */
export async function selectAliases(db: Db, aliases: readonly string[]): Promise<RoomAliasRow[]> {
  if (aliases.length === 0) return []
  return db.q
    .selectFrom('room_aliases')
    .selectAll()
    .where('room_alias', '=', sql<string>`ANY(${[...aliases]}::text[])`)
    .execute()
}

/** Oldest first. */
export async function selectAliasesOf(db: Db, roomId: string): Promise<RoomAliasRow[]> {
  return db.q
    .selectFrom('room_aliases')
    .selectAll()
    .where('room_id', '=', roomId)
    .orderBy('created_ts')
    .orderBy('room_alias')
    .execute()
}

export async function deleteAlias(tx: Tx, alias: string): Promise<void> {
  await tx.q.deleteFrom('room_aliases').where('room_alias', '=', alias).execute()
}

/** The room in which the server itself speaks to this user. */
export async function selectNoticeRoom(db: Db, userId: string): Promise<string | undefined> {
  const row = await db.q
    .selectFrom('rooms')
    .select('room_id')
    .where('notices_for', '=', userId)
    .executeTakeFirst()
  return row?.room_id
}

export async function updateNoticesFor(tx: Tx, room: LockedRoom, userId: string): Promise<void> {
  room.notices_for = userId
  await tx.q
    .updateTable('rooms')
    .set({ notices_for: userId })
    .where('room_id', '=', room.room_id)
    .execute()
}

/** All aliases of one room lead to another from now on. */
export async function moveAliases(tx: Tx, fromRoomId: string, toRoomId: string): Promise<void> {
  await tx.q
    .updateTable('room_aliases')
    .set({ room_id: toRoomId })
    .where('room_id', '=', fromRoomId)
    .execute()
}

/** Whether the room is listed in the public room directory. */
export async function updateIsPublic(tx: Tx, roomId: string, isPublic: boolean): Promise<void> {
  await tx.q
    .updateTable('rooms')
    .set({ is_public: isPublic })
    .where('room_id', '=', roomId)
    .execute()
}

/** @param upTo position, inclusive: what comes later the user will hear of again */
export async function upsertForgotten(
  tx: Tx,
  userId: string,
  roomId: string,
  upTo: number,
): Promise<void> {
  await tx.q
    .insertInto('forgotten_rooms')
    .values({ user_id: userId, room_id: roomId, up_to_position: upTo })
    .onConflict(conflict =>
      conflict.columns(['user_id', 'room_id']).doUpdateSet({ up_to_position: upTo }),
    )
    .execute()
}

/** room id → position up to which (inclusive) the user has forgotten it. */
export async function selectForgotten(
  db: Db,
  userId: string,
  roomIds?: readonly string[],
): Promise<Map<string, number>> {
  const rows = await db.q
    .selectFrom('forgotten_rooms')
    .select(['room_id', 'up_to_position'])
    .where('user_id', '=', userId)
    .$if(roomIds !== undefined, query =>
      query.where('room_id', '=', sql<string>`ANY(${[...(roomIds ?? [])]}::text[])`),
    )
    .execute()
  return new Map(rows.map(row => [row.room_id, row.up_to_position]))
}
