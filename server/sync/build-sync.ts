/** One answer of `/sync`: which rooms have something to tell, and what else has happened. */
import { selectRoomsWithEvents } from '../../db/events.ts'
import { type MembershipRow, selectMembershipsBetween } from '../../db/room-state.ts'
import { selectForgotten } from '../../db/rooms.ts'
import type { Requester } from '../accounts/requester.ts'
import type { Context } from '../context.ts'
import type { JsonObject } from '../lib/json.ts'
import { matchesRoom } from '../matrix/filter.ts'
import { selectInvitePermission } from '../rooms/invite-filter.ts'
import { accountDataSection } from './account-data-section.ts'
import { deviceListsSection } from './device-lists-section.ts'
import { ephemeralSection } from './ephemeral-section.ts'
import { keyCountsSection } from './key-counts-section.ts'
import { invitedRoom, knockedRoom } from './other-rooms.ts'
import { presenceSection } from './presence-section.ts'
import { joinedRoom, leftRoom } from './room-section.ts'
import type { SyncRequest } from './sync.ts'
import { toDeviceSection } from './to-device-section.ts'
import { unreadSection } from './unread-section.ts'

/** (since, upTo]; without `since` everything, as if nothing had been told yet. */
export interface Window {
  since: number | undefined
  upTo: number
}

/** What became of a user's membership in one room within the window. */
export interface RoomChange {
  roomId: string
  /** What holds at `upTo`. */
  now: MembershipRow
  /** In the room at `since`, and all the time since. */
  wasJoinedThroughout: boolean
  /** In the room at `since`. */
  wasJoinedBefore: boolean
}

export interface SyncBody {
  body: JsonObject
  /** Nothing to tell: a long poll goes on waiting. */
  isEmpty: boolean
  joinedRoomIds: string[]
  /** Where it ends: at what was asked for, or earlier. */
  upTo: number
}

export async function buildSync(
  ctx: Context,
  requester: Requester,
  request: SyncRequest,
  asked: Window,
): Promise<SyncBody> {
  const toDevice = await toDeviceSection(ctx, requester, asked)
  const window = { since: asked.since, upTo: toDevice.upTo }
  const changes = await roomChanges(ctx, requester.userId, window)
  const joined = changes.filter(change => change.now.membership === 'join')
  const shown = changes.filter(change => matchesRoom(change.roomId, request.filter.room ?? {}))

  const accountData = await accountDataSection(ctx, requester.userId, request.filter, window)
  const rooms: Record<'join' | 'invite' | 'knock' | 'leave', [string, JsonObject][]> = {
    join: [],
    invite: [],
    knock: [],
    leave: [],
  }
  const { ignored } = await ctx.unread.recipient(ctx.db, requester.userId)
  const { events: ephemeral, readOn } = await ephemeralSection(
    ctx,
    requester.userId,
    request.filter,
    window,
    joined,
    ignored,
  )
  const active = await activeRooms(ctx, joined, request, window)
  const forgotten =
    window.since === undefined || request.fullState
      ? await selectForgotten(ctx.db, requester.userId)
      : new Map<string, number>()

  const view = { requester, ignored }
  for (const change of shown) {
    const { roomId, now } = change
    const isNews = window.since === undefined || now.position > window.since
    if (now.membership === 'join') {
      const ofRoom = accountData.rooms.get(roomId)
      const inPassing = ephemeral.get(roomId)
      const isTold = ofRoom !== undefined || inPassing !== undefined || readOn.has(roomId)
      if (!active.has(roomId) && !isTold) continue
      const { section, isEmpty } = await joinedRoom(ctx, view, request, window, change)
      if (isEmpty && !isTold) continue
      rooms.join.push([
        roomId,
        {
          ...section,
          ephemeral: { events: inPassing ?? [] },
          account_data: { events: ofRoom ?? [] },
        },
      ])
    } else if (now.membership === 'invite') {
      const isWanted =
        isNews &&
        !ignored.has(now.sender) &&
        (await selectInvitePermission(ctx.db, requester.userId, now.sender)) === 'allow'
      if (isWanted) rooms.invite.push([roomId, await invitedRoom(ctx, now)])
    } else if (now.membership === 'knock') {
      if (isNews) rooms.knock.push([roomId, await knockedRoom(ctx, now)])
    } else if (isLeaveShown(change, request, window, forgotten.get(roomId))) {
      rooms.leave.push([roomId, await leftRoom(ctx, view, request, window, change)])
    }
  }

  await addUnread(ctx, requester.userId, request, window, rooms.join)

  const presence = await presenceSection(ctx, requester.userId, request.filter, window, joined)
  const deviceLists = await deviceListsSection(ctx, requester.userId, window, changes)
  const sections = Object.entries(rooms).filter(([, entries]) => entries.length > 0)
  return {
    upTo: window.upTo,
    joinedRoomIds: joined.map(change => change.roomId),
    isEmpty:
      sections.length === 0 &&
      accountData.global.length === 0 &&
      presence.length === 0 &&
      toDevice.events.length === 0 &&
      deviceLists.changed.length === 0 &&
      deviceLists.left.length === 0,
    body: {
      account_data: { events: accountData.global },
      presence: { events: presence },
      to_device: { events: toDevice.events },
      device_lists: { changed: deviceLists.changed, left: deviceLists.left },
      ...(await keyCountsSection(ctx, requester)),
      rooms: Object.fromEntries(
        sections.map(([name, entries]) => [name, Object.fromEntries(entries)]),
      ),
    },
  }
}

/** The counts of all rooms at once. */
async function addUnread(
  ctx: Context,
  userId: string,
  request: SyncRequest,
  { upTo }: Window,
  rooms: readonly [string, JsonObject][],
): Promise<void> {
  const roomIds = rooms.map(([roomId]) => roomId)
  const counts = await ctx.unread.of(ctx.db, userId, roomIds, upTo)
  const isByThread = request.filter.room?.timeline?.unread_thread_notifications === true
  for (const [roomId, section] of rooms) {
    Object.assign(section, unreadSection(counts.get(roomId), isByThread))
  }
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

/** The joined rooms in which something happened, or of which everything is to be told. */
async function activeRooms(
  ctx: Context,
  joined: RoomChange[],
  request: SyncRequest,
  { since, upTo }: Window,
): Promise<Set<string>> {
  const ids = joined.map(change => change.roomId)
  if (since === undefined || request.fullState) return new Set(ids)
  const fresh = joined.filter(change => !change.wasJoinedThroughout).map(change => change.roomId)
  return new Set([...fresh, ...(await selectRoomsWithEvents(ctx.db, ids, since, upTo))])
}

/** A departure is told once; all of them only where the filter asks for them. */
function isLeaveShown(
  change: RoomChange,
  request: SyncRequest,
  { since }: Window,
  forgottenUpTo: number | undefined,
): boolean {
  if (since !== undefined && change.now.position > since) return true
  if (since !== undefined && !request.fullState) return false
  const isForgotten = forgottenUpTo !== undefined && change.now.position <= forgottenUpTo
  return request.filter.room?.include_leave === true && !isForgotten
}
