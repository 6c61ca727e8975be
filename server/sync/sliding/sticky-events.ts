/**
 * Sticky events in sliding sync: those that came after the client's `since`, of all rooms that a list or a
 * subscription speaks of, in view or not, the oldest first; each page ends where the next one begins.
 *
 * Of a room that the user has come to since then, all; and of one that the connection is told of for
 * the first time: matrix-js-sdk drops what belongs to rooms that it does not know yet, and counts on it
 * being sent again. Such an answer has no limit, for its token can only say that all has been told.
 *
 * Spec: MSC4480
 */
import type { EventRow } from '../../../db/schema.ts'
import type { JsonObject } from '../../lib/json.ts'
import type { Requester } from '../../requester.ts'
import { presentEvents } from '../../rooms/present-event.ts'
import { viewerOf } from '../../rooms/timeline.ts'
import { isHeard } from '../../rooms/visibility.ts'
import { stickyTopic, userTopic } from '../../stream/notifier.ts'
import { formatSyncToken } from '../../stream/token.ts'
import { roomChanges } from '../build-sync.ts'
import type { Context } from '../context.ts'
import type { ExtensionScope, Part } from './extension-scope.ts'
import type { StickyEventsRequest } from './request.ts'

export async function stickyEvents(
  ctx: Context,
  requester: Requester,
  { since, limit }: StickyEventsRequest,
  scope: ExtensionScope,
): Promise<Part> {
  const { rows, upTo } = await readSticky(ctx, requester, since, limit, scope)
  const shown = new Set(
    [...scope.results.values()].flatMap(({ timeline }) => timeline.map(row => row.event_id)),
  )
  const told = rows.filter(row => isHeard(row, scope.ignored) && !shown.has(row.event_id))
  const roomIds = [...new Set(told.map(row => row.room_id))]
  const sights = await ctx.syncReads.sights(roomIds, requester.userId, scope.upTo)
  const events = await presentEvents(ctx.db, told, viewerOf(ctx, requester), sights, {
    withoutRoomId: true,
  })
  const rooms = Object.fromEntries(roomIds.map(id => [id, { events: [] as JsonObject[] }]))
  for (const [i, { room_id }] of told.entries()) {
    rooms[room_id]?.events.push(events[i] as unknown as JsonObject)
  }
  return {
    isEmpty: told.length === 0,
    wire: { ...(rows.length === 0 ? {} : { next_batch: formatSyncToken(upTo) }), rooms },
  }
}

/** In order of position, up to where (inclusive) everything is told then. */
async function readSticky(
  ctx: Context,
  { userId }: Requester,
  since: number | undefined,
  limit: number,
  scope: ExtensionScope,
): Promise<{ rows: EventRow[]; upTo: number }> {
  const { joined, listed, subscribed } = scope
  const spokenOf = joined.filter(
    ({ roomId }) =>
      subscribed.has(roomId) || [...listed.values()].some(onList => onList.has(roomId)),
  )
  const fresh = await newRooms(ctx, userId, since, scope)
  const most = spokenOf.some(room => fresh.has(room.roomId)) ? null : limit
  const wishes = spokenOf.flatMap(({ roomId }) => {
    const after = fresh.has(roomId) ? 0 : (since ?? 0)
    const isAny = ctx.notifier.hasMoved(stickyTopic(roomId), after)
    return isAny ? { roomId, after, upTo: scope.upTo } : []
  })
  const found = (await ctx.syncReads.sticky(wishes)).flat()
  const rows = found.sort((a, b) => a.position - b.position).slice(0, most ?? found.length)
  const last = rows.at(-1)
  const isCut = last !== undefined && rows.length === most
  return { rows, upTo: isCut ? last.position : scope.upTo }
}

/** Those of which everything is told, though something has been told already. */
async function newRooms(
  ctx: Context,
  userId: string,
  since: number | undefined,
  { results, upTo }: ExtensionScope,
): Promise<ReadonlySet<string>> {
  if (since === undefined) return new Set()
  const initial = [...results].flatMap(([roomId, { isInitial }]) => (isInitial ? roomId : []))
  if (!ctx.notifier.hasMoved(userTopic(userId), since)) return new Set(initial)
  const changes = await roomChanges(ctx, userId, { since, upTo })
  const come = changes.filter(change => !change.wasJoinedThroughout)
  return new Set([...initial, ...come.map(change => change.roomId)])
}
