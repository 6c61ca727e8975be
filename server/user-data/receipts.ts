/**
 * How far a user has read a room.
 *
 * Spec: Client-Server API "Receipts", "Fully read markers"
 */
import { upsertAccountData } from '../../db/account-data.ts'
import { selectEvent } from '../../db/events.ts'
import { advanceReceipt, lockReceipts } from '../../db/receipts.ts'
import { type Tx, transaction } from '../../db/transaction.ts'
import type { Context } from '../context.ts'
import { invalidParam, notFound } from '../matrix/errors.ts'
import { isEventId } from '../matrix/ids.ts'
import { assertJoined } from '../rooms/visibility.ts'
import { ephemeralTopic, receiptsTopic, roomTopic, userTopic } from '../stream/notifier.ts'

export const receiptTypes = ['m.read', 'm.read.private', 'm.fully_read'] as const
export type ReceiptType = (typeof receiptTypes)[number]

export interface Receipt {
  type: ReceiptType
  eventId: string
  /** Undefined: unthreaded. Else `main`, or the root of a thread. */
  threadId?: string | undefined
}

/**
 * Note how far the user has read. A receipt that is further already stays where it is.
 *
 * @throws 403 M_FORBIDDEN not in the room · 404 M_NOT_FOUND no such event in it ·
 *   400 M_INVALID_PARAM a thread that cannot be one
 * Spec: POST /rooms/{roomId}/receipt/{receiptType}/{eventId}, POST /rooms/{roomId}/read_markers
 */
export function markRead(
  ctx: Context,
  userId: string,
  roomId: string,
  receipts: readonly Receipt[],
): Promise<void> {
  for (const receipt of receipts) assertThread(receipt)
  return transaction(ctx.db, async tx => {
    await assertJoined(tx, roomId, userId)
    for (const receipt of receipts) await markOne(ctx, tx, userId, roomId, receipt)
  })
}

function assertThread({ type, threadId }: Receipt): void {
  if (threadId === undefined) return
  if (type === 'm.fully_read') throw invalidParam('m.fully_read is not threaded')
  if (threadId !== 'main' && !isEventId(threadId)) {
    throw invalidParam('thread_id is neither main nor an event ID')
  }
}

async function markOne(
  ctx: Context,
  tx: Tx,
  userId: string,
  roomId: string,
  { type, eventId, threadId = '' }: Receipt,
): Promise<void> {
  const event = await selectEvent(tx, eventId)
  if (event?.room_id !== roomId) throw notFound('The room has no such event')
  if (type === 'm.fully_read') {
    await upsertAccountData(tx, {
      user_id: userId,
      room_id: roomId,
      type,
      content: JSON.stringify({ event_id: eventId }),
      position: ctx.positions.take(tx, [userTopic(userId)]),
    })
    return
  }
  const key = { room_id: roomId, user_id: userId, receipt_type: type }
  const before = await lockReceipts(tx, key)
  const same = before.find(receipt => receipt.thread_id === threadId)
  if (same && same.event_position >= event.position) return
  tx.afterCommit(() => ctx.unread.forgetRoom(userId, roomId))
  const seenBy = type === 'm.read' ? [roomTopic(roomId), receiptsTopic(roomId)] : []
  const topics = [userTopic(userId), ephemeralTopic, ...seenBy]
  await advanceReceipt(tx, {
    ...key,
    thread_id: threadId,
    event_id: eventId,
    event_position: event.position,
    received_ts: ctx.clock.now(),
    position: ctx.positions.take(tx, topics),
  })
}
