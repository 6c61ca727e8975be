/** Reading a room's past: skeleton → what the user may see → client form. */
import { selectEvent, selectEventByTime, selectTimeline } from '../../db/events.ts'
import { selectStateAt } from '../../db/room-state.ts'
import type { EventRow } from '../../db/schema.ts'
import { notFound } from '../matrix/errors.ts'
import type { ClientEvent } from '../matrix/event.ts'
import { isUnfiltered, matchesFilter, matchesRoom, type RoomEventFilter } from '../matrix/filter.ts'
import { isInRanges, type Range } from '../matrix/readable-ranges.ts'
import type { Requester } from '../requester.ts'
import { formatTimelineToken, parseToken } from '../stream/token.ts'
import type { Context } from './context.ts'
import type { RoomEnd } from './latest-events.ts'
import { presentEvents } from './present-event.ts'
import { selectIgnored } from './recipient.ts'
import { contentOf } from './stored-event.ts'
import type { Viewer } from './viewer.ts'
import { isHeard, lookInto, type Sight, selectSight, withSticky } from './visibility.ts'

const defaultLimit = 10
/** More than this is not read at once, whatever is asked for. */
const maxLimit = 1_000

export function viewerOf(ctx: Context, requester: Requester): Viewer {
  const { userId, deviceId } = requester
  const ignored = async () => (await ctx.unread.recipient(ctx.db, userId)).ignored
  return { userId, deviceId, now: ctx.clock.now(), ignored, erased: ctx.erasures.erased }
}

export interface MessagesRequest {
  roomId: string
  dir: 'f' | 'b'
  from?: string | undefined
  to?: string | undefined
  limit?: number | undefined
  filter: RoomEventFilter | undefined
}

/**
 * A page of a room's timeline. `end` is there unless nothing is left in that direction.
 *
 * @throws 403 M_FORBIDDEN · 400 M_INVALID_PARAM a token that is none
 * Spec: GET /rooms/{roomId}/messages
 */
export async function readMessages(
  ctx: Context,
  requester: Requester,
  request: MessagesRequest,
): Promise<{ start: string; end?: string; chunk: ClientEvent[]; state?: ClientEvent[] }> {
  const { roomId, dir, filter } = request
  const now = ctx.positions.latest()
  // Before anything is read: what is sent meanwhile may be missing on this page, and whoever goes on
  // from here later must not step over it.
  const settled = ctx.positions.settled()
  const isBackwards = dir === 'b'
  const edge = isBackwards ? now : 0
  const from = request.from === undefined ? edge : parseToken(request.from, now).position
  const to = request.to === undefined ? undefined : parseToken(request.to, now).position
  const limit = Math.min(request.limit ?? filter?.limit ?? defaultLimit, maxLimit)
  const after = isBackwards ? (to ?? 0) : from
  const upTo = isBackwards ? Math.min(from, now) : Math.min(to ?? now, now)
  const select = (ranges: readonly Range[], ignored?: ReadonlySet<string>) =>
    matchesRoom(roomId, filter ?? {})
      ? selectTimeline(ctx.db, {
          roomId,
          ranges,
          after,
          upTo,
          direction: isBackwards ? 'backwards' : 'forwards',
          limit,
          filter,
          ignored,
        })
      : Promise.resolve([])
  // Most may read all that there is: so it is asked for together with what they may.
  const [sight, { ignored }, all] = await Promise.all([
    lookAtEvents(ctx, requester, roomId, now),
    ctx.unread.recipient(ctx.db, requester.userId),
    isBackwards && isUnfiltered(filter) && matchesRoom(roomId, filter ?? {})
      ? readEnd(ctx, { roomId, from: after + 1, upTo }, limit)
      : select([{ from: after + 1, upTo }]),
  ])
  const isForThem = (row: EventRow) =>
    isInRanges(row.position, sight.ranges) && isHeard(row, ignored)
  const rows = all.every(isForThem) ? all : await select(sight.ranges, ignored)

  // What relates to an event comes after it: up to the end of the room all of it is among the rows.
  const isWholeEnd =
    isBackwards && request.from === undefined && isUnfiltered(filter) && ignored.size === 0
  const present = (shown: readonly EventRow[]) =>
    presentEvents(ctx.db, shown, viewerOf(ctx, requester), [sight], {
      rowsHoldChildren: isWholeEnd,
    })
  const last = rows.at(-1)
  // Whoever asks for no events gets none, and is where they were, not at the end.
  const reached = last && (isBackwards ? last.position - 1 : last.position)
  const end = limit === 0 ? from : reached
  return {
    start: request.from ?? formatTimelineToken(Math.min(edge, settled), settled),
    ...(end === undefined ? {} : { end: formatTimelineToken(end, settled) }),
    chunk: await present(rows),
    ...(filter?.lazy_load_members && rows.length > 0
      ? { state: await present(await membersOfSenders(ctx, roomId, rows)) }
      : {}),
  }
}

/**
 * What the user may read of a room's events, up to `upTo` (inclusive).
 *
 * @throws 403 M_FORBIDDEN, also for a room that does not exist
 */
export async function lookAtEvents(
  ctx: Context,
  requester: Requester,
  roomId: string,
  upTo: number,
): Promise<Sight> {
  const looked = await lookInto(ctx.db, roomId, requester.userId, upTo)
  const [sight = looked] = await withSticky(ctx.db, [looked], ctx.clock.now())
  return sight
}

