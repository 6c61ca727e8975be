/** One answer of sliding sync: which rooms are in view, and what is new in them. */
import { selectLatestReads } from '../../../db/room-activity.ts'
import type { JsonObject } from '../../lib/json.ts'
import type { Requester } from '../../requester.ts'
import { isGone } from '../../rooms/forgotten.ts'
import type { Context } from '../context.ts'
import type { News, Told, ToldRoom } from './connections.ts'
import { buildExtensions } from './extensions.ts'
import { filterRooms } from './list-filters.ts'
import { outsideRoomResult } from './outside-room.ts'
import type { RoomConfig, SlidingRequest } from './request.ts'
import { covers, type mergeRequiredState, sharedMerging } from './required-state.ts'
import { type ListedRoom, listRooms } from './room-list.ts'
import { type RoomResult, roomResult } from './room-result.ts'

/** Each asks the database several things: others are to have their turn in between. */
const roomsAtOnce = 5

export interface SlidingBody {
  body: JsonObject
  /** Nothing to tell: a long poll goes on waiting. */
  isEmpty: boolean
  news: News
  joinedRoomIds: string[]
}

/** Which lists and subscriptions show a room. */
interface InView {
  configs: RoomConfig[]
  lists: string[]
}

export async function buildSlidingSync(
  ctx: Context,
  requester: Requester,
  request: SlidingRequest,
  told: Told,
  upTo: number,
): Promise<SlidingBody> {
  const { userId } = requester
  const { ignored } = await ctx.unread.recipient(ctx.db, userId)
  const rooms = await listRooms(ctx, userId, told, upTo, ignored)
  const joined = rooms.filter(room => room.now.membership === 'join')
  const { inView, counts, listed } = await lookThrough(ctx, userId, request, rooms, upTo)

  const reads = await selectLatestReads(ctx.db, userId, idsOf(joined), upTo)
  const results = new Map<string, RoomResult>()
  const toldRooms = new Map<string, ToldRoom>()
  const merge = sharedMerging()
  const toTell: { roomId: string; isRead: boolean; make: () => Promise<RoomResult> }[] = []
  for (const room of rooms) {
    const seen = inView.get(room.roomId)
    if (!seen) continue
    const before = told.rooms.get(room.roomId)
    const config = configOf(seen, before, merge)
    const isRead = before !== undefined && (reads.get(room.roomId) ?? 0) > before.upTo
    if (before && !isRead && !hasNews(room, config, before)) {
      if (before.state !== config.state) {
        toldRooms.set(room.roomId, { ...before, state: config.state })
      }
      continue
    }
    const withSticky = request.extensions.stickyEvents.length > 0
    const task = { room, config, told: before, answeredUpTo: told.upTo, upTo, withSticky }
    const view = { requester, ignored }
    const make = room.isFromOutside ? outsideRoomResult : roomResult
    toTell.push({ roomId: room.roomId, isRead, make: () => make(ctx, view, task) })
  }
  for (let i = 0; i < toTell.length; i += roomsAtOnce) {
    const some = toTell.slice(i, i + roomsAtOnce)
    const made = await Promise.all(some.map(async one => ({ ...one, result: await one.make() })))
    for (const { roomId, isRead, result } of made) {
      toldRooms.set(roomId, result.told)
      if (result.wire || isRead) results.set(roomId, { ...result, wire: result.wire ?? {} })
    }
  }

  const toldJoined = joined.filter(room => results.has(room.roomId))
  const unread = await ctx.unread.of(ctx.db, userId, idsOf(toldJoined), upTo)
  const wire: Record<string, JsonObject> = {}
  for (const [roomId, result] of results) {
    const { notifications = 0, highlights = 0 } = unread.get(roomId)?.get('main') ?? {}
    const membership = rooms.find(room => room.roomId === roomId)?.now.membership ?? 'leave'
    const lists = inView.get(roomId)?.lists ?? []
    wire[roomId] = {
      membership,
      ...(lists.length > 0 ? { lists } : {}),
      ...result.wire,
      ...(membership === 'join'
        ? { notification_count: notifications, highlight_count: highlights }
        : {}),
    }
  }
  const extensions = await buildExtensions(ctx, requester, request, {
    told,
    upTo,
    joined,
    results,
    listed,
    subscribed: new Set(request.subscriptions.keys()),
    ignored,
  })
  return {
    joinedRoomIds: idsOf(joined),
    isEmpty: results.size === 0 && extensions.isEmpty,
    news: { upTo, rooms: toldRooms, extensions: extensions.told },
    body: {
      lists: Object.fromEntries([...counts].map(([name, count]) => [name, { count }])),
      rooms: wire,
      extensions: extensions.body,
    },
  }
}

/** Walk through the lists and subscriptions of the request. */
async function lookThrough(
  ctx: Context,
  userId: string,
  request: SlidingRequest,
  rooms: readonly ListedRoom[],
  upTo: number,
): Promise<{
  inView: Map<string, InView>
  counts: Map<string, number>
  /** By list, the rooms on it, whether in view or not. */
  listed: Map<string, ReadonlySet<string>>
}> {
  const inView = new Map<string, InView>()
  const counts = new Map<string, number>()
  const listed = new Map<string, ReadonlySet<string>>()
  const show = (roomId: string, config: RoomConfig, list?: string) => {
    const seen = inView.get(roomId) ?? { configs: [], lists: [] }
    inView.set(roomId, seen)
    if (!seen.configs.includes(config)) seen.configs.push(config)
    if (list !== undefined && !seen.lists.includes(list)) seen.lists.push(list)
  }
  for (const [name, list] of request.lists) {
    const onList = await filterRooms(ctx, userId, rooms, list.filters, upTo)
    counts.set(name, onList.length)
    listed.set(name, new Set(idsOf(onList)))
    for (const [first, last] of list.ranges ?? [[0, onList.length]]) {
      for (const room of onList.slice(first, last + 1)) show(room.roomId, list, name)
    }
  }
  const known = new Set(idsOf(rooms))
  for (const [roomId, config] of request.subscriptions) {
    if (known.has(roomId)) show(roomId, config)
  }
  return { inView, counts, listed }
}

/** MSC4186 "Combining room configs": the most of each. */
function configOf(
  { configs }: InView,
  before: ToldRoom | undefined,
  merge: typeof mergeRequiredState,
): RoomConfig {
  const state = merge(configs.map(config => config.state))
  return {
    timelineLimit: Math.max(...configs.map(config => config.timelineLimit)),
    // The same wish is kept once, however often it is asked.
    state: before?.state.signature === state.signature ? before.state : state,
  }
}

/** Whether there may be something to tell of a room that the client knows. */
function hasNews(room: ListedRoom, config: RoomConfig, before: ToldRoom): boolean {
  if (room.activity > before.upTo) return true
  if (isGone(room.now)) return false
  if (room.isDirect !== before.isDirect) return true
  if (room.now.membership !== 'join') return false
  return config.timelineLimit > before.latestEvents || !covers(before.state, config.state)
}

const idsOf = (rooms: readonly ListedRoom[]) => rooms.map(room => room.roomId)
