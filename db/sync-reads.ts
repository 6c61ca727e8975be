/**
 * What `/sync` reads of many rooms, or for many users, with one statement. Each answer comes under
 * the place (`n`, from 1) of its question, and questions that find nothing have none.
 */
import { expressionBuilder, sql } from 'kysely'
import { passes, type TimelineFilter } from './events.ts'
import { fixed } from './fixed.ts'
import type { MembershipRow } from './memberships.ts'
import type { EventRow, Schema } from './schema.ts'
import type { Db } from './transaction.ts'

/** Which question a row answers. */
export type Answering<Row> = Row & { n: number }

/** The end of one room's timeline. */
export interface TimelineEnd {
  roomId: string
  /** Inclusive. */
  from: number
  /** Inclusive. */
  upTo: number
}

/** The latest `limit` events of each stretch that pass, latest first. */
export async function selectTimelineEnds(
  db: Db,
  ends: readonly TimelineEnd[],
  { limit, filter, ignored }: EndsQuery,
): Promise<Answering<EventRow>[]> {
  if (ends.length === 0 || limit === 0) return []
  const events = expressionBuilder<Schema, 'events'>()
  const isSeen =
    ignored.length === 0
      ? sql``
      : sql`AND (state_key IS NOT NULL OR sender <> ALL(${[...ignored]}::text[]))`
  const { rows } = await sql<Answering<EventRow>>`
    SELECT wanted.n, found.*
    FROM unnest(
      ${ends.map(end => end.roomId)}::text[],
      ${ends.map(end => end.from)}::bigint[],
      ${ends.map(end => end.upTo)}::bigint[]
    ) WITH ORDINALITY AS wanted (wanted_room_id, first, last, n)
    CROSS JOIN LATERAL (
      SELECT * FROM events
      WHERE room_id = wanted_room_id AND position BETWEEN first AND last ${isSeen}
        ${filter === undefined ? sql`` : sql`AND ${passes(events, filter)}`}
      ORDER BY position DESC LIMIT ${limit}
    ) AS found
    ORDER BY wanted.n, found.position DESC`.execute(db.q)
  return rows
}

export interface EndsQuery {
  limit: number
  filter?: TimelineFilter | undefined
  /** Senders of whom only state is to be seen. */
  ignored: readonly string[]
}

/** Some of a room's state. */
export interface StateWish {
  roomId: string
  /** As it stood just after the event there (inclusive). */
  at: number
  /** Only what began to hold after this position (exclusive); 0 for all. */
  after: number
  withMembers: boolean
}

/** The state of each wish, in order of position. */
export async function selectStates(
  db: Db,
  wishes: readonly StateWish[],
): Promise<Answering<EventRow>[]> {
  if (wishes.length === 0) return []
  const { rows } = await fixed<Answering<EventRow>>`
    SELECT wanted.n, events.*
    FROM unnest(
      ${wishes.map(wish => wish.roomId)}::text[],
      ${wishes.map(wish => wish.at)}::bigint[],
      ${wishes.map(wish => wish.after)}::bigint[],
      ${wishes.map(wish => wish.withMembers)}::boolean[]
    ) WITH ORDINALITY AS wanted (room_id, at, after, with_members, n)
    LEFT JOIN rooms ON rooms.room_id = wanted.room_id
    -- What still stands, and what has ended since if anything has changed since; members and all else.
    -- Each by an index of its own, for there may be very many members, and a long history ("- 0" and
    -- "membership || ''" are in no index: by them nothing is to be found; "room_id || ''" is in that of
    -- changes alone). After a position only new members are looked at.
    CROSS JOIN LATERAL (
      SELECT event_id, position FROM room_state
      WHERE wanted.with_members AND wanted.after = 0
        AND room_state.room_id = wanted.room_id AND until_position IS NULL
        AND position - 0 <= wanted.at
      UNION ALL
      SELECT event_id, position FROM room_state
      WHERE NOT (wanted.with_members AND wanted.after = 0)
        AND room_state.room_id = wanted.room_id AND membership IS NULL AND until_position IS NULL
        AND position > wanted.after AND position <= wanted.at
      UNION ALL
      SELECT event_id, position FROM room_state
      WHERE wanted.with_members AND wanted.after > 0
        AND room_state.room_id || '' = wanted.room_id AND membership || '' IS NOT NULL
        AND position > wanted.after AND position <= wanted.at
        AND (until_position IS NULL OR until_position > wanted.at)
      UNION ALL
      SELECT event_id, position FROM room_state
      WHERE wanted.at < coalesce(rooms.state_version, wanted.at + 1)
        AND room_state.room_id = wanted.room_id AND membership IS NULL
        AND until_position > wanted.at
        AND position - 0 > wanted.after AND position - 0 <= wanted.at
      UNION ALL
      SELECT event_id, position FROM room_state
      WHERE wanted.with_members AND wanted.after = 0
        AND wanted.at < coalesce(rooms.state_version, wanted.at + 1)
        AND room_state.room_id = wanted.room_id AND membership IS NOT NULL
        AND until_position > wanted.at AND position - 0 <= wanted.at
    ) AS room_state
    JOIN events ON events.event_id = room_state.event_id
    ORDER BY wanted.n, room_state.position`.execute(db.q)
  return rows
}

