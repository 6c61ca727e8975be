/** MSC4140 and MSC4486: lists of one's own delayed events, as each draft has them. */
import type { DelayedEventRow } from '../../../db/delayed-events.ts'
import { selectDelayedEvents, selectScheduled } from '../../../db/delayed-events-lists.ts'
import type { Context } from '../../context.ts'
import { endpoint } from '../../http/endpoint.ts'
import type { JsonObject } from '../../lib/json.ts'
import type { Requester } from '../../requester.ts'
import {
  finalisedItemOf,
  lookUpItemOf,
  scheduledItemOf,
  terminatedItemOf,
  type View,
} from '../../rooms/delayed-event-form.ts'
import { filterQuery, filtersOf, flatListOf, listOf, listQuery, pageQuery } from './list-query.ts'
import { type List, type Page, parseToken, questionOf, readPage } from './pages.ts'
import { spec, stableBase, unstableBase, viewOf } from './wire.ts'

const scheduledList: List = { kind: 'scheduled', status: 'scheduled', dir: 'f' }
const finalisedList: List = { kind: 'finalised', status: 'finalised', dir: 'b' }
/** What is over, where it stands beside what is scheduled. */
const besideList: List = { ...finalisedList, kind: 'both' }

export const delayedEventsListsEndpoints = [
  ...[stableBase, unstableBase].flatMap(base => [
    sharedList(base),
    splitList(base, 'scheduled', scheduledList, (rows, view): JsonObject => {
      const scheduled = rows.map(row => scheduledItemOf(row, view))
      return view === 'strict' ? { scheduled } : { scheduled, delayed_events: scheduled }
    }),
    splitList(base, 'finalised', finalisedList, (rows, view): JsonObject => {
      const finalised = rows.map(row => finalisedItemOf(row, view))
      return view === 'strict' ? { finalised } : { finalised, finalised_events: finalised }
    }),
    splitList(base, 'terminated', finalisedList, (rows, view, nextBatch) => ({
      terminated_events: rows.map(row => terminatedItemOf(row, view)),
      ...(nextBatch === undefined ? {} : { next_terminated_batch: nextBatch }),
    })),
  ]),
  endpoint({
    method: 'GET',
    path: '/_matrix/client/unstable/org.matrix.msc4486/delayed_events',
    spec: 'https://github.com/matrix-org/matrix-spec-proposals/pull/4486',
    auth: 'user',
    query: filterQuery,
    async handle({ ctx, requester, query }) {
      const list = query.from === undefined ? flatListOf(query) : parseToken(query.from, ['flat'])
      const { rows, nextBatch } = await readPage(ctx, requester, list)
      return {
        delayed_events: rows.map(row => lookUpItemOf(row, 'unstable')),
        ...nextBatchOf(nextBatch),
      }
    },
  }),
]

/** A URL for each list, as the drafts of 2024-10 to 2025-09 have it. */
function splitList(
  base: string,
  name: string,
  list: List,
  bodyOf: (rows: DelayedEventRow[], view: View, nextBatch: string | undefined) => JsonObject,
) {
  return endpoint({
    method: 'GET',
    path: `${base}/${name}`,
    spec,
    auth: 'user',
    query: pageQuery,
    async handle({ ctx, requester, query }) {
      const asked = query.from === undefined ? list : parseToken(query.from, [list.kind])
      const { rows, nextBatch } = await readPage(ctx, requester, asked)
      return { ...bodyOf(rows, viewOf(ctx, base), nextBatch), ...nextBatchOf(nextBatch) }
    },
  })
}

/** The one URL of all other drafts, and of MSC4486. */
function sharedList(base: string) {
  return endpoint({
    method: 'GET',
    path: base,
    spec,
    auth: 'user',
    query: listQuery,
    repeatable: ['delay_id'],
    async handle({ ctx, requester, query }) {
      const view = viewOf(ctx, base)
      const { filters, isPrefixed } = filtersOf(query)
      if (filters.from === undefined && query.delay_id) {
        return namedOf(ctx, requester, listOf(filters, ctx.clock.now()), query.delay_id, view)
      }
      const isBare = Object.values(filters).every(value => value === undefined)
      const first = isBare ? besideList : listOf(filters, ctx.clock.now())
      const list = filters.from === undefined ? first : parseToken(filters.from)
      // First what is scheduled: what is finalised between the two looks is in the second, and not in neither.
      const before = isBare ? await selectScheduled(ctx.db, requester.userId) : []
      const page = await readPage(ctx, requester, list)
      const isOver = new Set(page.rows.map(row => row.delay_id))
      const scheduled = before.filter(row => !isOver.has(row.delay_id))
      const body = bodyOf(page, scheduled, view)
      return isPrefixed && page.nextBatch !== undefined
        ? { ...body, 'org.matrix.msc4486.next_batch': page.nextBatch }
        : body
    },
  })
}

/**
 * @param beside what is scheduled; it is whole in the answer to a request without a query
 */
function bodyOf(page: Page, beside: DelayedEventRow[], view: View): JsonObject {
  const { list, rows, nextBatch } = page
  const flat = rows.map(row => lookUpItemOf(row, view))
  const scheduled = beside.map(row => lookUpItemOf(row, view))
  // The draft of 2026-05 names the token by where it leads.
  if (list.kind === 'ordered' && list.dir === 'b') {
    return { delayed_events: flat, ...(nextBatch === undefined ? {} : { prev_batch: nextBatch }) }
  }
  const isBoth = list.kind === 'both'
  // Synapse's clients, Complement and ruma take whatever is in `delayed_events` for scheduled if
  // they sent no query; so what is over is not in it, nor in the pages that follow.
  const delayed_events = isBoth ? scheduled : flat
  if (view === 'strict')
    return isBoth ? { delayed_events } : { delayed_events, ...nextBatchOf(nextBatch) }
  return {
    delayed_events,
    ...(isBoth || list.kind === 'scheduled' ? { scheduled: delayed_events } : {}),
    ...(isBoth || list.kind === 'finalised'
      ? { finalised: rows.map(row => finalisedItemOf(row, view)) }
      : {}),
    ...nextBatchOf(nextBatch),
  }
}

/** Those of the requester's delayed events that are named; others are left out. */
async function namedOf(
  ctx: Context,
  requester: Requester,
  list: List,
  delayIds: readonly string[],
  view: View,
): Promise<JsonObject> {
  const rows = await selectDelayedEvents(ctx.db, {
    ...questionOf(list),
    userId: requester.userId,
    delayIds,
  })
  const delayed_events = rows.map(row => lookUpItemOf(row, view))
  if (view === 'strict') return { delayed_events }
  const isScheduled = (row: DelayedEventRow) => row.status === 'scheduled'
  return {
    delayed_events,
    scheduled: rows.filter(isScheduled).map(row => lookUpItemOf(row, view)),
    finalised: rows.filter(row => !isScheduled(row)).map(row => finalisedItemOf(row, view)),
  }
}

const nextBatchOf = (token: string | undefined): JsonObject =>
  token === undefined ? {} : { next_batch: token }
