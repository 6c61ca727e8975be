/**
 * Which list of delayed events is asked for. One URL has had four meanings; its query tells them
 * apart:
 *
 *   nothing                       what is scheduled, and beside it what is over (2024-07, 2025-09)
 *   status=scheduled|finalised    one of the two, page by page (2025-09)
 *   delay_id=…                    those by name (2025-09)
 *   order_by, since_ts, outcome,  one list, whatever became of it, in that order and from now on
 *   reason                        (2026-05, for two weeks; ruma always sends `order_by`)
 *   another status, or a filter   MSC4486: one list, whatever became of it
 *   from=…                        the next page of whichever it was
 */
import { z } from 'zod'
import { eventType, queryInteger, roomId, shortText, text } from '../../http/schemas.ts'
import { invalidParam } from '../../matrix/errors.ts'
import type { List } from './pages.ts'

/** The statuses of MSC4486, with the names that they had for five days before. */
const statuses = {
  scheduled: 'scheduled',
  sent: 'sent',
  cancelled: 'cancelled',
  failed: 'failed',
  send: 'sent',
  cancel: 'cancelled',
  error: 'failed',
} as const
const status = z.enum(namesIn(statuses))

/** A page is asked for by a token alone: the token knows the rest. */
export const pageQuery = z.object({ from: text.optional() })

/** What MSC4486 filters by. */
export const filterQuery = pageQuery.extend({
  status: status.optional(),
  dir: z.enum(['f', 'b']).optional(),
  room_id: roomId.optional(),
  type: eventType.optional(),
  from_ts: queryInteger.optional(),
  to_ts: queryInteger.optional(),
})

/** The same, beside what the drafts of MSC4140 knew, where they share a URL. */
const shared = filterQuery.extend({ status: z.union([status, z.literal('finalised')]).optional() })

const orders = {
  send_ts: 'send_at',
  finalised_ts: 'end',
  // Its first name, and as ruma spells it.
  origin_server_ts: 'end',
  finalized_ts: 'end',
  running_since: 'since_ts',
} as const
const outcomes = { send: 'sent', cancel: 'cancelled', error: 'failed' } as const

/** What the draft of 2026-05 asked besides. */
const ordering = z.object({
  order_by: z.enum(namesIn(orders)).optional(),
  since_ts: z.union([z.literal('end'), queryInteger]).optional(),
  outcome: z.enum(namesIn(outcomes)).optional(),
  reason: z.enum(['action', 'delay']).optional(),
})

export type Filters = z.infer<typeof shared> & z.infer<typeof ordering>

const prefix = 'org.matrix.msc4486.'
const names = namesIn(shared.shape)
const prefixed = Object.fromEntries(
  names.map(name => [`${prefix}${name}`, shared.shape[name] as z.ZodType]),
)

export const listQuery = shared.extend({
  ...ordering.shape,
  delay_id: z.array(shortText).optional(),
  ...prefixed,
})

/**
 * The filters under their plain names.
 *
 * @returns also, whether one of them came under its unstable name
 * @throws 400 M_INVALID_PARAM one came under both of its names, with different values
 */
export function filtersOf(query: z.infer<typeof listQuery>): {
  filters: Filters
  isPrefixed: boolean
} {
  let isPrefixed = false
  const { order_by, since_ts, outcome, reason } = query
  const filters: Record<string, unknown> = { order_by, since_ts, outcome, reason }
  for (const name of names) {
    const stable: unknown = query[name]
    const unstable: unknown = query[`${prefix}${name}` as keyof typeof query]
    if (unstable !== undefined) isPrefixed = true
    if (stable !== undefined && unstable !== undefined && stable !== unstable) {
      throw invalidParam(`${name} and ${prefix}${name} differ`)
    }
    filters[name] = stable ?? unstable
  }
  return { filters: filters as Filters, isPrefixed }
}

/**
 * The list that these filters mean: of a draft of MSC4140, or else of MSC4486.
 *
 * @param now Unix ms; where a list begins that has an order
 */
export function listOf(
  { status: asked, ...filters }: Filters,
  now: number,
): List & { startTs?: number | undefined } {
  const { order_by, since_ts, outcome, reason } = filters
  if ([order_by, since_ts, outcome, reason].some(value => value !== undefined)) {
    return {
      ...flatListOf(filters),
      kind: 'ordered',
      status: asked === 'finalised' ? asked : asked && statuses[asked],
      order: orders[order_by ?? 'send_ts'],
      outcome: outcome && outcomes[outcome],
      reason,
      // Either end, by the direction.
      startTs: since_ts === 'end' ? undefined : (since_ts ?? now),
    }
  }
  if (asked === 'finalised') {
    // What is over, latest first.
    return { ...flatListOf(filters), kind: asked, status: asked, dir: filters.dir ?? 'b' }
  }
  const list = flatListOf({ ...filters, status: asked })
  return asked === 'scheduled' ? { ...list, kind: asked } : list
}

/** The list of MSC4486: in the order of sending, whatever became of it. */
export function flatListOf(filters: z.infer<typeof filterQuery>): List {
  return {
    kind: 'flat',
    status: filters.status && statuses[filters.status],
    dir: filters.dir ?? 'f',
    roomId: filters.room_id,
    type: filters.type,
    fromTs: filters.from_ts,
    toTs: filters.to_ts,
  }
}

/** The keys of an object that is written down here. */
function namesIn<T extends object>(names: T): (keyof T & string)[] {
  return Object.keys(names) as (keyof T & string)[]
}
