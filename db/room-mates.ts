/** Who is together with whom: of many users those few who are in the same rooms (decision 83). */
import { type RawBuilder, sql } from 'kysely'
import type { Db } from './transaction.ts'

/** A set of user ids, or a map by them: with very many, nobody makes a list of it who need not. */
type Users = Pick<ReadonlySet<string>, 'size' | 'has' | 'keys'>

/**
 * Of `candidates`, those who at `at` (inclusive) had joined a room that `userId` had joined. Of each room the
 * members are read, or the candidates looked up, whichever are fewer.
 */
export async function selectSharingRoomAt(
  db: Db,
  userId: string,
  candidates: readonly string[],
  at: number,
): Promise<string[]> {
  const wanted = [...new Set(candidates)]
  const theirRooms = sql`
    (SELECT room_id FROM room_state
    WHERE state_key = ${userId} AND membership = 'join'
      AND position <= ${at} AND (until_position IS NULL OR until_position > ${at}))`
  if (wanted.length <= lookedUpOneByOne) return selectInAnyOf(db, wanted, theirRooms, at)

  const inSmall = await selectMembersOfSmall(
    db,
    theirRooms,
    wanted.length,
    most => sql`
    (SELECT state_key FROM room_state
    -- With the invite beside it this is a partial index.
    WHERE room_state.room_id = room.room_id AND until_position IS NULL
      AND membership IN ('join', 'invite') AND membership = 'join' AND position <= ${at}
    ORDER BY position LIMIT ${most})
    UNION ALL
    (SELECT state_key FROM room_state
    WHERE room_state.room_id = room.room_id AND membership = 'join'
      AND until_position > ${at} AND position - 0 <= ${at}
    ORDER BY until_position LIMIT ${most})`,
  )
  const members = new Set(inSmall.rooms.flatMap(room => room.members))
  const sharing = wanted.filter(candidate => members.has(candidate))
  if (inSmall.largeRoomIds.length === 0) return sharing
  const others = wanted.filter(candidate => !members.has(candidate))
  const largeRooms = sql`unnest(${inSmall.largeRoomIds}::text[])`
  return [...sharing, ...(await selectInAnyOf(db, others, largeRooms, at))]
}

/** So few are looked up in one room after the other; for more, the members of small rooms are read. */
const lookedUpOneByOne = 8

/** Those of `candidates` who at `at` had joined one of the rooms. */
async function selectInAnyOf(
  db: Db,
  candidates: readonly string[],
  rooms: RawBuilder<unknown>,
  at: number,
): Promise<string[]> {
  if (candidates.length === 0) return []
  const { rows } = await sql<{ state_key: string }>`
    SELECT one.user_id AS state_key FROM unnest(${[...candidates]}::text[]) AS one (user_id)
    -- In one room after the other, until there is one: a join might read all members of each.
    CROSS JOIN LATERAL (
      SELECT FROM ${rooms} AS mine (room_id)
      CROSS JOIN LATERAL (
        SELECT FROM room_state theirs
        WHERE theirs.room_id = mine.room_id AND theirs.type = 'm.room.member'
          AND theirs.state_key = one.user_id AND theirs.membership = 'join'
          AND theirs.position <= ${at}
          AND (theirs.until_position IS NULL OR theirs.until_position > ${at})
        LIMIT 1
      ) AS together
      LIMIT 1
    ) AS shared`.execute(db.q)
  return rows.map(row => row.state_key)
}

/** The rooms that both have joined now, in order of their ids: of those of `userId` each is looked up. */
export async function selectMutualRooms(
  db: Db,
  userId: string,
  otherId: string,
): Promise<string[]> {
  const { rows } = await sql<{ room_id: string }>`
    SELECT mine.room_id FROM (
      SELECT room_id FROM room_state
      -- In no index: by one of them all that stands anywhere would be looked through.
      WHERE state_key = ${userId} AND membership = 'join' AND until_position - 0 IS NULL
      ORDER BY room_id
    ) AS mine
    CROSS JOIN LATERAL (
      SELECT FROM room_state theirs
      WHERE theirs.room_id = mine.room_id AND theirs.type = 'm.room.member'
        AND theirs.state_key = ${otherId} AND theirs.until_position IS NULL
        AND theirs.membership = 'join'
      LIMIT 1
    ) AS together
    ORDER BY mine.room_id`.execute(db.q)
  return rows.map(row => row.room_id)
}

/** Which of these users are in which of these rooms now, or invited to them. Read as above. */
export async function selectPresentIn(
  db: Db,
  roomIds: readonly string[],
  wanted: Users,
): Promise<{ room_id: string; user_id: string }[]> {
  if (wanted.size <= lookedUpOneByOne) return selectPresentOneByOne(db, roomIds, wanted)
  const asked = sql`unnest(${[...roomIds]}::text[])`
  const inSmall = await selectMembersOfSmall(
    db,
    asked,
    wanted.size,
    most => sql`
    SELECT state_key FROM room_state
    WHERE room_state.room_id = room.room_id AND until_position IS NULL
      AND membership IN ('join', 'invite')
    ORDER BY position LIMIT ${most}`,
  )
  const found = inSmall.rooms.flatMap(({ room_id, members }) =>
    members.filter(member => wanted.has(member)).map(user_id => ({ room_id, user_id })),
  )
  return [...found, ...(await selectPresentOneByOne(db, inSmall.largeRoomIds, wanted))]
}

async function selectPresentOneByOne(
  db: Db,
  roomIds: readonly string[],
  wanted: Users,
): Promise<{ room_id: string; user_id: string }[]> {
  if (roomIds.length === 0 || wanted.size === 0) return []
  const { rows } = await sql<{ room_id: string; user_id: string }>`
    SELECT room_id, user_id
    FROM unnest(${[...roomIds]}::text[]) AS room (room_id)
    CROSS JOIN unnest(${[...wanted.keys()]}::text[]) AS one (user_id)
    -- One by one: the planner might read all members.
    CROSS JOIN LATERAL (
      SELECT membership FROM room_state
      WHERE room_state.room_id = room.room_id AND type = 'm.room.member'
        AND state_key = one.user_id AND until_position IS NULL
      LIMIT 1
    ) AS member
    WHERE membership IN ('join', 'invite')`.execute(db.q)
  return rows
}

/**
 * The members of those rooms that have up to `most`, and which have more.
 *
 * @param membersOf who of `room` is meant: state keys, as many as it is asked for at the most
 */
async function selectMembersOfSmall(
  db: Db,
  rooms: RawBuilder<unknown>,
  most: number,
  membersOf: (most: number) => RawBuilder<unknown>,
): Promise<{ rooms: { room_id: string; members: string[] }[]; largeRoomIds: string[] }> {
  const { rows } = await sql<{ room_id: string; members: string[] | null }>`
    SELECT room.room_id, CASE WHEN cardinality(members) <= ${most} THEN members END AS members
    FROM ${rooms} AS room (room_id)
    CROSS JOIN LATERAL (
      SELECT COALESCE(array_agg(state_key), '{}') AS members FROM (${membersOf(most + 1)}) AS one
    ) AS found`.execute(db.q)
  return {
    rooms: rows.flatMap(({ room_id, members }) => (members ? [{ room_id, members }] : [])),
    largeRoomIds: rows.filter(row => row.members === null).map(row => row.room_id),
  }
}
