/**
 * Which list of delayed events is asked for. One URL has had four meanings; its query tells them
 * apart:
 *
 *   nothing                       what is scheduled, and beside it what is over (2024-07, 2025-09)
 *   status=scheduled|finalised    one of the two, page by page (2025-09)
 *   delay_id=…                    those by name (2025-09)
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
const status = z.enum(Object.keys(statuses) as (keyof typeof statuses)[])

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
export type Filters = z.infer<typeof shared>

const prefix = 'org.matrix.msc4486.'
const names = Object.keys(shared.shape) as (keyof Filters)[]
const prefixed = Object.fromEntries(
  names.map(name => [`${prefix}${name}`, shared.shape[name] as z.ZodType]),
)

export const listQuery = shared.extend({ delay_id: z.array(shortText).optional(), ...prefixed })

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
  const filters: Record<string, unknown> = {}
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

/** The list that these filters mean: of a draft of MSC4140, or else of MSC4486. */
export function listOf({ status: asked, ...filters }: Filters): List {
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
