/**
 * What is said of a room in passing: who has read how far, who is typing.
 *
 * Spec: GET /sync "Ephemeral"; "Receipts", MSC4102; "Typing Notifications"
 */

import { selectReceiptsBetween } from '../../db/receipts.ts'
import { selectPresentIn } from '../../db/room-mates.ts'
import type { ReceiptRow } from '../../db/schema.ts'
import type { JsonObject } from '../lib/json.ts'
import { type Filter, limited, matchesFilter, matchesRoom } from '../matrix/filter.ts'
import { receiptContent } from '../rooms/receipt-content.ts'
import { receiptsTopic, userTopic } from '../stream/notifier.ts'
import type { Context } from './context.ts'
import type { JoinedRoom, Window } from './window.ts'

export interface Ephemeral {
  /** By room; the filter has been applied. */
  events: ReadonlyMap<string, JsonObject[]>
  /** Rooms in which the user has read on: their counts are news, whatever the filter says. */
  readOn: ReadonlySet<string>
}

/**
 * @param joined the rooms that the user is in; of those they have just come to, everything is told
 * @param ignored whose typing and reading is not told
 */
export async function ephemeralSection(
  ctx: Context,
  userId: string,
  filter: Filter,
  { since, upTo }: Window,
  joined: readonly JoinedRoom[],
  ignored: ReadonlySet<string>,
): Promise<Ephemeral> {
  const wanted = filter.room?.ephemeral ?? {}
  const { rooms: _, not_rooms: _2, ...ofEvents } = wanted
  const rooms = joined.map(({ roomId, wasJoinedThroughout }) => ({
    roomId,
    after: wasJoinedThroughout ? (since ?? 0) : 0,
  }))
  // Of their own private receipts only the user hears.
  const isRead = (roomId: string, after: number) =>
    [userTopic(userId), receiptsTopic(roomId)].some(topic => ctx.notifier.hasMoved(topic, after))
  const found = await selectReceiptsBetween(
    ctx.db,
    userId,
    rooms.filter(({ roomId, after }) => isRead(roomId, after)),
    upTo,
  )
  const receipts = found.filter(receipt => !ignored.has(receipt.user_id))
  const byRoom = new Map<string, ReceiptRow[]>()
  for (const receipt of receipts) {
    const ofRoom = byRoom.get(receipt.room_id)
    if (ofRoom) ofRoom.push(receipt)
    else byRoom.set(receipt.room_id, [receipt])
  }

  const events = new Map<string, JsonObject[]>()
  for (const { roomId, after } of rooms) {
    if (!matchesRoom(roomId, wanted)) continue
    // Who has been there before may still believe that somebody types.
    const typing = await typingIn(ctx, roomId, since === undefined ? undefined : after, upTo)
    const ofRoom = byRoom.get(roomId)
    const all = [
      ...(ofRoom ? [{ type: 'm.receipt', content: receiptContent(ofRoom) }] : []),
      ...(typing
        ? [{ type: 'm.typing', content: { user_ids: typing.filter(id => !ignored.has(id)) } }]
        : []),
    ]
    const shown = limited(
      all.filter(event => matchesFilter(event, ofEvents)),
      ofEvents,
    )
    if (shown.length > 0) events.set(roomId, shown)
  }
  const own = receipts.filter(receipt => receipt.user_id === userId)
  return { events, readOn: new Set(own.map(receipt => receipt.room_id)) }
}

/** Who has left meanwhile does not type there any more. */
async function typingIn(
  ctx: Context,
  roomId: string,
  after: number | undefined,
  upTo: number,
): Promise<string[] | undefined> {
  const typing = ctx.typing.changed(roomId, after, upTo)
  if (!typing || typing.length === 0) return typing
  const present = await selectPresentIn(ctx.db, [roomId], new Set(typing))
  return typing.filter(userId => present.some(row => row.user_id === userId))
}
