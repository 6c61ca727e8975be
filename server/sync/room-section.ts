/**
 * A room in `/sync`: a stretch of its timeline, and the state around it.
 *
 * Nothing is remembered of what a device was sent, so that the same `since` always gives the same:
 * a lazily loaded member is told again with each of their messages.
 *
 * Spec: GET /sync "Joined Room", "Left Room", "Lazy-loading room members"; MSC4222
 */
import { selectTimeline } from '../../db/events.ts'
import { hasStateChanged, selectMembershipHistory, selectStateAt } from '../../db/room-state.ts'
import type { EventRow } from '../../db/schema.ts'
import type { Requester } from '../accounts/requester.ts'
import type { Context } from '../context.ts'
import type { JsonObject } from '../lib/json.ts'
import type { ClientEvent } from '../matrix/event.ts'
import { withFields } from '../matrix/event-fields.ts'
import { type Filter, matchesFilter, matchesRoom } from '../matrix/filter.ts'
import { isInRanges, type Range } from '../matrix/readable-ranges.ts'
import { presentForSync } from '../rooms/present-event.ts'
import { parsePdu } from '../rooms/stored-event.ts'
import { viewerOf } from '../rooms/timeline.ts'
import { selectSight } from '../rooms/visibility.ts'
import { formatTimelineToken } from '../stream/token.ts'
import type { RoomChange, Window } from './build-sync.ts'
import { roomSummary, summarisedTypes } from './room-summary.ts'
import type { SyncRequest } from './sync.ts'

const defaultTimelineLimit = 10
const maxTimelineLimit = 1_000

/** What of a room is to be told. */
export interface Stretch {
  roomId: string
  /** Exclusive; undefined tells the state as a whole and the latest part of the timeline. */
  since: number | undefined
  /** Inclusive. */
  upTo: number
  /** Limited, however little there is: a client must not take it for the whole past. */
  isAlwaysLimited: boolean
  /** Inclusive; undefined if none of the state is for the user to see. */
  stateUpTo: number | undefined
  /** Where the user went; shown to them even if they could never read anything else. */
  departure?: number
}

/** Who looks, and whom they do not want to see. */
export interface View {
  requester: Requester
  ignored: ReadonlySet<string>
}

/** A room's entry. */
interface Section {
  section: JsonObject
  /** Nothing has happened that the filter lets through. */
  isEmpty: boolean
}

export async function joinedRoom(
  ctx: Context,
  view: View,
  request: SyncRequest,
  { since, upTo }: Window,
  change: RoomChange,
): Promise<Section> {
  const { roomId } = change
  const isNewlyJoined = since !== undefined && !change.wasJoinedThroughout
  const isWhole = since === undefined || isNewlyJoined
  const stretch: Stretch = {
    roomId,
    since: isWhole ? undefined : since,
    upTo,
    isAlwaysLimited: isNewlyJoined,
    stateUpTo: upTo,
  }
  const isToldAgain =
    isWhole ||
    request.fullState ||
    (await hasStateChanged(ctx.db, roomId, summarisedTypes, since, upTo))
  const summary = isToldAgain ? await roomSummary(ctx, roomId, view.requester.userId) : undefined
  const heroes = summary?.heroes ?? []
  const { section, isEmpty } = await roomSection(ctx, view, request, stretch, heroes)
  return {
    section: {
      ...section,
      ...(summary ? { summary: summary.wire } : {}),
    },
    isEmpty: isEmpty && !summary,
  }
}

/** A room as it was when the user left it; what came later is not theirs to see. */
export async function leftRoom(
  ctx: Context,
  view: View,
  request: SyncRequest,
  { since }: Window,
  change: RoomChange,
): Promise<JsonObject> {
  const history = await selectMembershipHistory(ctx.db, [change.roomId], view.requester.userId)
  const lastJoin = history.findLast(row => row.membership === 'join')
  const isNewToUser =
    !change.wasJoinedBefore && lastJoin !== undefined && lastJoin.position > (since ?? 0)
  const stretch: Stretch = {
    roomId: change.roomId,
    since: isNewToUser ? undefined : since,
    upTo: change.now.position,
    isAlwaysLimited: false,
    // Who rejected an invite, or was banned unseen, never saw the room's state.
    stateUpTo: lastJoin?.until_position ?? undefined,
    departure: change.now.position,
  }
  const { section } = await roomSection(ctx, view, request, stretch, [])
  return { ...section, account_data: { events: [] } }
}

