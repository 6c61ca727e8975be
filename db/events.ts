/** Events: inserted once, read by id or along a room's timeline, emptied by redaction. */
import { type ExpressionBuilder, type ExpressionWrapper, type SqlBool, sql } from 'kysely'
import { fixed } from './fixed.ts'
import type { EventRow, Schema } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

export async function selectEvent(db: Db, eventId: string): Promise<EventRow | undefined> {
  return db.q.selectFrom('events').selectAll().where('event_id', '=', eventId).executeTakeFirst()
}

/** In no particular order; unknown ids are left out. */
export async function selectEvents(db: Db, eventIds: readonly string[]): Promise<EventRow[]> {
  if (eventIds.length === 0) return []
  return db.q
    .selectFrom('events')
    .selectAll()
    .where('event_id', '=', sql<string>`ANY(${[...eventIds]}::text[])`)
    .execute()
}

/** As it is indexed for all rooms together. */
const positionOfAll = sql<number>`(position + 0)`

/** The events of all rooms in (after, upTo], in order of position. */
export async function selectEventsBetween(
  db: Db,
  after: number,
  upTo: number,
  limit: number,
): Promise<EventRow[]> {
  if (after >= upTo) return []
  return db.q
    .selectFrom('events')
    .selectAll()
    .where(positionOfAll, '>', after)
    .where(positionOfAll, '<=', upTo)
    .orderBy(positionOfAll)
    .limit(limit)
    .execute()
}

/** The redacted form takes the place of the event's content, for good. */
export async function redactEvent(
  tx: Tx,
  eventId: string,
  redacted: { pdu: string; redactedBy: string },
): Promise<void> {
  await tx.q
    .updateTable('events')
    .set({
      pdu: redacted.pdu,
      redacted_by: redacted.redactedBy,
      contains_url: false,
      relates_to: null,
      rel_type: null,
      sticky_until_ts: null,
    })
    .where('event_id', '=', eventId)
    .execute()
}

/** What a client filter asks of the events themselves. `*` in a type stands for anything. */
export interface TimelineFilter {
  types?: readonly string[]
  not_types?: readonly string[]
  senders?: readonly string[]
  not_senders?: readonly string[]
  contains_url?: boolean
  rel_types?: readonly string[]
  not_rel_types?: readonly string[]
}

/** Positions from `from` to `upTo`, both inclusive. */
export interface PositionRange {
  from: number
  upTo: number
}

export interface TimelineQuery {
  roomId: string
  /** Only what lies in one of these: what the reader may see. */
  ranges: readonly PositionRange[]
  /** Exclusive. */
  after: number
  /** Inclusive. */
  upTo: number
  direction: 'forwards' | 'backwards'
  limit: number
  filter?: TimelineFilter | undefined
  /** Senders of whom only state is to be seen. */
  ignored?: ReadonlySet<string>
}

/** A stretch of one room's timeline, in the direction asked for. */
export async function selectTimeline(db: Db, query: TimelineQuery): Promise<EventRow[]> {
  const { filter } = query
  if (query.ranges.length === 0 || query.limit === 0 || query.after >= query.upTo) return []
  const [range] = query.ranges
  const isPlain = filter === undefined && !query.ignored?.size
  if (range && query.ranges.length === 1 && isPlain) return selectStretch(db, query, range)
  return db.q
    .selectFrom('events')
    .selectAll()
    .where('room_id', '=', query.roomId)
    .where('position', '>', query.after)
    .where('position', '<=', query.upTo)
    .where(eb => eb.or(query.ranges.map(range => eb.between('position', range.from, range.upTo))))
    .$if(Boolean(query.ignored?.size), events =>
      events.where(eb =>
        eb.or([
          eb('state_key', 'is not', null),
          eb.not(eb('sender', '=', sql<string>`ANY(${[...(query.ignored ?? [])]}::text[])`)),
        ]),
      ),
    )
    .$if(filter !== undefined, events => events.where(eb => passes(eb, filter ?? {})))
    .orderBy('position', query.direction === 'forwards' ? 'asc' : 'desc')
    .limit(query.limit)
    .execute()
}