/** Every membership that each of these users has ever had in that room, oldest first. */
export async function selectMembershipHistories(
  db: Db,
  pairs: readonly { roomId: string; userId: string }[],
): Promise<Answering<Pick<MembershipRow, 'room_id' | 'position' | 'membership'>>[]> {
  if (pairs.length === 0) return []
  const { rows } = await fixed<
    Answering<Pick<MembershipRow, 'room_id' | 'position' | 'membership'>>
  >`
    SELECT wanted.n, room_state.room_id, room_state.position, room_state.membership
    FROM unnest(
      ${pairs.map(pair => pair.roomId)}::text[], ${pairs.map(pair => pair.userId)}::text[]
    ) WITH ORDINALITY AS wanted (room_id, user_id, n)
    CROSS JOIN LATERAL (
      SELECT room_id, position, membership FROM room_state
      WHERE room_state.room_id = wanted.room_id AND type = 'm.room.member'
        AND state_key = wanted.user_id
      OFFSET 0
    ) AS room_state
    ORDER BY room_state.position`.execute(db.q)
  return rows
}

/**
 * Of these rooms, those where any of these types changed under any key in (after, upTo], or where a
 * redaction in that stretch emptied what stands under the empty one.
 */
export async function selectRoomsWithChangedState(
  db: Db,
  roomIds: readonly string[],
  types: readonly string[],
  after: number,
  upTo: number,
): Promise<string[]> {
  if (roomIds.length === 0 || after >= upTo) return []
  const { rows } = await sql<{ room_id: string }>`
    SELECT wanted.room_id FROM unnest(${[...roomIds]}::text[]) AS wanted (room_id)
    -- Room by room: EXISTS is a join to the planner, which may read all that has changed anywhere.
    CROSS JOIN LATERAL (
      SELECT FROM room_state
      WHERE room_state.room_id || '' = wanted.room_id AND position > ${after} AND position <= ${upTo}
        AND type = ANY(${[...types]}::text[])
      UNION ALL
      SELECT FROM room_state
      JOIN events emptied ON emptied.event_id = room_state.event_id
      JOIN events redaction ON redaction.event_id = emptied.redacted_by
      WHERE room_state.room_id = wanted.room_id AND room_state.type = ANY(${[...types]}::text[])
        AND room_state.state_key = '' AND room_state.until_position IS NULL
        AND redaction.position > ${after} AND redaction.position <= ${upTo}
      LIMIT 1
    ) AS change`.execute(db.q)
  return rows.map(row => row.room_id)
}

/** What is left of a device's keys: one-time keys by algorithm, or a fallback key not yet used. */
export type KeyCountRow = Answering<{ algorithm: string; one_time: number | null }>

/** In order of algorithm. */
export async function selectKeyCounts(
  db: Db,
  devices: readonly { userId: string; deviceId: string }[],
): Promise<KeyCountRow[]> {
  if (devices.length === 0) return []
  const { rows } = await fixed<KeyCountRow>`
    WITH wanted AS (
      SELECT * FROM unnest(
        ${devices.map(device => device.userId)}::text[],
        ${devices.map(device => device.deviceId)}::text[]
      ) WITH ORDINALITY AS device (user_id, device_id, n)
    )
    SELECT n, algorithm, count(*) AS one_time FROM wanted CROSS JOIN LATERAL (
      SELECT algorithm FROM one_time_keys
      WHERE user_id = wanted.user_id AND device_id = wanted.device_id AND NOT is_claimed
      OFFSET 0
    ) AS one_time_keys
    GROUP BY n, algorithm
    UNION ALL
    SELECT n, algorithm, NULL FROM wanted CROSS JOIN LATERAL (
      SELECT algorithm FROM fallback_keys
      WHERE user_id = wanted.user_id AND device_id = wanted.device_id AND NOT is_used
      OFFSET 0
    ) AS fallback_keys
    ORDER BY algorithm`.execute(db.q)
  return rows
}
