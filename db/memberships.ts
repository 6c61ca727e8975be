/** Who is, and was, in which room: the rows of `room_state` that are memberships. */
import { sql } from 'kysely'
import { fixed } from './fixed.ts'
import type { EventRow, RoomStateRow } from './schema.ts'
import type { Db } from './transaction.ts'

/** A member of a room as they were just after the event at `at` (inclusive). */
export interface MemberWish {
  roomId: string
  userId: string
  at: number
}

/** The membership event that each wish finds, under its place (`n`, from 1); some find none. */
export async function selectMembersAt(
  db: Db,
  wishes: readonly MemberWish[],
): Promise<(EventRow & { n: number })[]> {
  if (wishes.length === 0) return []
  const { rows } = await fixed<EventRow & { n: number }>`
    SELECT wanted.n, events.*
    FROM unnest(
      ${wishes.map(wish => wish.roomId)}::text[],
      ${wishes.map(wish => wish.userId)}::text[],
      ${wishes.map(wish => wish.at)}::bigint[]
    ) WITH ORDINALITY AS wanted (room_id, user_id, at, n)
    CROSS JOIN LATERAL (
      SELECT event_id FROM room_state
      WHERE room_state.room_id = wanted.room_id AND room_state.type = 'm.room.member'
        AND room_state.state_key = wanted.user_id AND room_state.position <= wanted.at
      ORDER BY room_state.position DESC LIMIT 1
    ) AS room_state
    JOIN events ON events.event_id = room_state.event_id`.execute(db.q)
  return rows
}

/** A span of a user's membership. */
export type MembershipRow = Pick<
  RoomStateRow,
  'room_id' | 'state_key' | 'position' | 'until_position' | 'event_id' | 'sender'
> & { membership: string }

/** The rows of `room_state` that are memberships. */
function memberships(db: Db) {
  return db.q
    .selectFrom('room_state')
    .select(['room_id', 'state_key', 'position', 'until_position', 'event_id', 'sender'])
    .select(eb => eb.ref('membership').$notNull().as('membership'))
    .where('membership', 'is not', null)
}

/** Every membership that this user has ever had in these rooms, oldest first. */
export async function selectMembershipHistory(
  db: Db,
  roomIds: readonly string[],
  userId: string,
): Promise<MembershipRow[]> {
  if (roomIds.length === 0) return []
  return memberships(db)
    .where('room_id', '=', sql<string>`ANY(${[...roomIds]}::text[])`)
    .where('type', '=', 'm.room.member')
    .where('state_key', '=', userId)
    .orderBy('position')
    .execute()
}

/** The user's current membership; undefined if they never had one. */
export async function selectMembership(
  db: Db,
  roomId: string,
  userId: string,
): Promise<MembershipRow | undefined> {
  return memberships(db)
    .where('room_id', '=', roomId)
    .where('type', '=', 'm.room.member')
    .where('state_key', '=', userId)
    .where('until_position', 'is', null)
    .executeTakeFirst()
}

/** room id → the user's current membership, of those rooms where they ever had one. */
export async function selectMemberships(
  db: Db,
  userId: string,
  roomIds: readonly string[],
): Promise<Map<string, string>> {
  if (roomIds.length === 0) return new Map()
  const rows = await memberships(db)
    .where('room_id', '=', sql<string>`ANY(${[...roomIds]}::text[])`)
    .where('type', '=', 'm.room.member')
    .where('state_key', '=', userId)
    .where('until_position', 'is', null)
    .execute()
  return new Map(rows.map(row => [row.room_id, row.membership]))
}

/** Null while it stands; in no index, for by one of them all that stands anywhere would be looked through. */
const standing = sql`until_position - 0`

/** The rooms that these users are in now. */
export async function selectCurrentRoomsOf(
  db: Db,
  userIds: readonly string[],
): Promise<{ room_id: string; state_key: string }[]> {
  if (userIds.length === 0) return []
  const { rows } = await sql<{ room_id: string; state_key: string }>`
    SELECT member.* FROM unnest(${[...userIds]}::text[]) AS one (user_id)
    CROSS JOIN LATERAL (
      SELECT room_id, state_key FROM room_state
      WHERE state_key = one.user_id AND membership = 'join' AND ${standing} IS NULL
      ORDER BY room_id
    ) AS member`.execute(db.q)
  return rows
}

/**
 * The memberships of a user, in all rooms, that held at any moment in [after, upTo]: that at
 * `after` and each later one. Oldest first.
 */
export async function selectMembershipsBetween(
  db: Db,
  userId: string,
  after: number,
  upTo: number,
): Promise<MembershipRow[]> {
  const { rows } = await fixed<MembershipRow>`
    SELECT room_id, state_key, position, until_position, event_id, sender, membership
    FROM room_state
    WHERE membership IS NOT NULL AND state_key = ${userId} AND position <= ${upTo}
      AND (until_position IS NULL OR until_position > ${after})
    ORDER BY position`.execute(db.q)
  return rows
}

