/**
 * State through time. A row holds from `position` (inclusive) to `until_position` (exclusive); one
 * table answers "now", "then" and "what changed in between".
 */
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import type { EventRow, RoomStateRow } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

/** The row had not ended at this position (inclusive). */
const stillHeldAfter = (at: number): RawBuilder<SqlBool> =>
  sql`(until_position IS NULL OR until_position > ${at})`

/** The row that ends now, if there was one. */
export async function replaceState(
  tx: Tx,
  state: Omit<RoomStateRow, 'until_position'>,
): Promise<{ event_id: string; membership: string | null } | undefined> {
  const replaced = await tx.q
    .updateTable('room_state')
    .set({ until_position: state.position })
    .where('room_id', '=', state.room_id)
    .where('type', '=', state.type)
    .where('state_key', '=', state.state_key)
    .where('until_position', 'is', null)
    .returning(['event_id', 'membership'])
    .executeTakeFirst()
  await tx.q
    .insertInto('room_state')
    .values({ ...state, until_position: null })
    .execute()
  return replaced
}

export type StateKey = readonly [type: string, stateKey: string]

/**
 * The current events under these keys, in no particular order. A key may come from an event that
 * has not been checked yet: under one with a NUL, which PostgreSQL would refuse, nothing stands.
 */
export async function selectStateByKeys(
  db: Db,
  roomId: string,
  wanted: readonly StateKey[],
): Promise<EventRow[]> {
  const keys = wanted.filter(([type, stateKey]) => !`${type}${stateKey}`.includes('\0'))
  if (keys.length === 0) return []
  return db.q
    .selectFrom('room_state')
    .innerJoin('events', 'events.event_id', 'room_state.event_id')
    .selectAll('events')
    .where('room_state.room_id', '=', roomId)
    .where('until_position', 'is', null)
    .where(eb =>
      eb.or(
        keys.map(([type, stateKey]) =>
          eb('room_state.type', '=', type).and('room_state.state_key', '=', stateKey),
        ),
      ),
    )
    .execute()
}

/** Which part of a room's state. Without `types`, all of it. */
export interface StateSelection {
  /** Only these types. */
  types?: readonly string[]
  /** Of `m.room.member`, only these users. Other types are not touched. */
  members?: readonly string[] | undefined
  /** Only what began to hold after this position (exclusive). */
  after?: number
}

/** The state as it stood just after the event at `at` (inclusive), in order of position. */
export async function selectStateAt(
  db: Db,
  roomId: string,
  at: number,
  selection: StateSelection = {},
): Promise<EventRow[]> {
  const { types, members, after } = selection
  return db.q
    .selectFrom('room_state')
    .innerJoin('events', 'events.event_id', 'room_state.event_id')
    .selectAll('events')
    .where('room_state.room_id', '=', roomId)
    .where('room_state.position', '<=', at)
    .where(stillHeldAfter(at))
    .$if(after !== undefined, query => query.where('room_state.position', '>', after ?? 0))
    .$if(types !== undefined, query =>
      query.where('room_state.type', '=', sql<string>`ANY(${[...(types ?? [])]}::text[])`),
    )
    .$if(members !== undefined, query =>
      query.where(eb =>
        eb.or([
          eb('room_state.type', '!=', 'm.room.member'),
          eb('room_state.state_key', '=', sql<string>`ANY(${[...(members ?? [])]}::text[])`),
        ]),
      ),
    )
    .orderBy('room_state.position')
    .execute()
}

/** One piece of state as it stood just after the event at `at` (inclusive). */
export async function selectStateEventAt(
  db: Db,
  roomId: string,
  key: StateKey,
  at: number,
): Promise<EventRow | undefined> {
  return db.q
    .selectFrom('room_state')
    .innerJoin('events', 'events.event_id', 'room_state.event_id')
    .selectAll('events')
    .where('room_state.room_id', '=', roomId)
    .where('room_state.type', '=', key[0])
    .where('room_state.state_key', '=', key[1])
    .where('room_state.position', '<=', at)
    .where(stillHeldAfter(at))
    .executeTakeFirst()
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
  return memberships(db)
    .where('state_key', '=', userId)
    .where('position', '<=', upTo)
    .where(stillHeldAfter(after))
    .orderBy('position')
    .execute()
}

