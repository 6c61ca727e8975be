/** Events that relate to others: what stands under an event, and what is told of it with it. */
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import type { PositionRange } from './events.ts'
import type { EventRow, ThreadRow } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

/** What may be read of one room. */
export interface RoomRanges {
  roomId: string
  ranges: readonly PositionRange[]
}

/**
 * The room of the row of `events` under this alias, written as it is in no index: what relates to an event
 * is to be found by that event, and not among all that its room has.
 */
const roomOf = (alias: string) => sql`(${sql.ref(alias)}.room_id || '')`

/** Whether the row of `events` under this alias lies in what may be read; by it no row is to be found. */
export function isReadable(alias: string, rooms: readonly RoomRanges[]): RawBuilder<SqlBool> {
  const all = rooms.flatMap(({ roomId, ranges }) => ranges.map(range => ({ roomId, ...range })))
  const table = sql.ref(alias)
  return sql`EXISTS (
    SELECT 1 FROM unnest(
      ${all.map(range => range.roomId)}::text[],
      ${all.map(range => range.from)}::bigint[],
      ${all.map(range => range.upTo)}::bigint[]
    ) AS readable (room_id, first, last)
    WHERE readable.room_id = ${roomOf(alias)}
      AND ${table}.position BETWEEN readable.first AND readable.last
  )`
}

/** Whether the row of `events` under this alias is to be seen by who ignores these senders. */
export function isNotIgnored(alias: string, ignored: ReadonlySet<string>): RawBuilder<SqlBool> {
  if (ignored.size === 0) return sql`true`
  const table = sql.ref(alias)
  return sql`(${table}.state_key IS NOT NULL OR ${table}.sender <> ALL(${[...ignored]}::text[]))`
}

/** An index has all that is in threads. It serves none who look for less: to it this is some relation. */
const inThread = sql`${'m.thread'}`

export interface RelationsQuery {
  room: RoomRanges
  /** Senders of whom only state is to be seen. */
  ignored: ReadonlySet<string>
  parentId: string
  relType?: string | undefined
  eventType?: string | undefined
  /** Exclusive. */
  after: number
  /** Inclusive. */
  upTo: number
  direction: 'forwards' | 'backwards'
  limit: number
}

/** The children of an event. */
export async function selectChildren(db: Db, query: RelationsQuery): Promise<EventRow[]> {
  return pageOf(db, query, sql`relates_to = ${query.parentId}`)
}

/** The children of an event, their children, and so on, down to `depth` levels. */
export async function selectDescendants(
  db: Db,
  query: RelationsQuery,
  depth: number,
): Promise<EventRow[]> {
  return pageOf(
    db,
    query,
    sql`event_id = ANY(ARRAY(
      WITH RECURSIVE descendants (event_id, level) AS (
        SELECT event_id, 1 FROM events
        WHERE relates_to = ${query.parentId} AND ${roomOf('events')} = ${query.room.roomId}
        UNION
        SELECT child.event_id, level + 1
        FROM descendants JOIN events child ON child.relates_to = descendants.event_id
        WHERE level < ${depth} AND ${roomOf('child')} = ${query.room.roomId}
      )
      SELECT event_id FROM descendants
    ))`,
    // In no index: to an array, or by IN, the planner might come from all events in order of position.
    sql`position - 0`,
  )
}

async function pageOf(
  db: Db,
  query: RelationsQuery,
  isWanted: RawBuilder<SqlBool>,
  position: RawBuilder<number> = sql`position`,
): Promise<EventRow[]> {
  const { room, relType, eventType } = query
  return db.q
    .selectFrom('events')
    .selectAll()
    .where(isWanted)
    .where(isReadable('events', [room]))
    .where(isNotIgnored('events', query.ignored))
    .where(position, '>', query.after)
    .where(position, '<=', query.upTo)
    .$if(relType !== undefined, events => events.where('rel_type', '=', relType ?? ''))
    .$if(eventType !== undefined, events => events.where('type', '=', eventType ?? ''))
    .orderBy(position, query.direction === 'forwards' ? 'asc' : 'desc')
    .limit(query.limit)
    .execute()
}

/** An event that others may relate to. */
export type Parent = Pick<EventRow, 'event_id' | 'room_id' | 'sender' | 'type' | 'rel_type'> & {
  redacted_by: string | null
}

