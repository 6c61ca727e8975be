/**
 * What sliding sync tells besides rooms, each part only if it is asked for.
 *
 * Of rooms, an extension speaks of those that the connection has been told of, in view or not, so
 * that nothing is missed while a room is out of view; of a room that is told for the first time it
 * tells everything.
 *
 * Spec: MSC3885 (to_device), MSC3884 (e2ee), MSC3959 (account_data), MSC3960 (receipts), MSC3961
 * (typing), as MSC4186 has them; MSC4308 (thread subscriptions); MSC4480 (sticky events)
 */
import { selectToDevice } from '../../../db/to-device.ts'
import { isJsonObject, type JsonObject } from '../../lib/json.ts'
import type { Requester } from '../../requester.ts'
import { readSubscriptionChanges } from '../../rooms/thread-subscription-changes.ts'
import { formatSyncToken } from '../../stream/token.ts'
import { accountDataOfRooms, accountDataSection } from '../account-data-section.ts'
import { roomChanges } from '../build-sync.ts'
import type { Context } from '../context.ts'
import { deviceListsSection } from '../device-lists-section.ts'
import { ephemeralSection } from '../ephemeral-section.ts'
import { keyCountsSection } from '../key-counts-section.ts'
import type { RoomChange } from '../window.ts'
import type { ExtensionName } from './connections.ts'
import type { ExtensionScope, Part } from './extension-scope.ts'
import type { ExtensionRooms, SlidingRequest } from './request.ts'
import type { RoomResult } from './room-result.ts'
import { stickyEvents } from './sticky-events.ts'

export interface ExtensionsBody {
  body: JsonObject
  isEmpty: boolean
  told: Map<ExtensionName, number>
}

export async function buildExtensions(
  ctx: Context,
  requester: Requester,
  { extensions }: SlidingRequest,
  scope: ExtensionScope,
): Promise<ExtensionsBody> {
  const { accountData, receipts, typing, threadSubscriptions } = extensions
  const parts = new Map<string, Part>()
  const told = new Map<ExtensionName, number>()
  if (extensions.toDevice) {
    parts.set('to_device', await toDevice(ctx, requester, extensions.toDevice, scope.upTo))
  }
  if (extensions.encryption) {
    parts.set('e2ee', await encryption(ctx, requester, scope))
    told.set('e2ee', scope.upTo)
  }
  if (accountData) {
    parts.set('account_data', await ofAccount(ctx, requester.userId, accountData, scope))
    told.set('account_data', scope.upTo)
  }
  if (receipts) {
    parts.set('receipts', await ephemeral(ctx, requester.userId, 'receipts', receipts, scope))
    told.set('receipts', scope.upTo)
  }
  if (typing) {
    parts.set('typing', await ephemeral(ctx, requester.userId, 'typing', typing, scope))
    told.set('typing', scope.upTo)
  }
  if (threadSubscriptions) {
    const { limit } = threadSubscriptions
    const after = scope.told.extensions.get('thread_subscriptions') ?? 0
    const range = { after, upTo: scope.upTo, limit }
    const { changes, end } = await readSubscriptionChanges(ctx.db, requester.userId, range)
    parts.set('io.element.msc4308.thread_subscriptions', {
      isEmpty: Object.keys(changes).length === 0,
      wire: { ...changes, ...(end === undefined ? {} : { prev_batch: end }) },
    })
    told.set('thread_subscriptions', scope.upTo)
  }
  for (const asked of extensions.stickyEvents) {
    parts.set(asked.name, await stickyEvents(ctx, requester, asked, scope))
  }
  return {
    told,
    isEmpty: [...parts.values()].every(part => part.isEmpty),
    body: Object.fromEntries([...parts].map(([name, part]) => [name, part.wire])),
  }
}

/** Messages have an acknowledgement of their own: `since`, the `next_batch` of the last answer. */
async function toDevice(
  ctx: Context,
  { userId, deviceId }: Requester,
  { after, limit }: { after: number; limit: number },
  upTo: number,
): Promise<Part> {
  const rows = await selectToDevice(ctx.db, userId, deviceId, after, upTo, limit)
  const last = rows.length === limit ? rows.at(-1)?.position : undefined
  return {
    isEmpty: rows.length === 0,
    wire: {
      next_batch: formatSyncToken(last ?? Math.max(upTo, after)),
      events: rows.map(row => JSON.parse(row.message) as JsonObject),
    },
  }
}

