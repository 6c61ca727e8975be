/** One answer of `/sync`: which rooms have something to tell, and what else has happened. */
import { selectRoomsWithEvents } from '../../db/events.ts'
import {
  type MembershipRow,
  selectMembershipHistory,
  selectMembershipsBetween,
} from '../../db/memberships.ts'
import { selectForgotten } from '../../db/rooms.ts'
import { groupBy } from '../lib/group-by.ts'
import type { JsonObject } from '../lib/json.ts'
import { matchesRoom } from '../matrix/filter.ts'
import type { Requester } from '../requester.ts'
import { isForgotten, isGone } from '../rooms/forgotten.ts'
import { selectWelcome } from '../rooms/invite-filter.ts'
import { eventsTopic, userTopic } from '../stream/notifier.ts'
import { accountDataOfRooms, accountDataSection } from './account-data-section.ts'
import type { Context } from './context.ts'
import { deviceListsSection } from './device-lists-section.ts'
import { type Ephemeral, ephemeralSection } from './ephemeral-section.ts'
import { finalisedSection } from './finalised-section.ts'
import { invitedRoom, knockedRoom } from './other-rooms.ts'
import { presenceSection } from './presence-section.ts'
import type { SyncRequest } from './request.ts'
import { joinedRooms, leftRoom } from './room-section.ts'
import type { View } from './stretch.ts'
import { toDeviceSection } from './to-device-section.ts'
import { unreadSection } from './unread-section.ts'
import type { JoinedRoom, RoomChange, StayedRoom, Window } from './window.ts'

export interface SyncBody {
  body: JsonObject
  /** Nothing to tell: a long poll goes on waiting. */
  isEmpty: boolean
  joinedRoomIds: string[]
  /** Where it ends: at what was asked for, or earlier. */
  upTo: number
}

type Rooms = [roomId: string, section: JsonObject][]

/** @param stayedIn the rooms that the user was in when this was last looked at for the same `since` */
export async function buildSync(
  ctx: Context,
  requester: Requester,
  request: SyncRequest,
  asked: Window,
  stayedIn?: readonly string[],
): Promise<SyncBody> {
  const { userId } = requester
  const toDevice = await toDeviceSection(ctx, requester, asked)
  const window = { since: asked.since, upTo: toDevice.upTo }
  const stayedRooms = isUserUnmoved(ctx, userId, window) ? stayedIn?.map(stayed) : undefined
  const [changes, accountData, { ignored }] = await Promise.all([
    stayedRooms ?? roomChanges(ctx, userId, window),
    accountDataSection(ctx, userId, request.filter, window),
    ctx.unread.recipient(ctx.db, userId),
  ])
  const joined = changes.filter(isJoined)
  const view = { requester, ignored }
  const ofRooms = await withNewRooms(ctx, userId, request, window, joined, accountData.rooms)

  const [join, others, presence, deviceLists, finalised] = await Promise.all([
    joinedSections(ctx, view, request, window, joined, ofRooms),
    otherSections(ctx, view, request, window, changes, accountData.rooms),
    presenceSection(ctx, userId, request.filter, window, joined),
    deviceListsSection(ctx, userId, window, changes),
    finalisedSection(ctx, userId, request.filter, window),
  ])
  const sections = Object.entries({ join, ...others }).filter(([, entries]) => entries.length > 0)
  return {
    upTo: window.upTo,
    joinedRoomIds: joined.map(change => change.roomId),
    isEmpty:
      sections.length === 0 &&
      accountData.global.length === 0 &&
      presence.length === 0 &&
      toDevice.events.length === 0 &&
      deviceLists.changed.length === 0 &&
      deviceLists.left.length === 0 &&
      Object.keys(finalised).length === 0,
    body: {
      account_data: { events: accountData.global },
      presence: { events: presence },
      to_device: { events: toDevice.events },
      device_lists: { changed: deviceLists.changed, left: deviceLists.left },
      rooms: Object.fromEntries(
        sections.map(([name, entries]) => [name, Object.fromEntries(entries)]),
      ),
      ...finalised,
    },
  }
}