/** The latest `limit` events of a stretch, latest first, from memory if they are all there. */
async function readEnd(ctx: Context, end: RoomEnd, limit: number): Promise<readonly EventRow[]> {
  const known = ctx.latestEvents.end(end, limit, () => true)
  if (known) return known
  const { roomId, from, upTo } = end
  const keep = ctx.latestEvents.beginReading(ctx.positions)
  const rows = await selectTimeline(ctx.db, {
    roomId,
    ranges: [{ from, upTo }],
    after: from - 1,
    upTo,
    direction: 'backwards',
    limit,
  })
  keep(end, rows, rows.length < limit)
  return rows
}

/** The memberships, at the latest of these events, of those who sent them. */
function membersOfSenders(
  ctx: Context,
  roomId: string,
  rows: readonly EventRow[],
): Promise<EventRow[]> {
  return selectStateAt(ctx.db, roomId, Math.max(...rows.map(row => row.position)), {
    types: ['m.room.member'],
    members: [...new Set(rows.map(row => row.sender))],
  })
}

/**
 * One event.
 *
 * @throws 404 M_NOT_FOUND unknown, in another room, or not for this user to see
 * Spec: GET /rooms/{roomId}/event/{eventId}
 */
export async function readEvent(
  ctx: Context,
  requester: Requester,
  roomId: string,
  eventId: string,
): Promise<ClientEvent> {
  const { row, sight } = await findReadable(ctx, requester, roomId, eventId)
  const [event] = await presentEvents(ctx.db, [row], viewerOf(ctx, requester), [sight])
  if (!event) throw new Error('an event was lost while it was presented')
  return event
}

/**
 * An event that the user may read.
 *
 * @throws 404 M_NOT_FOUND unknown, in another room, or not for this user to see
 */
export async function findReadable(
  ctx: Context,
  requester: Requester,
  roomId: string,
  eventId: string,
): Promise<{ row: EventRow; sight: Sight }> {
  const now = ctx.positions.latest()
  const row = await selectEvent(ctx.db, eventId)
  const looked = await selectSight(ctx.db, roomId, requester.userId, now)
  const [sight = looked] = await withSticky(ctx.db, [looked], ctx.clock.now())
  const isReadable = row?.room_id === roomId && isInRanges(row.position, sight.ranges)
  if (!row || !isReadable) {
    throw notFound('There is no such event, or it is not for you to see')
  }
  return { row, sight }
}

/**
 * The event that is nearest to a moment: the first at or after it, or the last at or before it.
 *
 * @throws 403 M_FORBIDDEN · 404 M_NOT_FOUND there is none on that side that the user may read
 * Spec: GET /rooms/{roomId}/timestamp_to_event
 */
export async function findEventByTime(
  ctx: Context,
  requester: Requester,
  request: { roomId: string; ts: number; dir: 'f' | 'b' },
): Promise<{ event_id: string; origin_server_ts: number }> {
  const { roomId, ts, dir } = request
  const { ranges } = await lookAtEvents(ctx, requester, roomId, ctx.positions.latest())
  const direction = dir === 'f' ? 'forwards' : 'backwards'
  const row = await selectEventByTime(ctx.db, { roomId, ranges, ts, direction })
  if (!row) throw notFound(`There is no event ${dir === 'f' ? 'after' : 'before'} that time`)
  return { event_id: row.event_id, origin_server_ts: row.origin_server_ts }
}

/**
 * An event and what was said around it. Half of `limit` before, half after.
 *
 * @throws 404 M_NOT_FOUND as {@link readEvent}
 * Spec: GET /rooms/{roomId}/context/{eventId}
 */
export async function readContext(
  ctx: Context,
  requester: Requester,
  request: {
    roomId: string
    eventId: string
    limit: number | undefined
    filter: RoomEventFilter | undefined
  },
) {
  const { roomId, filter } = request
  const { row, sight } = await findReadable(ctx, requester, roomId, request.eventId)
  const limit = Math.min(request.limit ?? filter?.limit ?? defaultLimit, maxLimit)
  const ignored = await selectIgnored(ctx.db, requester.userId)
  const isOfRoom = matchesRoom(roomId, filter ?? {})
  const around = { roomId, ranges: isOfRoom ? sight.ranges : [], filter, ignored }
  const before = await selectTimeline(ctx.db, {
    ...around,
    after: 0,
    upTo: row.position - 1,
    direction: 'backwards',
    limit: Math.ceil(limit / 2),
  })
  const after = await selectTimeline(ctx.db, {
    ...around,
    after: row.position,
    upTo: sight.upTo,
    direction: 'forwards',
    limit: Math.floor(limit / 2),
  })
  const shown = [...before, row, ...after]
  const lastPosition = after.at(-1)?.position ?? row.position
  // To read an event is not to read the room's state: who was only invited may do the one.
  const state =
    sight.stateUpTo === undefined
      ? []
      : await selectStateAt(ctx.db, roomId, Math.min(lastPosition, sight.stateUpTo), {
          members: filter?.lazy_load_members
            ? [...new Set(shown.map(row => row.sender))]
            : undefined,
        })
  const settled = ctx.positions.settled()
  const present = (rows: EventRow[]) =>
    presentEvents(ctx.db, rows, viewerOf(ctx, requester), [sight])
  const [event] = await present([row])
  return {
    event,
    events_before: await present(before),
    events_after: await present(after),
    state: await present(state.filter(row => isWantedState(row, filter))),
    start: formatTimelineToken((before.at(-1)?.position ?? row.position) - 1, settled),
    end: formatTimelineToken(lastPosition, settled),
  }
}

/** Members who are told lazily were asked for, whichever types the filter names. */
function isWantedState(row: EventRow, filter: RoomEventFilter = {}): boolean {
  const isSpeaker = filter.lazy_load_members === true && row.type === 'm.room.member'
  if (isSpeaker || isUnfiltered(filter)) return matchesRoom(row.room_id, filter)
  return matchesFilter({ ...row, content: contentOf(row) }, filter)
}