async function encryption(
  ctx: Context,
  requester: Requester,
  { told, upTo }: ExtensionScope,
): Promise<Part> {
  const window = { since: told.extensions.get('e2ee'), upTo }
  const changes = await roomChanges(ctx, requester.userId, window)
  const lists = await deviceListsSection(ctx, requester.userId, window, changes)
  return {
    isEmpty: lists.changed.length === 0 && lists.left.length === 0,
    wire: {
      device_lists: { changed: lists.changed, left: lists.left },
      ...(await keyCountsSection(ctx, requester)),
    },
  }
}

async function ofAccount(
  ctx: Context,
  userId: string,
  asked: ExtensionRooms,
  scope: ExtensionScope,
): Promise<Part> {
  const { told, upTo } = scope
  const since = told.extensions.get('account_data')
  const news = await accountDataSection(ctx, userId, {}, { since, upTo })
  const spoken = roomsOf('account_data', asked, scope)
  const fresh = since === undefined ? [] : spoken.filter(room => !room.wasJoinedThroughout)
  const ids = fresh.map(room => room.roomId)
  const whole = await accountDataOfRooms(ctx, userId, {}, ids, upTo)
  const rooms = spoken.flatMap(({ roomId }) => {
    const events = whole.get(roomId) ?? news.rooms.get(roomId)
    return events ? [[roomId, events] as const] : []
  })
  return {
    isEmpty: news.global.length === 0 && rooms.length === 0,
    wire: { global: news.global, rooms: Object.fromEntries(rooms) },
  }
}

const eventTypes = { receipts: 'm.receipt', typing: 'm.typing' }

async function ephemeral(
  ctx: Context,
  userId: string,
  name: 'receipts' | 'typing',
  asked: ExtensionRooms,
  scope: ExtensionScope,
): Promise<Part> {
  const window = { since: scope.told.extensions.get(name), upTo: scope.upTo }
  const spoken = roomsOf(name, asked, scope)
  const filter = { room: { ephemeral: { types: [eventTypes[name]] } } }
  const found = await ephemeralSection(ctx, userId, filter, window, spoken, scope.ignored)
  const rooms: [string, JsonObject][] = []
  for (const { roomId, wasJoinedThroughout } of spoken) {
    const [event] = found.events.get(roomId) ?? []
    const result = wasJoinedThroughout ? undefined : scope.results.get(roomId)
    const shown = event && result && name === 'receipts' ? nearby(event, result, userId) : event
    if (shown) rooms.push([roomId, shown])
  }
  return { isEmpty: rooms.length === 0, wire: { rooms: Object.fromEntries(rooms) } }
}

/**
 * Of a room that is told for the first time, only the receipts at events that are told with it, and
 * the user's own: in a large room the others are a thousand times as many.
 */
function nearby(event: JsonObject, result: RoomResult, userId: string): JsonObject | undefined {
  const shown = new Set(result.timeline.map(row => row.event_id))
  const content: JsonObject = {}
  for (const [eventId, byType] of Object.entries(
    isJsonObject(event.content) ? event.content : {},
  )) {
    if (shown.has(eventId)) content[eventId] = byType
    else if (isJsonObject(byType)) {
      const own = Object.entries(byType).flatMap(([type, users]) => {
        const receipt = isJsonObject(users) ? users[userId] : undefined
        return receipt === undefined ? [] : [[type, { [userId]: receipt }] as const]
      })
      if (own.length > 0) content[eventId] = Object.fromEntries(own)
    }
  }
  return Object.keys(content).length > 0 ? { ...event, content } : undefined
}

/** The rooms to speak of; one that the extension has not spoken of yet counts as newly joined. */
function roomsOf(
  name: ExtensionName,
  { lists, rooms }: ExtensionRooms,
  { told, joined, results, listed, subscribed }: ExtensionScope,
): RoomChange[] {
  const isAll = !lists && !rooms
  // MSC3959, MSC3960 and MSC3961: of the lists all unless some are named, and so of the subscriptions.
  const isAsked = (roomId: string) =>
    isAll ||
    (lists ?? ['*']).some(list => list === '*' || listed.get(list)?.has(roomId)) ||
    (rooms ?? ['*']).some(id => (id === '*' ? subscribed.has(roomId) : id === roomId))
  const since = told.extensions.get(name)
  return joined.flatMap(({ roomId, now }) => {
    const before = told.rooms.get(roomId)
    const result = results.get(roomId)
    const isKnown = result !== undefined || (before !== undefined && !before.isFromOutside)
    if (!isKnown || !isAsked(roomId)) return []
    const isSpokenOf =
      since !== undefined && before !== undefined && !result?.isInitial && before.firstUpTo <= since
    return [{ roomId, now, wasJoinedBefore: isSpokenOf, wasJoinedThroughout: isSpokenOf }]
  })
}