/** They have not come, gone, been invited, nor anything else that concerns them alone. */
function isUserUnmoved(ctx: Context, userId: string, { since }: Window): boolean {
  return since !== undefined && !ctx.notifier.hasMoved(userTopic(userId), since)
}

const stayed = (roomId: string): StayedRoom => ({
  roomId,
  wasJoinedThroughout: true,
  wasJoinedBefore: true,
})

const isJoined = (change: RoomChange | StayedRoom): boolean =>
  !('now' in change) || change.now.membership === 'join'

/** What was set while the user was not in a room is told when they have come to it. */
async function withNewRooms(
  ctx: Context,
  userId: string,
  { filter }: SyncRequest,
  { since, upTo }: Window,
  joined: readonly JoinedRoom[],
  changed: ReadonlyMap<string, JsonObject[]>,
): Promise<ReadonlyMap<string, JsonObject[]>> {
  const fresh = since === undefined ? [] : joined.filter(room => !room.wasJoinedThroughout)
  const ids = fresh.map(room => room.roomId)
  return new Map([...changed, ...(await accountDataOfRooms(ctx, userId, filter, ids, upTo))])
}

/** Of the rooms that the user is in, those of which there is something to tell. */
async function joinedSections(
  ctx: Context,
  view: View,
  request: SyncRequest,
  window: Window,
  joined: readonly JoinedRoom[],
  accountData: ReadonlyMap<string, JsonObject[]>,
): Promise<Rooms> {
  const { userId } = view.requester
  const { filter } = request
  const passing = ephemeralSection(ctx, userId, filter, window, joined, view.ignored)
  const isTold = (roomId: string, { events, readOn }: Ephemeral) =>
    accountData.has(roomId) || events.has(roomId) || readOn.has(roomId)
  // Whoever is told of all rooms need not wait for what is news of which.
  const news =
    window.since === undefined || request.fullState
      ? undefined
      : await Promise.all([activeRooms(ctx, joined, window.since, window.upTo), passing])
  const isNews = (roomId: string) => !news || news[0].has(roomId) || isTold(roomId, news[1])
  const spokenOf = joined.filter(
    ({ roomId }) => isNews(roomId) && matchesRoom(roomId, filter.room ?? {}),
  )
  const roomIds = spokenOf.map(room => room.roomId)
  const [ephemeral, sections, counts] = await Promise.all([
    passing,
    joinedRooms(ctx, view, request, window, spokenOf),
    ctx.unread.of(ctx.db, userId, roomIds, window.upTo),
  ])
  const isByThread = filter.room?.timeline?.unread_thread_notifications === true
  return roomIds.flatMap((roomId): Rooms => {
    const { section, isEmpty } = sections.get(roomId) ?? { isEmpty: true }
    if (isEmpty && !isTold(roomId, ephemeral)) return []
    const entry = {
      ...section,
      ephemeral: { events: ephemeral.events.get(roomId) ?? [] },
      account_data: { events: accountData.get(roomId) ?? [] },
      ...unreadSection(counts.get(roomId), isByThread),
    }
    return [[roomId, entry]]
  })
}