async function roomSection(
  ctx: Context,
  view: View,
  request: SyncRequest,
  stretch: Stretch,
  heroes: string[],
): Promise<Section> {
  const { roomId, upTo, departure } = stretch
  const { requester, ignored } = view
  const sight = await selectSight(ctx.db, roomId, requester.userId, upTo)
  const { ranges } = sight
  if (departure !== undefined && !isInRanges(departure, ranges)) {
    ranges.push({ from: departure, upTo: departure })
  }
  const timeline = await readTimeline(ctx, request, stretch, ranges, ignored)
  const state = await readState(ctx, view, request, stretch, timeline.rows, heroes)
  const rows = [...timeline.rows, ...state]
  const events = await presentForSync(ctx.db, rows, viewerOf(ctx, requester), [sight])
  const wire = rows.map((row, index) => inFormat(request.filter, row, events[index]))
  const start = timeline.rows[0] ? timeline.rows[0].position - 1 : upTo
  const section: JsonObject = {
    timeline: {
      events: wire.slice(0, timeline.rows.length),
      limited: timeline.isLimited,
      prev_batch: formatTimelineToken(start, upTo),
    },
    [request.stateKeyName]: { events: wire.slice(timeline.rows.length) },
  }
  return { section, isEmpty: rows.length === 0 && !timeline.isLimited }
}

/** As the filter wants to see it: in which format, and which fields of it. */
function inFormat(filter: Filter, row: EventRow, event: ClientEvent | undefined): JsonObject {
  const client = { ...event } as JsonObject
  const { unsigned = {} } = client
  const isRaw = filter.event_format === 'federation'
  return withFields(isRaw ? { ...parsePdu(row), unsigned } : client, filter.event_fields)
}

/**
 * The latest events of the stretch, oldest first. Where some are hidden from the user, only those
 * after them: the state stands before the first event, and could not tell what changed in between.
 */
export async function readTimeline(
  ctx: Context,
  request: Pick<SyncRequest, 'filter'>,
  { roomId, since, upTo, isAlwaysLimited }: Stretch,
  ranges: Range[],
  ignored: ReadonlySet<string>,
): Promise<{ rows: EventRow[]; isLimited: boolean }> {
  const filter = request.filter.room?.timeline
  const limit = Math.min(filter?.limit ?? defaultTimelineLimit, maxTimelineLimit)
  const isWanted = matchesRoom(roomId, filter ?? {})
  const latest = ranges.slice(-1)
  const hasEarlier = ranges.slice(0, -1).some(range => range.upTo > (since ?? 0))
  const found = await selectTimeline(ctx.db, {
    roomId,
    ranges: latest,
    after: since ?? 0,
    upTo,
    direction: 'backwards',
    // One more than is shown, to know whether there is more.
    limit: isWanted ? limit + 1 : 0,
    filter,
    ignored,
  })
  return {
    rows: found.slice(0, limit).reverse(),
    isLimited: isAlwaysLimited || found.length > limit || (isWanted && hasEarlier),
  }
}

/** The state that goes with the timeline, by the filter and by the kind of state asked for. */
async function readState(
  ctx: Context,
  view: View,
  request: SyncRequest,
  stretch: Stretch,
  timeline: EventRow[],
  heroes: string[],
): Promise<EventRow[]> {
  const { roomId, stateUpTo: upTo } = stretch
  const filter = request.filter.room?.state ?? {}
  if (upTo === undefined || !matchesRoom(roomId, filter)) return []

  const since = request.fullState ? undefined : stretch.since
  const isLazy = filter.lazy_load_members ?? request.filter.room?.timeline?.lazy_load_members
  const senders = [...new Set([...timeline.map(row => row.sender), ...heroes])]
  const isAfter = request.stateKeyName !== 'state'
  const firstPosition = timeline[0]?.position
  const at = isAfter || firstPosition === undefined ? upTo : Math.min(firstPosition - 1, upTo)

  // "the server MUST return membership events for events in the gap": only the state as a whole is
  // lazy. MSC4222 says the same of state_after.
  const members = isLazy && since === undefined ? [...senders, view.requester.userId] : undefined
  const found = await selectStateAt(ctx.db, roomId, at, {
    ...(since === undefined ? {} : { after: since }),
    members,
  })
  if (!isAfter && request.filter.room?.timeline && at < upTo) {
    found.push(...(await statePassedOver(ctx, stretch, at, timeline, members)))
  }
  if (isLazy && since !== undefined) {
    found.push(
      ...(await selectStateAt(ctx.db, roomId, at, { types: ['m.room.member'], members: senders })),
    )
  }
  found.sort((a, b) => a.position - b.position)
  const latest = new Map(found.map(row => [`${row.type}\0${row.state_key}`, row]))
  return [...latest.values()].filter(row =>
    matchesFilter(
      { type: row.type, sender: row.sender, room_id: roomId, content: parsePdu(row).content },
      filter,
    ),
  )
}

/** State that came within the timeline but that the timeline's filter has left out of it. */
async function statePassedOver(
  ctx: Context,
  { roomId, upTo }: Stretch,
  after: number,
  timeline: EventRow[],
  members: string[] | undefined,
): Promise<EventRow[]> {
  const shown = new Set(timeline.map(row => row.event_id))
  const rows = await selectStateAt(ctx.db, roomId, upTo, { after, members })
  return rows.filter(row => !shown.has(row.event_id))
}
