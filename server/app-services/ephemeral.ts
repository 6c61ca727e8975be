/**
 * What happens in passing and concerns an application service: who types, who has read how far, who
 * is there.
 *
 * Spec: Application Service API "Pushing EDUs"
 */
import { selectCurrentRoomsOf } from '../../db/memberships.ts'
import type { ReceiptRow } from '../../db/schema.ts'
import type { JsonObject } from '../lib/json.ts'
import type { AppService } from '../matrix/app-service.ts'
import { receiptContent } from '../rooms/receipt-content.ts'
import type { Context } from './context.ts'
import { isOwnUser, selectRoomsOfInterest } from './interest.ts'

/**
 * What changed in (after, upTo], as it is at `upTo`.
 *
 * @param receipts all that moved in the window
 */
export async function selectEphemeral(
  ctx: Context,
  service: AppService,
  { after, upTo }: { after: number; upTo: number },
  receipts: readonly ReceiptRow[],
): Promise<JsonObject[]> {
  const typingIn = ctx.typing.roomsChanged(after, upTo)
  const there = ctx.presence.changed(after, upTo)
  const memberships = await selectCurrentRoomsOf(ctx.db, there)
  const roomIds = [
    ...receipts.map(receipt => receipt.room_id),
    ...typingIn,
    ...memberships.map(row => row.room_id),
  ]
  const ours = await selectRoomsOfInterest(ctx, service, [...new Set(roomIds)], upTo)
  const sharing = new Set(
    memberships.filter(row => ours.has(row.room_id)).map(row => row.state_key),
  )
  return [
    ...there
      .filter(userId => sharing.has(userId) || isOwnUser(ctx, service, userId))
      .map(sender => ({ type: 'm.presence', sender, content: ctx.presence.of(sender) })),
    ...typingIn.flatMap(roomId => {
      const typing = ours.has(roomId) && ctx.typing.changed(roomId, after, upTo)
      return typing ? [{ type: 'm.typing', room_id: roomId, content: { user_ids: typing } }] : []
    }),
    ...receiptEvents(
      receipts.filter(
        ({ room_id, user_id, receipt_type }) =>
          ours.has(room_id) &&
          (receipt_type !== 'm.read.private' || isOwnUser(ctx, service, user_id)),
      ),
    ),
  ]
}

/** One for each room. */
function receiptEvents(receipts: readonly ReceiptRow[]): JsonObject[] {
  const roomIds = [...new Set(receipts.map(receipt => receipt.room_id))]
  return roomIds.map(room_id => ({
    type: 'm.receipt',
    room_id,
    content: receiptContent(receipts.filter(receipt => receipt.room_id === room_id)),
  }))
}