/** Everything in one range, which is what a page mostly is. */
async function selectStretch(
  db: Db,
  query: TimelineQuery,
  range: PositionRange,
): Promise<EventRow[]> {
  const { roomId, limit, direction } = query
  const from = Math.max(query.after + 1, range.from)
  const upTo = Math.min(query.upTo, range.upTo)
  const { rows } = await (direction === 'forwards'
    ? fixed<EventRow>`
        SELECT * FROM events WHERE room_id = ${roomId} AND position BETWEEN ${from} AND ${upTo}
        ORDER BY position LIMIT ${limit}`
    : fixed<EventRow>`
        SELECT * FROM events WHERE room_id = ${roomId} AND position BETWEEN ${from} AND ${upTo}
        ORDER BY position DESC LIMIT ${limit}`
  ).execute(db.q)
  return rows
}

type Condition = ExpressionWrapper<Schema, 'events', SqlBool>

/** What a filter asks, as a condition on `events`. */
export function passes(eb: ExpressionBuilder<Schema, 'events'>, filter: TimelineFilter): Condition {
  const conditions: Condition[] = []
  // One parameter for all: a statement has room for 65535, and a filter may hold more.
  const likeAny = (patterns: readonly string[]) =>
    eb('type', 'like', sql<string>`ANY(${patterns.map(likePattern)}::text[])`)
  const either = (list: readonly string[], column: 'sender' | 'rel_type') =>
    eb(column, '=', sql<string>`ANY(${[...list]}::text[])`)
  if (filter.types) conditions.push(likeAny(filter.types))
  if (filter.not_types) conditions.push(eb.not(likeAny(filter.not_types)))
  if (filter.senders) conditions.push(either(filter.senders, 'sender'))
  if (filter.not_senders) conditions.push(eb.not(either(filter.not_senders, 'sender')))
  if (filter.contains_url !== undefined) {
    conditions.push(eb('contains_url', '=', filter.contains_url))
  }
  if (filter.rel_types) conditions.push(either(filter.rel_types, 'rel_type'))
  if (filter.not_rel_types) {
    conditions.push(
      eb.or([eb('rel_type', 'is', null), eb.not(either(filter.not_rel_types, 'rel_type'))]),
    )
  }
  return eb.and(conditions)
}

function likePattern(pattern: string): string {
  return pattern.replace(/[\\%_]/g, '\\$&').replaceAll('*', '%')
}

/** A place in a room's timeline. */
export interface Anchor {
  room_id: string
  position: number
}

/** What is around some places of a timeline, and what of it may be read. */
export interface Surroundings {
  anchors: readonly Anchor[]
  rooms: readonly { roomId: string; ranges: readonly PositionRange[] }[]
  /** Senders of whom only state is to be seen. */
  ignored: ReadonlySet<string>
  /** How many events, at most, on either side. */
  before: number
  after: number
}

/** The events around each place, nearest first, each with the position of that place. */
export async function selectAround(
  db: Db,
  { anchors, rooms, ignored, before, after }: Surroundings,
): Promise<(EventRow & { anchor_position: number })[]> {
  if (anchors.length === 0 || before + after === 0) return []
  const all = rooms.flatMap(({ roomId, ranges }) => ranges.map(range => ({ roomId, ...range })))
  const side = (isBefore: boolean) => {
    const order = isBefore ? sql`DESC` : sql`ASC`
    const limit = isBefore ? before : after
    const [first, last] = isBefore
      ? [sql`readable.first`, sql`least(readable.last, anchor.position - 1)`]
      : [sql`greatest(readable.first, anchor.position + 1)`, sql`readable.last`]
    return sql`
      SELECT near.* FROM readable CROSS JOIN LATERAL (
        SELECT * FROM events
        WHERE events.room_id = readable.room_id AND events.position BETWEEN ${first} AND ${last}
          AND (events.state_key IS NOT NULL OR events.sender <> ALL(${[...ignored]}::text[]))
        ORDER BY events.position ${order} LIMIT ${limit}
      ) AS near
      WHERE readable.room_id = anchor.room_id
      ORDER BY near.position ${order} LIMIT ${limit}`
  }
  const { rows } = await sql<EventRow & { anchor_position: number }>`
    WITH readable AS (
      SELECT * FROM unnest(
        ${all.map(range => range.roomId)}::text[],
        ${all.map(range => range.from)}::bigint[],
        ${all.map(range => range.upTo)}::bigint[]
      ) AS range (room_id, first, last)
    )
    SELECT anchor.position AS anchor_position, around.*
    FROM unnest(
      ${anchors.map(anchor => anchor.room_id)}::text[],
      ${anchors.map(anchor => anchor.position)}::bigint[]
    ) AS anchor (room_id, position)
    CROSS JOIN LATERAL ((${side(true)}) UNION ALL (${side(false)})) AS around
    ORDER BY abs(around.position - anchor.position)`.execute(db.q)
  return rows
}

