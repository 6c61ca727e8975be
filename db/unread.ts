/** Events as push rules look at them, and since when a user has to do with them. */
import { sql } from 'kysely'
import type { EventRow } from './schema.ts'
import type { Db } from './transaction.ts'

export type RuledRow = EventRow & {
  /** The root of the thread that it is in, over at most three relations; null: the main timeline. */
  thread: string | null
}

/**
 * `thread` of the rows of `events` that are `found`. What an event relates to is looked up one by one: for a
 * join, all events might be read.
 */
const threadOfFound = sql`
    CASE
      WHEN found.rel_type = 'm.thread' THEN found.relates_to
      WHEN found.relates_to IS NOT NULL THEN (
        SELECT CASE
          WHEN parent.rel_type = 'm.thread' THEN parent.relates_to
          WHEN parent.relates_to IS NOT NULL THEN (
            -- Found by its id: there are indexes of what is in threads, which may be very much.
            SELECT CASE WHEN grandparent.rel_type = 'm.thread' THEN grandparent.relates_to END
            FROM events grandparent
            WHERE grandparent.event_id = parent.relates_to
              AND grandparent.room_id || '' = parent.room_id)
        END
        FROM events parent
        WHERE parent.event_id = found.relates_to AND parent.room_id = found.room_id)
    END AS thread`

/** A stretch of a room: both ends of it are where a receipt stands. Exclusive. */
export interface Stretch {
  roomId: string
  after: number
  /** For events that say themselves that they are in a thread. */
  threadsAfter: number
}

/**
 * The events of these stretches, up to `upTo` (inclusive), in no particular order: of each room what
 * is of the main timeline among its latest `limit` events, and the latest `limit` of its threads.
 * No more than twice `limit` are read, whatever the room is full of.
 */
export async function selectForRules(
  db: Db,
  stretches: readonly Stretch[],
  upTo: number,
  limit: number,
): Promise<RuledRow[]> {
  if (stretches.length === 0) return []
  // The ranges are of whole rows of the index: for a room and a range of its own, the planner expects
  // few rows, and would rather sort all that there are than walk from the end.
  const { rows } = await sql<RuledRow>`
    SELECT found.*, ${threadOfFound}
    FROM unnest(
      ${stretches.map(stretch => stretch.roomId)}::text[],
      ${stretches.map(stretch => stretch.after)}::bigint[],
      ${stretches.map(stretch => stretch.threadsAfter)}::bigint[]
    ) AS wanted (wanted_room_id, after, threads_after)
    CROSS JOIN LATERAL (
      (SELECT * FROM (
        SELECT * FROM events
        WHERE (room_id, position) > (wanted_room_id, after)
          AND (room_id, position) <= (wanted_room_id, ${upTo}::bigint)
        ORDER BY room_id DESC, position DESC LIMIT ${limit}) AS latest
        WHERE rel_type IS DISTINCT FROM 'm.thread')
      UNION ALL
      (SELECT * FROM events
        WHERE (room_id, position) > (wanted_room_id, threads_after)
          AND (room_id, position) <= (wanted_room_id, ${upTo}::bigint) AND rel_type = 'm.thread'
        ORDER BY room_id DESC, position DESC LIMIT ${limit})
    ) AS found
  `.execute(db.q)
  return rows
}

/**
 * Since when (position) the user has been in each of these rooms without a break, and their
 * present membership event; rooms that they are not in are left out.
 */
export async function selectOwnJoins(
  db: Db,
  userId: string,
  roomIds: readonly string[],
): Promise<{ room_id: string; joined_position: number; pdu: string }[]> {
  if (roomIds.length === 0) return []
  const { rows } = await sql<{ room_id: string; joined_position: number; pdu: string }>`
    SELECT mine.room_id, events.pdu, (
      SELECT min(position) FROM room_state since
      WHERE since.room_id = mine.room_id AND since.type = 'm.room.member'
        AND since.state_key = mine.state_key AND since.position > coalesce((
          SELECT max(position) FROM room_state before
          WHERE before.room_id = mine.room_id AND before.type = 'm.room.member'
            AND before.state_key = mine.state_key AND before.membership <> 'join'
        ), 0)
    ) AS joined_position
    FROM unnest(${[...roomIds]}::text[]) AS wanted (room_id)
    CROSS JOIN LATERAL (
      SELECT * FROM room_state
      WHERE room_state.room_id = wanted.room_id AND type = 'm.room.member'
        AND state_key = ${userId} AND until_position IS NULL
      LIMIT 1
    ) AS mine
    JOIN events ON events.event_id = mine.event_id
    WHERE mine.membership = 'join'`.execute(db.q)
  return rows
}

/** The first `limit` events of these stretches of rooms, (after, upTo], oldest first. */
export async function selectNextForRules(
  db: Db,
  stretches: readonly { roomId: string; after: number; upTo: number }[],
  limit: number,
): Promise<RuledRow[]> {
  if (stretches.length === 0) return []
  const { rows } = await sql<RuledRow>`
    SELECT found.*, CASE WHEN found.rel_type = 'm.thread' THEN found.relates_to END AS thread
    FROM unnest(
      ${stretches.map(stretch => stretch.roomId)}::text[],
      ${stretches.map(stretch => stretch.after)}::bigint[],
      ${stretches.map(stretch => stretch.upTo)}::bigint[]
    ) AS wanted (room_id, after, up_to)
    CROSS JOIN LATERAL (
      SELECT * FROM events
      WHERE events.room_id = wanted.room_id AND position > wanted.after
        AND position <= wanted.up_to
      ORDER BY position LIMIT ${limit}
    ) AS found
    ORDER BY found.position LIMIT ${limit}`.execute(db.q)
  return rows
}

/** The latest `limit` events before `before` (exclusive) in all these rooms, latest first. */
export async function selectLatestForRules(
  db: Db,
  rooms: readonly { roomId: string; after: number }[],
  before: number,
  limit: number,
): Promise<RuledRow[]> {
  if (rooms.length === 0) return []
  const { rows } = await sql<RuledRow>`
    SELECT found.*, ${threadOfFound}
    FROM unnest(
      ${rooms.map(room => room.roomId)}::text[], ${rooms.map(room => room.after)}::bigint[]
    ) AS wanted (room_id, after)
    CROSS JOIN LATERAL (
      SELECT * FROM events
      WHERE events.room_id = wanted.room_id AND position > wanted.after AND position < ${before}
      ORDER BY position DESC LIMIT ${limit}
    ) AS found
    ORDER BY found.position DESC LIMIT ${limit}`.execute(db.q)
  return rows
}
