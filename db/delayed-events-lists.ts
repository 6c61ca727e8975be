/** MSC4140's table as its owner reads it: whole, or page by page. */
import { type NotNull, sql } from 'kysely'
import { type DelayedEventRow, scheduled } from './delayed-events.ts'
import type { DelayedEventCause, DelayedEventStatus } from './schema.ts'
import type { Db } from './transaction.ts'

/** Everything that is scheduled, earliest first; what waits for an action, and has no time, last. */
export async function selectScheduled(db: Db, userId: string): Promise<DelayedEventRow[]> {
  return selectDelayedEvents(db, {
    userId,
    status: 'scheduled',
    order: 'send_at',
    direction: 'forwards',
  })
}

/**
 * A user's that were finalised in (after, upTo], in the order in which they were; without `after` all, also those of
 * which it is not known when.
 */
export async function selectFinalisedBetween(
  db: Db,
  userId: string,
  after: number | undefined,
  upTo: number,
): Promise<DelayedEventRow[]> {
  const rows = db.q.selectFrom('delayed_events').selectAll().where('user_id', '=', userId)
  if (after !== undefined) {
    return rows
      .where('finalised_position', 'is not', null)
      .where('finalised_position', '>', after)
      .where('finalised_position', '<=', upTo)
      .orderBy('finalised_position')
      .orderBy('send_at')
      .orderBy('seq')
      .execute()
  }
  return rows
    .where('status', '!=', scheduled)
    .where(sql<boolean>`COALESCE(finalised_position, 0) <= ${upTo}::bigint`)
    .orderBy('finalised_ts')
    .orderBy('seq')
    .execute()
}

/** Of all users: the first `limit`, of one position all, that were finalised in (after, upTo]. */
export async function selectAllFinalisedBetween(
  db: Db,
  after: number,
  upTo: number,
  limit: number,
): Promise<(DelayedEventRow & { finalised_position: number })[]> {
  const rows = await db.q
    .selectFrom('delayed_events')
    .selectAll()
    .where('finalised_position', 'is not', null)
    .$narrowType<{ finalised_position: NotNull }>()
    .where('finalised_position', '>', after)
    .where('finalised_position', '<=', upTo)
    .orderBy('finalised_position')
    .fetch(limit, 'with ties')
    .execute()
  return rows.sort(
    (one, other) => one.finalised_position - other.finalised_position || one.seq - other.seq,
  )
}

/** What somebody who is not the owner is shown: neither the content nor the `delay_id`, a secret. */
const columnsForOthers = [
  'user_id',
  'room_id',
  'type',
  'state_key',
  'delay_ms',
  'since_ts',
  'send_at',
  'dialect',
  'status',
  'cause',
  'finalised_ts',
  'event_id',
] as const
export type DelayedEventForOthers = Pick<DelayedEventRow, (typeof columnsForOthers)[number]>

/** Of all users, what is due first first; the first `from` of them are left out. */
export async function selectDelayedEventsOfAll(
  db: Db,
  query: {
    from: number
    limit: number
    status: DelayedEventStatus | undefined
    userId: string | undefined
    roomId: string | undefined
  },
): Promise<DelayedEventForOthers[]> {
  const { status, userId, roomId } = query
  return db.q
    .selectFrom('delayed_events')
    .select(columnsForOthers)
    .$if(status !== undefined, rows => rows.where('status', '=', status ?? 'scheduled'))
    .$if(userId !== undefined, rows => rows.where('user_id', '=', userId ?? ''))
    .$if(roomId !== undefined, rows => rows.where('room_id', '=', roomId ?? ''))
    .orderBy('send_at')
    .orderBy('seq')
    .limit(query.limit)
    .offset(query.from)
    .execute()
}

/**
 * What it is sorted by, and then by `seq`. By `finalised_ts` only what is finalised; by `end`, which is
 * `finalised_ts` or else `send_at`, and by `send_at`, what has none comes last.
 */
export type Order = 'send_at' | 'finalised_ts' | 'end' | 'since_ts'

export interface DelayedEventQuery {
  userId: string
  /** `finalised` is all but `scheduled`; undefined is every one. */
  status?: DelayedEventStatus | 'finalised' | undefined
  /** What became of it, beside `status`. */
  outcome?: DelayedEventStatus | undefined
  /** By what it was finalised, one of these. */
  causes?: readonly DelayedEventCause[] | undefined
  delayIds?: readonly string[] | undefined
  roomId?: string | undefined
  type?: string | undefined
  /** Of `send_at`, inclusive. */
  fromTs?: number | undefined
  /** Of `send_at`, inclusive. */
  toTs?: number | undefined
  order: Order
  direction: 'forwards' | 'backwards'
  /** Where it begins, in its direction: a value of `order`, inclusive. */
  start?: number | undefined
  /** Where the page before ended: the value of `order`, and `seq`. Exclusive. */
  after?: readonly [number, number] | undefined
  /** Undefined: no limit. */
  limit?: number | undefined
}

/** The `send_at` of what has none, for sorting: no time is later. As in the index. */
const never = Number.MAX_SAFE_INTEGER

const keys = {
  send_at: sql`COALESCE(send_at, ${sql.lit(never)})`,
  finalised_ts: sql.ref('finalised_ts'),
  end: sql`COALESCE(finalised_ts, send_at, ${sql.lit(never)})`,
  since_ts: sql.ref('since_ts'),
}

/** What a row is sorted by. */
export function keyOf(row: DelayedEventRow, order: Order): number {
  if (order === 'since_ts') return row.since_ts
  return (order === 'send_at' ? null : row.finalised_ts) ?? row.send_at ?? never
}

/** A page of a user's delayed events, in the direction asked for. */
export async function selectDelayedEvents(
  db: Db,
  query: DelayedEventQuery,
): Promise<DelayedEventRow[]> {
  const key = keys[query.order]
  const isForwards = query.direction === 'forwards'
  let rows = db.q.selectFrom('delayed_events').selectAll().where('user_id', '=', query.userId)
  if (query.status === 'finalised') rows = rows.where('status', '!=', scheduled)
  else if (query.status !== undefined) rows = rows.where('status', '=', query.status)
  // It is so by itself, and lets the index of what is finalised be used.
  if (query.order === 'finalised_ts') rows = rows.where('status', '!=', scheduled)
  if (query.outcome !== undefined) rows = rows.where('status', '=', query.outcome)
  if (query.causes) {
    rows = rows.where('cause', '=', sql<DelayedEventCause>`ANY(${[...query.causes]}::text[])`)
  }
  if (query.delayIds) {
    rows = rows.where('delay_id', '=', sql<string>`ANY(${[...query.delayIds]}::text[])`)
  }
  if (query.roomId !== undefined) rows = rows.where('room_id', '=', query.roomId)
  if (query.type !== undefined) rows = rows.where('type', '=', query.type)
  if (query.fromTs !== undefined) rows = rows.where('send_at', '>=', query.fromTs)
  if (query.toTs !== undefined) rows = rows.where('send_at', '<=', query.toTs)
  const comparison = sql.raw(isForwards ? '>' : '<')
  if (query.start !== undefined) {
    rows = rows.where(sql<boolean>`${key} ${comparison}= ${query.start}::bigint`)
  }
  if (query.after) {
    const [value, seq] = query.after
    rows = rows.where(sql<boolean>`(${key}, seq) ${comparison} (${value}::bigint, ${seq}::bigint)`)
  }
  const direction = isForwards ? 'asc' : 'desc'
  rows = rows.orderBy(key, direction).orderBy('seq', direction)
  return (query.limit === undefined ? rows : rows.limit(query.limit)).execute()
}