/** Changes of anybody's membership in these rooms in (after, upTo], oldest first. */
export async function selectMembershipChanges(
  db: Db,
  roomIds: readonly string[],
  after: number,
  upTo: number,
): Promise<MembershipRow[]> {
  if (roomIds.length === 0 || after >= upTo) return []
  const { rows } = await sql<MembershipRow>`
    SELECT change.* FROM unnest(${[...roomIds]}::text[]) AS wanted (room_id)
    -- The room by its index; of memberships there is one by user.
    CROSS JOIN LATERAL (
      SELECT room_id, state_key, position, until_position, event_id, sender, membership FROM room_state
      WHERE room_state.room_id || '' = wanted.room_id AND position > ${after} AND position <= ${upTo}
        AND membership || '' IS NOT NULL
      ORDER BY position
    ) AS change
    ORDER BY change.position`.execute(db.q)
  return rows
}

/** The users who had joined at `at` (inclusive): what was long before is not read. */
export async function selectJoinedMembersAt(db: Db, roomId: string, at: number): Promise<string[]> {
  const { rows } = await fixed<{ state_key: string }>`
    SELECT state_key FROM room_state
    WHERE room_id = ${roomId} AND type = 'm.room.member' AND membership = 'join'
      AND until_position IS NULL AND position - 0 <= ${at}
    UNION ALL
    SELECT state_key FROM room_state
    WHERE room_id = ${roomId} AND membership = 'join'
      AND until_position > ${at} AND position - 0 <= ${at}`.execute(db.q)
  return rows.map(row => row.state_key)
}

/** One of those who are in the room now, but none of these. */
export async function selectSomeoneJoined(
  db: Db,
  roomId: string,
  except: readonly string[],
): Promise<string | undefined> {
  const row = await db.q
    .selectFrom('room_state')
    .select('state_key')
    .where('room_id', '=', roomId)
    .where('until_position', 'is', null)
    // With the `invite` beside it this is a partial index.
    .where(sql<boolean>`membership IN ('join', 'invite')`)
    .where('membership', '=', 'join')
    .where('state_key', '!=', sql<string>`ALL(${[...except]}::text[])`)
    .orderBy('position')
    .limit(1)
    .executeTakeFirst()
  return row?.state_key
}

/** The membership events of who is banned from the room now. */
export async function selectBans(db: Db, roomId: string): Promise<EventRow[]> {
  return (
    db.q
      .selectFrom('room_state')
      .innerJoin('events', 'events.event_id', 'room_state.event_id')
      .selectAll('events')
      .where('room_state.room_id', '=', roomId)
      .where('room_state.until_position', 'is', null)
      // With the `leave` beside it this is a partial index, and the departed are few.
      .where(sql<boolean>`room_state.membership IN ('leave', 'ban')`)
      .where('room_state.membership', '=', 'ban')
      .orderBy('room_state.position')
      .execute()
  )
}

/** The guests of this server who are in the room. */
export async function selectGuestsIn(db: Db, roomId: string): Promise<string[]> {
  const rows = await db.q
    .selectFrom('room_state')
    .innerJoin('users', 'users.user_id', 'room_state.state_key')
    .select('room_state.state_key')
    .where('room_id', '=', roomId)
    .where('type', '=', 'm.room.member')
    .where('membership', '=', 'join')
    .where('until_position', 'is', null)
    .where('users.is_guest', '=', true)
    .orderBy('position')
    .execute()
  return rows.map(row => row.state_key)
}

/**
 * Members to name each room after: the first `limit`, in order of position, without `exceptUserId`,
 * of those whose membership is now one of these.
 */
export async function selectHeroes(
  db: Db,
  roomIds: readonly string[],
  exceptUserId: string,
  memberships: 'present' | 'gone',
  limit: number,
): Promise<{ room_id: string; state_key: string }[]> {
  if (roomIds.length === 0) return []
  // Spelt out, and not a parameter, because each is a partial index.
  const isOneOf =
    memberships === 'present'
      ? sql`membership IN ('join', 'invite')`
      : sql`membership IN ('leave', 'ban')`
  const { rows } = await sql<{ room_id: string; state_key: string }>`
    SELECT heroes.room_id, heroes.state_key
    FROM unnest(${[...roomIds]}::text[]) AS wanted (room_id)
    CROSS JOIN LATERAL (
      SELECT room_state.room_id, state_key, position FROM room_state
      WHERE room_state.room_id = wanted.room_id AND until_position IS NULL AND ${isOneOf}
        AND state_key <> ${exceptUserId}
      ORDER BY position LIMIT ${limit}
    ) AS heroes
    ORDER BY heroes.position`.execute(db.q)
  return rows
}

/** The rooms that the user is in now. */
export async function selectJoinedRooms(db: Db, userId: string): Promise<string[]> {
  const rows = await db.q
    .selectFrom('room_state')
    .select('room_id')
    .where('state_key', '=', userId)
    .where('membership', '=', 'join')
    .where(standing, 'is', null)
    .orderBy('position')
    .execute()
  return rows.map(row => row.room_id)
}