/** Changes of anybody's membership in these rooms in (after, upTo], oldest first. */
export async function selectMembershipChanges(
  db: Db,
  roomIds: readonly string[],
  after: number,
  upTo: number,
): Promise<MembershipRow[]> {
  if (roomIds.length === 0 || after >= upTo) return []
  return memberships(db)
    .where('room_id', '=', sql<string>`ANY(${[...roomIds]}::text[])`)
    .where('position', '>', after)
    .where('position', '<=', upTo)
    .orderBy('position')
    .execute()
}

/** The users who had joined at `at` (inclusive). */
export async function selectJoinedMembersAt(db: Db, roomId: string, at: number): Promise<string[]> {
  const rows = await db.q
    .selectFrom('room_state')
    .select('state_key')
    .where('room_id', '=', roomId)
    .where('type', '=', 'm.room.member')
    .where('membership', '=', 'join')
    .where('position', '<=', at)
    .where(stillHeldAfter(at))
    .execute()
  return rows.map(row => row.state_key)
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

/** Of `candidates`, those who at `at` (inclusive) had joined a room that `userId` had joined. */
export async function selectSharingRoomAt(
  db: Db,
  userId: string,
  candidates: readonly string[],
  at: number,
): Promise<string[]> {
  if (candidates.length === 0) return []
  const { rows } = await sql<{ state_key: string }>`
    SELECT DISTINCT theirs.state_key
    FROM room_state mine
    JOIN room_state theirs ON theirs.room_id = mine.room_id
    WHERE mine.state_key = ${userId} AND mine.membership = 'join'
      AND mine.position <= ${at} AND (mine.until_position IS NULL OR mine.until_position > ${at})
      AND theirs.state_key = ANY(${[...candidates]}::text[]) AND theirs.membership = 'join'
      AND theirs.position <= ${at}
      AND (theirs.until_position IS NULL OR theirs.until_position > ${at})`.execute(db.q)
  return rows.map(row => row.state_key)
}

/**
 * Members to name a room after: the first `limit`, in order of position, without `exceptUserId`,
 * of those whose membership is now one of these.
 */
export async function selectHeroes(
  db: Db,
  roomId: string,
  exceptUserId: string,
  memberships: 'present' | 'gone',
  limit: number,
): Promise<string[]> {
  const rows = await db.q
    .selectFrom('room_state')
    .select('state_key')
    .where('room_id', '=', roomId)
    .where('until_position', 'is', null)
    // Spelt out, and not a parameter, because each is a partial index.
    .where(
      memberships === 'present'
        ? sql<boolean>`membership IN ('join', 'invite')`
        : sql<boolean>`membership IN ('leave', 'ban')`,
    )
    .where('state_key', '!=', exceptUserId)
    .orderBy('position')
    .limit(limit)
    .execute()
  return rows.map(row => row.state_key)
}

/** Whether any of these types changed under any key in the room in (after, upTo]. */
export async function hasStateChanged(
  db: Db,
  roomId: string,
  types: readonly string[],
  after: number,
  upTo: number,
): Promise<boolean> {
  const row = await db.q
    .selectFrom('room_state')
    .select('position')
    .where('room_id', '=', roomId)
    .where('position', '>', after)
    .where('position', '<=', upTo)
    .where('type', '=', sql<string>`ANY(${[...types]}::text[])`)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** Everything that has ever stood under one key in these rooms, oldest first. */
export async function selectStateHistory(
  db: Db,
  roomIds: readonly string[],
  key: StateKey,
): Promise<(Pick<RoomStateRow, 'room_id' | 'position'> & { pdu: string })[]> {
  if (roomIds.length === 0) return []
  return db.q
    .selectFrom('room_state')
    .innerJoin('events', 'events.event_id', 'room_state.event_id')
    .select(['room_state.room_id', 'room_state.position', 'events.pdu'])
    .where('room_state.room_id', '=', sql<string>`ANY(${[...roomIds]}::text[])`)
    .where('room_state.type', '=', key[0])
    .where('room_state.state_key', '=', key[1])
    .orderBy('room_state.position')
    .execute()
}

/** The rooms that the user is in now. */
export async function selectJoinedRooms(db: Db, userId: string): Promise<string[]> {
  const rows = await db.q
    .selectFrom('room_state')
    .select('room_id')
    .where('state_key', '=', userId)
    .where('membership', '=', 'join')
    .where('until_position', 'is', null)
    .orderBy('position')
    .execute()
  return rows.map(row => row.room_id)
}