/**
 * What is told of events with them: the edit that counts, the latest reply in the thread, and up to
 * `references` references, oldest first. Of an event that is redacted, no edit. Nothing of those
 * whom the reader ignores.
 */
export async function selectAggregated(
  db: Db,
  parents: readonly Parent[],
  { rooms, ignored }: { rooms: readonly RoomRanges[]; ignored: ReadonlySet<string> },
  references: number,
): Promise<EventRow[]> {
  if (parents.length === 0) return []
  const readable = sql`${isReadable('child', rooms)} AND ${isNotIgnored('child', ignored)}`
  const related = (relType: string) => sql`
    SELECT child.* FROM events child
    WHERE child.relates_to = parent.event_id AND child.rel_type = ${relType}
      AND ${roomOf('child')} = parent.room_id AND ${readable}`
  // An edit is by the same sender, of the same type, no state, brings the new content along (in an
  // encrypted one that cannot be seen), and edits no edit.
  const { rows } = await sql<EventRow>`
    SELECT child.* FROM unnest(
      ${parents.map(parent => parent.event_id)}::text[],
      ${parents.map(parent => parent.room_id)}::text[],
      ${parents.map(parent => parent.sender)}::text[],
      ${parents.map(parent => parent.type)}::text[],
      ${parents.map(({ redacted_by, rel_type }) => redacted_by === null && rel_type !== 'm.replace')}::boolean[]
    ) AS parent (event_id, room_id, sender, type, can_be_edited)
    CROSS JOIN LATERAL (
      (${related('m.replace')} AND parent.can_be_edited
        AND child.sender = parent.sender AND child.type = parent.type AND child.state_key IS NULL
        AND (child.type = 'm.room.encrypted' OR child.pdu LIKE '%"m.new_content"%')
        ORDER BY child.position DESC LIMIT 1)
      UNION ALL
      (${related('m.thread')} ORDER BY child.position DESC LIMIT 1)
      UNION ALL
      (${related('m.reference')} ORDER BY child.position LIMIT ${references})
    ) AS child`.execute(db.q)
  return rows
}

/** Replies have joined threads. Of a root that the room does not have, nothing is kept. */
export async function addThreadReplies(
  tx: Tx,
  replies: readonly { rootEventId: string; roomId: string; position: number }[],
): Promise<void> {
  if (replies.length === 0) return
  await sql`
    INSERT INTO threads (root_event_id, room_id, root_position, latest_position, reply_count)
    SELECT root.event_id, root.room_id, root.position, max(reply.position), count(*)
    FROM unnest(
      ${replies.map(reply => reply.rootEventId)}::text[],
      ${replies.map(reply => reply.roomId)}::text[],
      ${replies.map(reply => reply.position)}::bigint[]
    ) AS reply (root_event_id, room_id, position)
    JOIN events root ON root.event_id = reply.root_event_id AND root.room_id = reply.room_id
    GROUP BY root.event_id
    ON CONFLICT (root_event_id) DO UPDATE SET
      latest_position = excluded.latest_position,
      reply_count = threads.reply_count + excluded.reply_count`.execute(tx.q)
}

/** A reply is redacted, and belongs to its thread no longer. */
export async function removeThreadReply(tx: Tx, rootEventId: string): Promise<void> {
  await tx.q
    .deleteFrom('threads')
    .where('root_event_id', '=', rootEventId)
    .where('reply_count', '=', 1)
    .execute()
  await sql`
    UPDATE threads SET
      reply_count = reply_count - 1,
      latest_position = (
        SELECT max(position) FROM events
        WHERE relates_to = ${rootEventId} AND rel_type = ${inThread}
          AND ${roomOf('events')} = threads.room_id
      )
    WHERE root_event_id = ${rootEventId}`.execute(tx.q)
}

/** What one reader is told of a thread: the replies they may read, and whether they took part. */
export interface ThreadCount {
  root_event_id: string
  count: number
  has_replied: boolean
}

