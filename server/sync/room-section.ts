/**
 * Rooms in `/sync`: a stretch of each one's timeline, and the state around it. All rooms of an
 * answer are read together, with as many queries as for one.
 *
 * Nothing is remembered of what a device was sent, so that the same `since` always gives the same:
 * a lazily loaded member is told again with each of their messages.
 *
 * Spec: GET /sync "Joined Room", "Left Room", "Lazy-loading room members"; MSC4222
 */
import { selectMembershipHistory } from '../../db/memberships.ts'
import { selectRooms } from '../../db/rooms.ts'
import type { EventRow } from '../../db/schema.ts'
import { selectRoomsWithChangedState } from '../../db/sync-reads.ts'
import type { JsonObject } from '../lib/json.ts'
import type { ClientEvent } from '../matrix/event.ts'
import { withFields } from '../matrix/event-fields.ts'
import { type Filter, isUnfiltered } from '../matrix/filter.ts'
import { type Change, isInRanges } from '../matrix/readable-ranges.ts'
import { withoutErased } from '../rooms/erasures.ts'
import { presentEvents } from '../rooms/present-event.ts'
import { parsePdu, signedPdu, versionOf } from '../rooms/stored-event.ts'
import { viewerOf } from '../rooms/timeline.ts'
import { type Sight, selectSettledSight, sightOfStay } from '../rooms/visibility.ts'
import { stateTopic } from '../stream/notifier.ts'
import { formatTimelineToken } from '../stream/token.ts'
import type { Context } from './context.ts'
import type { SyncRequest } from './request.ts'
import { roomSummaries, summarisedTypes } from './room-summary.ts'
import { readStates } from './state-section.ts'
import { readSticky, stickySection } from './sticky-section.ts'
import type { Stretch, Told, View } from './stretch.ts'
import { readTimelines } from './timeline-section.ts'
import type { JoinedRoom, RoomChange, Window } from './window.ts'

/** A room's entry. */
export interface Section {
  section: JsonObject
  /** Nothing has happened that the filter lets through. */
  isEmpty: boolean
}

/** By room. */
export async function joinedRooms(
  ctx: Context,
  view: View,
  request: SyncRequest,
  { since, upTo }: Window,
  rooms: readonly JoinedRoom[],
): Promise<Map<string, Section>> {
  const isWhole = (room: JoinedRoom) => since === undefined || !room.wasJoinedThroughout
  const renamed = await roomsWithNewSummary(ctx, rooms, since, upTo)
  const told = rooms
    .filter(room => isWhole(room) || request.fullState || renamed.has(room.roomId))
    .map(room => room.roomId)
  // Where they have been all the time they may read everything, so nothing need be looked up yet.
  const changed = rooms.filter(isWhole).map(room => room.roomId)
  const [summaries, sights] = await Promise.all([
    roomSummaries(ctx, told, view.requester.userId),
    ctx.syncReads.sights(changed, view.requester.userId, upTo),
  ])
  const memberships = new Map(sights.map(sight => [sight.roomId, sight.memberships]))
  const stretches = rooms.map(room => ({
    roomId: room.roomId,
    since: isWhole(room) ? undefined : since,
    upTo,
    isAlwaysLimited: since !== undefined && isWhole(room),
    stateUpTo: upTo,
    membersAfter: room.wasJoinedBefore ? since : leftBefore(since, memberships.get(room.roomId)),
    heroes: summaries.get(room.roomId)?.heroes ?? [],
    withSticky: true,
  }))
  const sections = await roomSections(ctx, view, request, stretches, sights)
  for (const [roomId, { wire }] of summaries) {
    const section = sections.get(roomId)
    if (section)
      sections.set(roomId, { section: { ...section.section, summary: wire }, isEmpty: false })
  }
  return sections
}

/** Where the user left a room that they are not in at `since`: up to there they may have been told of it. */
function leftBefore(since: number | undefined, memberships: readonly Change[] = []) {
  if (since === undefined) return undefined
  const before = memberships.filter(change => change.position <= since)
  const lastJoin = before.findLastIndex(change => change.value === 'join')
  return lastJoin === -1 ? undefined : before[lastJoin + 1]?.position
}

async function roomsWithNewSummary(
  ctx: Context,
  rooms: readonly JoinedRoom[],
  since: number | undefined,
  upTo: number,
): Promise<ReadonlySet<string>> {
  if (since === undefined) return new Set()
  const moved = rooms
    .filter(room => room.wasJoinedThroughout)
    .map(room => room.roomId)
    .filter(roomId => ctx.notifier.hasMoved(stateTopic(roomId), since))
  return new Set(await selectRoomsWithChangedState(ctx.db, moved, summarisedTypes, since, upTo))
}

