/**
 * Searching what was said. Only in what the user may read, in the rooms that they are or were in or,
 * where they name them, in others that are open to them; nothing by users whom they ignore but state.
 *
 * Spec: Client-Server API "Server Side Search"
 */
import { selectAround } from '../../db/events.ts'
import { selectMembersAt, selectMembershipsBetween } from '../../db/memberships.ts'
import { selectStateAt } from '../../db/room-state.ts'
import type { EventRow, SearchableKey } from '../../db/schema.ts'
import {
  areFew,
  countMatches,
  type SearchCursor,
  type SearchPage,
  type SearchQuery,
  searching,
  selectEndOfLatest,
  selectMatches,
} from '../../db/search.ts'
import type { Db } from '../../db/transaction.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { invalidParam } from '../matrix/errors.ts'
import type { ClientEvent } from '../matrix/event.ts'
import { matchesRoom, type RoomEventFilter } from '../matrix/filter.ts'
import type { Requester } from '../requester.ts'
import { formatTimelineToken } from '../stream/token.ts'
import type { Context } from './context.ts'
import { presentEvents } from './present-event.ts'
import { contentOf } from './stored-event.ts'
import { viewerOf } from './timeline.ts'
import { type Sight, selectSights, withSticky } from './visibility.ts'

const defaultLimit = 10
const maxLimit = 100
/** More are not counted: the number is there to be shown. */
const mostCounted = 10_000
/** A word that so many of the latest texts have is looked for in those. Decision 0058. */
const commonFrom = 50
/** So often the latest texts before those that were looked at are, for what was common long ago. */
const mostLooksBack = 4

export type GroupKey = 'room_id' | 'sender'

export interface SearchRequest {
  term: string
  keys: readonly SearchableKey[]
  filter: RoomEventFilter
  orderBy: 'rank' | 'recent'
  /** Undefined: the results alone. */
  context: { before: number; after: number; withProfiles: boolean } | undefined
  withState: boolean
  groupBy: readonly GroupKey[]
  nextBatch: string | undefined
}

type Found = EventRow & { rank: number }

/**
 * @returns the `room_events` of the answer
 * @throws 400 M_INVALID_PARAM a `next_batch` that is none of this search
 * Spec: POST /search
 */
export async function searchEvents(
  ctx: Context,
  requester: Requester,
  request: SearchRequest,
): Promise<JsonObject> {
  const batch = request.nextBatch === undefined ? undefined : parseBatch(request)
  const filter = narrowed(request.filter, batch?.group)
  const now = ctx.positions.latest()
  const rooms = filter.rooms ?? (await roomsOf(ctx, requester.userId, now))
  const wanted = [...new Set(rooms)].filter(roomId => matchesRoom(roomId, filter))
  const looked = await selectSights(ctx.db, wanted, requester.userId, now)
  const seen = await withSticky(ctx.db, looked, ctx.clock.now())
  const sights = seen.filter(sight => sight.ranges.length > 0)
  const viewer = viewerOf(ctx, requester)
  const ignored = await viewer.ignored()
  // What somebody has had erased is not found, by those either who were there and may go on reading it.
  const silent = new Set([...ignored, ...viewer.erased.keys()])
  const query = { term: request.term, keys: request.keys, rooms: sights, filter, ignored: silent }
  const limit = Math.min(Math.max(filter.limit ?? defaultLimit, 1), maxLimit)
  const page = { orderBy: request.orderBy, after: batch?.after, limit }
  const { count, found, nextAfter } = await searching(ctx.db, db =>
    findMatches(db, query, page, now),
  )

  const present = (rows: EventRow[]) => presentEvents(ctx.db, rows, viewer, sights)
  const events = await present(found)
  const contexts = await contextsOf(ctx, request, found, { rooms: sights, ignored }, present)
  const results = found.map((row, index) => ({
    rank: row.rank,
    result: wire(events[index]),
    // There also if nobody asked for it, as from Synapse: ruma took it for granted until 2026.
    context: contexts[index] ?? {},
  }))
  return {
    count,
    highlights: wordsOf(request.term),
    results,
    ...(request.withState ? { state: await stateOf(ctx, found, sights, present) } : {}),
    ...(request.groupBy.length > 0
      ? { groups: groupsOf(request, found, nextAfter !== undefined) }
      : {}),
    ...(nextAfter ? { next_batch: formatBatch(request, nextAfter) } : {}),
  }
}