export async function selectThreadCounts(
  db: Db,
  rootEventIds: readonly string[],
  userId: string,
  { rooms, ignored }: { rooms: readonly RoomRanges[]; ignored: ReadonlySet<string> },
): Promise<ThreadCount[]> {
  if (rootEventIds.length === 0) return []
  const all = rooms.flatMap(({ roomId, ranges }) => ranges.map(range => ({ roomId, ...range })))
  // Whoever may read all of it is told the number that is kept; others have theirs counted.
  const { rows } = await sql<ThreadCount>`
    SELECT threads.root_event_id,
      CASE WHEN ${ignored.size === 0} AND EXISTS (
        SELECT 1 FROM unnest(
          ${all.map(range => range.roomId)}::text[],
          ${all.map(range => range.from)}::bigint[],
          ${all.map(range => range.upTo)}::bigint[]
        ) AS readable (room_id, first, last)
        WHERE readable.room_id = threads.room_id AND readable.first <= threads.root_position
          AND readable.last >= threads.latest_position
      ) THEN reply_count ELSE (
        SELECT count(*)::int FROM events child
        WHERE child.relates_to = threads.root_event_id AND child.rel_type = ${inThread}
          AND ${roomOf('child')} = threads.room_id AND ${isReadable('child', rooms)}
          AND ${isNotIgnored('child', ignored)}
      ) END AS count,
      ${hasReplied(userId)} AS has_replied
    FROM threads
    WHERE threads.root_event_id = ANY(${[...rootEventIds]}::text[])`.execute(db.q)
  return rows
}

/** OFFSET 0: or all that the user has ever said in a thread may be read, to look the threads up in that. */
const hasReplied = (userId: string): RawBuilder<SqlBool> => sql`EXISTS (
  SELECT 1 FROM events own
  WHERE own.relates_to = threads.root_event_id AND own.rel_type = ${inThread}
    AND own.sender = ${userId} AND ${roomOf('own')} = threads.room_id
  OFFSET 0
)`

export interface ThreadsQuery {
  room: RoomRanges
  /** Senders whose replies do not count. */
  ignored: ReadonlySet<string>
  /** The reader sees the room from its first event to its last. */
  isWhole: boolean
  /** Inclusive; of the latest reply. */
  upTo: number
  limit: number
  /** Only threads in which this user has taken part. */
  participant?: string | undefined
}

/** Thread roots, those with the latest replies that may be read first. */
export async function selectThreadRoots(
  db: Db,
  query: ThreadsQuery,
): Promise<(EventRow & Pick<ThreadRow, 'latest_position'>)[]> {
  const { room, participant } = query
  const latest = query.isWhole
    ? sql`threads.latest_position`
    : sql`(
        SELECT max(child.position) FROM events child
        WHERE child.relates_to = threads.root_event_id AND child.rel_type = ${inThread}
          AND ${roomOf('child')} = threads.room_id AND ${isReadable('child', [room])}
          AND ${isNotIgnored('child', query.ignored)}
      )`
  const takesPart =
    participant === undefined
      ? sql`true`
      : sql`(root.sender = ${participant} OR ${hasReplied(participant)})`
  const { rows } = await sql<EventRow & Pick<ThreadRow, 'latest_position'>>`
    SELECT root.*, latest.position AS latest_position
    FROM threads
    JOIN events root ON root.event_id = threads.root_event_id
    CROSS JOIN LATERAL (SELECT ${latest} AS position) AS latest
    WHERE threads.room_id = ${room.roomId} AND latest.position <= ${query.upTo}
      AND ${isReadable('root', [room])} AND ${takesPart}
    ORDER BY latest.position DESC
    LIMIT ${query.limit}`.execute(db.q)
  return rows
}

/** How these users have annotated these events. */
export async function selectOwnAnnotations(
  db: Db,
  wanted: readonly { parentId: string; sender: string }[],
): Promise<Pick<EventRow, 'room_id' | 'type' | 'sender' | 'pdu'>[]> {
  if (wanted.length === 0) return []
  const { rows } = await sql<Pick<EventRow, 'room_id' | 'type' | 'sender' | 'pdu'>>`
    SELECT mine.* FROM unnest(
      ${wanted.map(one => one.parentId)}::text[],
      ${wanted.map(one => one.sender)}::text[]
    ) AS wanted (parent_id, sender)
    -- One by one: a join might read all annotations.
    CROSS JOIN LATERAL (
      SELECT room_id, type, sender, pdu FROM events
      WHERE events.relates_to = wanted.parent_id AND events.rel_type = 'm.annotation'
        AND events.sender = wanted.sender
      ORDER BY relates_to
    ) AS mine`.execute(db.q)
  return rows
}