/** A room as it was when the user left it; what came later is not theirs to see. */
export async function leftRoom(
  ctx: Context,
  view: View,
  request: SyncRequest,
  { since }: Window,
  change: RoomChange,
): Promise<JsonObject> {
  const { roomId, now } = change
  const { userId } = view.requester
  const history = await selectMembershipHistory(ctx.db, [roomId], userId)
  // Not one by which they have come back since.
  const lastJoin = history.findLast(
    row => row.membership === 'join' && row.position <= now.position,
  )
  const isNewToUser =
    !change.wasJoinedBefore && lastJoin !== undefined && lastJoin.position > (since ?? 0)
  const sight = await selectSettledSight(ctx.db, roomId, userId, now.position)
  const stretch: Stretch = {
    roomId,
    since: isNewToUser ? undefined : since,
    upTo: now.position,
    isAlwaysLimited: false,
    // Who rejected an invite, or was banned unseen, never saw the room's state.
    stateUpTo: lastJoin?.until_position ?? undefined,
    departedAt: now.position,
    membersAfter: change.wasJoinedBefore ? since : leftBefore(since, sight.memberships),
    heroes: [],
    withSticky: false,
  }
  // Where they went is shown to them even if they could never read anything else.
  if (!isInRanges(now.position, sight.ranges)) {
    sight.ranges.push({ from: now.position, upTo: now.position })
  }
  const sections = await roomSections(ctx, view, request, [stretch], [sight])
  return sections.get(roomId)?.section ?? {}
}

/** @param known sights of some of the rooms; in the others the user has been since `since` */
async function roomSections(
  ctx: Context,
  view: View,
  request: SyncRequest,
  stretches: readonly Stretch[],
  known: readonly Sight[],
): Promise<Map<string, Section>> {
  const { requester, ignored } = view
  const sights = new Map(known.map(sight => [sight.roomId, sight]))
  const stayIn = ({ roomId, since, upTo }: Stretch) => sightOfStay(roomId, since ?? 0, upTo)
  const [timelines, sticky] = await Promise.all([
    readTimelines(
      ctx,
      request,
      stretches.map(one => ({ ...one, ranges: (sights.get(one.roomId) ?? stayIn(one)).ranges })),
      ignored,
    ),
    readSticky(ctx, stretches, ignored),
  ])
  const told = timelines.map(({ rows, isLimited }, i): Told => {
    const found = sticky[i] ?? []
    const shown = new Set(found.length > 0 ? rows.map(row => row.event_id) : [])
    return { rows, isLimited, sticky: found.filter(row => !shown.has(row.event_id)) }
  })
  const states = await readStates(ctx, view, request, stretches, told)
  const rowsOf = told.map((one, i) => [...one.rows, ...one.sticky, ...(states[i] ?? [])])

  // Of events that came meanwhile, and are no state, there is nothing else to know.
  const isOfStay = (one: Stretch, i: number) =>
    rowsOf[i]?.every(row => row.state_key === null && row.position > (one.since ?? 0))
  const open = stretches.filter(one => !sights.has(one.roomId))
  const unknown = stretches.filter((one, i) => !sights.has(one.roomId) && !isOfStay(one, i))
  for (const one of open) sights.set(one.roomId, stayIn(one))
  for (const { upTo } of unknown.slice(0, 1)) {
    const ids = unknown.map(one => one.roomId)
    for (const sight of await ctx.syncReads.sights(ids, requester.userId, upTo)) {
      sights.set(sight.roomId, sight)
    }
  }
  const isAll = isUnfiltered(request.filter.room?.timeline) && ignored.size === 0
  const viewer = viewerOf(ctx, requester)
  const looked = [...sights.values()]
  // Here already, for the format of federation is made of the rows themselves.
  const shown = await withoutErased(ctx.db, rowsOf.flat(), viewer, looked)
  const events = await presentEvents(ctx.db, shown, viewer, looked, {
    rowsHoldChildren: isAll && told.every(one => one.sticky.length === 0),
    withoutRoomId: true,
  })
  const sections = new Map<string, Section>()
  const inFormat = await formatOf(ctx, request.filter, stretches)
  let next = 0
  stretches.forEach((stretch, i) => {
    const end = next + (rowsOf[i]?.length ?? 0)
    const wire = shown.slice(next, end).map((row, j) => inFormat(row, events[next + j]))
    next = end
    sections.set(stretch.roomId, sectionOf(request, stretch, told[i], wire))
  })
  return sections
}

function sectionOf(
  request: SyncRequest,
  { upTo }: Stretch,
  { rows, isLimited, sticky }: Told = { rows: [], isLimited: false, sticky: [] },
  wire: JsonObject[],
): Section {
  const stateFrom = rows.length + sticky.length
  const start = rows[0] ? rows[0].position - 1 : upTo
  return {
    isEmpty: wire.length === 0 && !isLimited,
    section: {
      timeline: {
        events: wire.slice(0, rows.length),
        limited: isLimited,
        prev_batch: formatTimelineToken(start, upTo),
      },
      ...stickySection(wire.slice(rows.length, stateFrom)),
      [request.stateKeyName]: { events: wire.slice(stateFrom) },
    },
  }
}

/** How the filter wants to see events: in which format, and which fields of it. */
async function formatOf(
  ctx: Context,
  { event_format, event_fields }: Filter,
  stretches: readonly Stretch[],
): Promise<(row: EventRow, event: ClientEvent | undefined) => JsonObject> {
  if (event_format !== 'federation') {
    return (_, event) => withFields((event ?? {}) as JsonObject, event_fields)
  }
  const rooms = await selectRooms(
    ctx.db,
    stretches.map(({ roomId }) => roomId),
  )
  const versions = new Map(rooms.map(room => [room.room_id, versionOf(room)]))
  return (row, event) => {
    const version = versions.get(row.room_id)
    // Of a room that was deleted the departures are left, and by which version it lived is forgotten.
    const pdu = version ? signedPdu(ctx, row, version) : parsePdu(row)
    return withFields({ ...pdu, unsigned: event?.unsigned ?? {} }, event_fields)
  }
}