/**
 * The event nearest to a moment, on one side of it: the first at or after `ts`, or the last at or
 * before it. Of several at the same time, the one that is nearest along the timeline.
 */
export async function selectEventByTime(
  db: Db,
  query: {
    roomId: string
    ranges: readonly PositionRange[]
    ts: number
    direction: 'forwards' | 'backwards'
  },
): Promise<EventRow | undefined> {
  if (query.ranges.length === 0) return undefined
  const [comparison, order] =
    query.direction === 'forwards' ? (['>=', 'asc'] as const) : (['<=', 'desc'] as const)
  return (
    db.q
      .selectFrom('events')
      .selectAll()
      .where('room_id', '=', query.roomId)
      .where('origin_server_ts', comparison, query.ts)
      // "- 0" is in no index: by time it is found at once, by these not before all of them are sorted.
      .where(eb =>
        eb.or(
          query.ranges.map(({ from, upTo }) => eb.between(sql<number>`position - 0`, from, upTo)),
        ),
      )
      .orderBy('origin_server_ts', order)
      .orderBy('position', order)
      .limit(1)
      .executeTakeFirst()
  )
}

/** Which of these rooms have an event in (after, upTo]. */
export async function selectRoomsWithEvents(
  db: Db,
  roomIds: readonly string[],
  after: number,
  upTo: number,
): Promise<string[]> {
  if (roomIds.length === 0 || after >= upTo) return []
  const { rows } = await sql<{ room_id: string }>`
    SELECT wanted.room_id FROM unnest(${[...roomIds]}::text[]) AS wanted (room_id)
    -- Room by room: EXISTS is a join to the planner.
    CROSS JOIN LATERAL (
      SELECT FROM events
      WHERE events.room_id = wanted.room_id AND position > ${after} AND position <= ${upTo}
      LIMIT 1
    ) AS event`.execute(db.q)
  return rows.map(row => row.room_id)
}

/** A state event, with the one of the same type and key that it replaced. */
export interface Replacement {
  event_id: string
  replaces_state: string
  position: number
  pdu: string
  sender: string
}

/** For each of these state events that replaced another: which. */
export async function selectReplaced(
  db: Db,
  states: readonly Pick<EventRow, 'event_id' | 'room_id' | 'type' | 'state_key' | 'position'>[],
): Promise<Replacement[]> {
  if (states.length === 0) return []
  const { rows } = await fixed<Replacement>`
    SELECT after.event_id, replaced.event_id AS replaces_state, replaced.position, replaced.pdu,
      replaced.sender
    FROM unnest(
      ${states.map(state => state.event_id)}::text[],
      ${states.map(state => state.room_id)}::text[],
      ${states.map(state => state.type)}::text[],
      ${states.map(state => state.state_key)}::text[],
      ${states.map(state => state.position)}::bigint[]
    ) AS after (event_id, room_id, type, state_key, position)
    -- Only the one right before it is looked at, however often the key has changed.
    CROSS JOIN LATERAL (
      SELECT event_id, until_position FROM room_state
      WHERE room_state.room_id = after.room_id AND room_state.type = after.type
        AND room_state.state_key = after.state_key AND room_state.position < after.position
      ORDER BY room_state.position DESC LIMIT 1
    ) AS before
    JOIN events replaced ON replaced.event_id = before.event_id
    WHERE before.until_position = after.position`.execute(db.q)
  return rows
}