/** Those that the user is in, and those that they were in: what they may still read there is found. */
async function roomsOf(ctx: Context, userId: string, now: number): Promise<string[]> {
  const memberships = await selectMembershipsBetween(ctx.db, userId, now, now)
  return memberships.map(row => row.room_id)
}

/**
 * What most texts have is looked for in the latest ones: there are enough of them, and to find all
 * would be to read all. What is rare is found by the index of words, wherever it is. And what was common
 * long ago is looked for further back, page by page; by rank, some of it is weighed.
 *
 * @returns count: of what is common, at least so many; `nextAfter`: where the next page goes on,
 *   undefined if there is none
 */
async function findMatches(
  db: Db,
  query: SearchQuery,
  page: SearchPage,
  now: number,
): Promise<{ count: number; found: Found[]; nextAfter: SearchCursor | undefined }> {
  const { orderBy, after } = page
  const upTo = orderBy === 'recent' && after ? after.position - 1 : now
  const latest = await countMatches(db, query, { upTo: now }, mostCounted)
  const isCommon = latest >= commonFrom
  if (isCommon) {
    const found = await selectMatches(db, query, { upTo }, page)
    if (orderBy === 'rank' || found.length === page.limit) return pageOf(latest, found, page)
  }
  if (await areFew(db, query)) {
    const count = isCommon ? latest : await countMatches(db, query, 'indexed', mostCounted)
    return pageOf(count, await selectMatches(db, query, 'indexed', page), page)
  }
  const count = isCommon ? latest : await countMatches(db, query, 'any', mostCounted)
  if (orderBy === 'rank') {
    return pageOf(count, await selectMatches(db, query, 'any', page), page)
  }
  return { count, ...(await selectFurtherBack(db, query, page, upTo)) }
}

/** Less than a page, perhaps nothing, if little is there; the next page then goes on where this ends. */
async function selectFurtherBack(
  db: Db,
  query: SearchQuery,
  page: SearchPage,
  upTo: number,
): Promise<{ found: Found[]; nextAfter: SearchCursor | undefined }> {
  const found: Found[] = []
  let end = upTo + 1
  for (let looks = 0; looks < mostLooksBack; looks++) {
    const texts = { upTo: end - 1 }
    const limit = page.limit - found.length
    found.push(...(await selectMatches(db, query, texts, { ...page, limit })))
    if (found.length === page.limit) return { found, nextAfter: found.at(-1) }
    end = await selectEndOfLatest(db, query, texts)
    if (end === 0) return { found, nextAfter: undefined }
  }
  return { found, nextAfter: { position: end } }
}

function pageOf(count: number, found: Found[], { limit }: SearchPage) {
  return { count, found, nextAfter: found.length === limit ? found.at(-1) : undefined }
}

const wire = (value: ClientEvent | ClientEvent[] | undefined) => (value ?? null) as JsonValue

/** A batch of one group is searched for in that group alone. */
function narrowed(filter: RoomEventFilter, group?: { key: GroupKey; value: string }) {
  if (!group) return filter
  const [list, others] =
    group.key === 'room_id'
      ? (['rooms', 'not_rooms'] as const)
      : (['senders', 'not_senders'] as const)
  const isListed = filter[list]?.includes(group.value) ?? true
  const isOut = filter[others]?.includes(group.value) ?? false
  return { ...filter, [list]: isListed && !isOut ? [group.value] : [] }
}

/** What came before and after each result; nothing if that is not asked for. */
async function contextsOf(
  ctx: Context,
  request: SearchRequest,
  found: readonly Found[],
  seen: { rooms: readonly Sight[]; ignored: ReadonlySet<string> },
  present: (rows: EventRow[]) => Promise<ClientEvent[]>,
): Promise<JsonObject[]> {
  const { context } = request
  if (!context) return []
  const { before, after } = context
  const around = await selectAround(ctx.db, { anchors: found, ...seen, before, after })
  const events = await present(around)
  const settled = ctx.positions.settled()
  const profiles = context.withProfiles ? await profilesOf(ctx, found, around) : undefined
  return found.map(row => {
    const near = around.flatMap((neighbour, index) =>
      neighbour.anchor_position === row.position ? [{ neighbour, event: events[index] }] : [],
    )
    const earlier = near.filter(({ neighbour }) => neighbour.position < row.position)
    const later = near.filter(({ neighbour }) => neighbour.position > row.position)
    const first = earlier.at(-1)?.neighbour ?? row
    const last = later.at(-1)?.neighbour ?? row
    return {
      start: formatTimelineToken(first.position - 1, settled),
      end: formatTimelineToken(last.position, settled),
      events_before: earlier.map(({ event }) => wire(event)),
      events_after: later.map(({ event }) => wire(event)),
      ...(profiles
        ? { profile_info: profiles(row, [row, ...near.map(({ neighbour }) => neighbour)]) }
        : {}),
    }
  })
}