/** Rooms that the user is not in: invites, knocks, and where they have just left. */
async function otherSections(
  ctx: Context,
  view: View,
  request: SyncRequest,
  window: Window,
  changes: readonly (RoomChange | StayedRoom)[],
  accountData: ReadonlyMap<string, JsonObject[]>,
): Promise<Record<'invite' | 'knock' | 'leave', Rooms>> {
  const { userId } = view.requester
  const rooms: Record<'invite' | 'knock' | 'leave', Rooms> = { invite: [], knock: [], leave: [] }
  const isNews = ({ position }: MembershipRow) =>
    window.since === undefined || position > window.since
  const shown = changes.flatMap(change =>
    'now' in change && matchesRoom(change.roomId, request.filter.room ?? {}) ? [change] : [],
  )
  const inviters = shown.flatMap(({ now }) =>
    now.membership === 'invite' && isNews(now) ? [now.sender] : [],
  )
  const welcome = await selectWelcome(ctx.db, userId, inviters, view.ignored)
  const left = shown.filter(change => isLeaveWanted(change, request, window))
  const forgotten = await forgottenAmong(ctx, userId, left, window)
  const told = new Set(left.filter(({ roomId }) => !forgotten.has(roomId)))
  for (const change of shown) {
    const { roomId, now } = change
    if (now.membership === 'invite') {
      const isWanted = isNews(now) && welcome.has(now.sender)
      if (isWanted) rooms.invite.push([roomId, await invitedRoom(ctx, now)])
    } else if (now.membership === 'knock') {
      if (isNews(now)) rooms.knock.push([roomId, await knockedRoom(ctx, now)])
    } else if (told.has(change)) {
      const section = await leftRoom(ctx, view, request, window, change)
      const kept = { account_data: { events: accountData.get(roomId) ?? [] } }
      rooms.leave.push([roomId, { ...section, ...kept }])
    }
  }
  return rooms
}

/** Every room that the user has or had to do with, with what changed in the window. */
export async function roomChanges(
  ctx: Context,
  userId: string,
  { since, upTo }: Window,
): Promise<RoomChange[]> {
  const rows = await selectMembershipsBetween(ctx.db, userId, since ?? upTo, upTo)
  const byRoom = new Map<string, MembershipRow[]>()
  for (const row of rows) {
    const ofRoom = byRoom.get(row.room_id)
    if (ofRoom) ofRoom.push(row)
    else byRoom.set(row.room_id, [row])
  }
  return [...byRoom].flatMap(([roomId, ofRoom]) => {
    const [first] = ofRoom
    const now = ofRoom.at(-1)
    if (!first || !now) return []
    const wasJoinedBefore =
      since !== undefined && first.position <= since && first.membership === 'join'
    return {
      roomId,
      now,
      wasJoinedBefore,
      wasJoinedThroughout: wasJoinedBefore && ofRoom.every(row => row.membership === 'join'),
    }
  })
}

/** The joined rooms in which something happened, or that the user has come to. */
async function activeRooms(
  ctx: Context,
  joined: readonly JoinedRoom[],
  since: number,
  upTo: number,
): Promise<Set<string>> {
  const ids = joined.map(change => change.roomId)
  const fresh = joined.filter(change => !change.wasJoinedThroughout).map(change => change.roomId)
  const moved = ctx.notifier.remembers(since)
    ? ids.filter(roomId => ctx.notifier.hasMoved(eventsTopic(roomId), since))
    : await selectRoomsWithEvents(ctx.db, ids, since, upTo)
  return new Set([...fresh, ...moved])
}

/** A departure is told once; all of them only where the filter asks for them. */
function isLeaveWanted({ now }: RoomChange, request: SyncRequest, { since }: Window): boolean {
  if (!isGone(now)) return false
  if (since !== undefined && now.position > since) return true
  if (since !== undefined && !request.fullState) return false
  return request.filter.room?.include_leave === true
}

/** The rooms that the user has forgotten. To have left them, and then forgotten them, is news as well. */
async function forgottenAmong(
  ctx: Context,
  userId: string,
  left: readonly RoomChange[],
  { since }: Window,
): Promise<ReadonlySet<string>> {
  if (left.length === 0) return new Set()
  const roomIds = left.map(({ roomId }) => roomId)
  const forgotten = await selectForgotten(ctx.db, userId, roomIds)
  const known = [...forgotten].filter(([, upTo]) => since === undefined || upTo <= since)
  const knownIds = known.map(([roomId]) => roomId)
  const history = await selectMembershipHistory(ctx.db, knownIds, userId)
  const byRoom = groupBy(history, row => row.room_id)
  return new Set(
    knownIds.filter(roomId => isForgotten(byRoom.get(roomId) ?? [], forgotten.get(roomId))),
  )
}