/** The names and pictures that senders had in the room when the result was sent. */
async function profilesOf(
  ctx: Context,
  found: readonly Found[],
  around: readonly (EventRow & { anchor_position: number })[],
) {
  const wanted = [...found.map(row => ({ ...row, anchor_position: row.position })), ...around].map(
    row => ({ roomId: row.room_id, userId: row.sender, at: row.anchor_position }),
  )
  const members = await selectMembersAt(ctx.db, wanted)
  return (result: EventRow, shown: readonly EventRow[]): JsonObject => {
    const profiles: JsonObject = {}
    for (const { sender } of shown) {
      const member = members.find(
        row =>
          wanted[row.n - 1]?.at === result.position &&
          row.room_id === result.room_id &&
          row.state_key === sender,
      )
      const isNamed = member && !ctx.erasures.erased.has(sender)
      const { displayname, avatar_url } = isNamed ? contentOf(member) : {}
      profiles[sender] = {
        ...(typeof displayname === 'string' ? { displayname } : {}),
        ...(typeof avatar_url === 'string' ? { avatar_url } : {}),
      }
    }
    return profiles
  }
}

/** The state of every room in the results, as far as the user may read it. */
async function stateOf(
  ctx: Context,
  found: readonly Found[],
  sights: readonly Sight[],
  present: (rows: EventRow[]) => Promise<ClientEvent[]>,
): Promise<JsonObject> {
  const state: JsonObject = {}
  for (const { roomId, stateUpTo } of sights) {
    if (stateUpTo === undefined || !found.some(row => row.room_id === roomId)) continue
    state[roomId] = wire(await present(await selectStateAt(ctx.db, roomId, stateUpTo)))
  }
  return state
}

function groupsOf(request: SearchRequest, found: readonly Found[], hasMore: boolean): JsonObject {
  const groups: JsonObject = {}
  for (const key of request.groupBy) {
    const values = [...new Set(found.map(row => row[key]))]
    groups[key] = Object.fromEntries(
      values.map((value, order) => {
        const ofGroup = found.filter(row => row[key] === value)
        const last = ofGroup.at(-1)
        const next = hasMore && last ? formatBatch(request, last, { key, value }) : undefined
        return [
          value,
          {
            order,
            results: ofGroup.map(row => row.event_id),
            ...(next === undefined ? {} : { next_batch: next }),
          },
        ]
      }),
    )
  }
  return groups
}

function formatBatch(
  request: SearchRequest,
  last: SearchCursor,
  group?: { key: GroupKey; value: string },
): string {
  const place = request.orderBy === 'rank' ? `r${last.rank}_${last.position}` : `p${last.position}`
  return group ? `${place}_${group.key}_${group.value}` : place
}

function parseBatch(request: SearchRequest): {
  after: SearchCursor
  group: { key: GroupKey; value: string } | undefined
} {
  const [, rank, position, key, value] =
    /^(?:r(\d(?:\.\d{1,20})?(?:e-\d{1,3})?)_|p)(\d{1,15})(?:_(room_id|sender)_(.+))?$/.exec(
      request.nextBatch ?? '',
    ) ?? []
  if (position === undefined || (rank === undefined) !== (request.orderBy === 'recent')) {
    throw invalidParam('next_batch is none of this search')
  }
  return {
    after: { position: Number(position), rank: rank === undefined ? undefined : Number(rank) },
    group: value === undefined ? undefined : { key: key as GroupKey, value },
  }
}

/** What a client may highlight. */
function wordsOf(term: string): string[] {
  const words = term
    .toLowerCase()
    .split(/\s+/)
    .filter(word => word !== 'or' && !word.startsWith('-'))
  const bare = words.flatMap(word => word.split(/[^\p{L}\p{N}\p{M}_]+/u))
  return [...new Set(bare)].filter(word => word !== '')
}
