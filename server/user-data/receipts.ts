/**
 * How far a user has read a room.
 *
 * Spec: Client-Server API "Receipts", "Fully read markers"
 */
import { upsertAccountData } from '../../db/account-data.ts'
import { selectEvent } from '../../db/events.ts'
import { insertReceipt, lockReceipt, moveReceipt } from '../../db/receipts.ts'
import type { EventRow } from '../../db/schema.ts'
import { type Tx, transaction } from '../../db/transaction.ts'
import { invalidParam, notFound } from '../matrix/errors.ts'
import { isEventId } from '../matrix/ids.ts'
import { lockOwnAccount } from '../rooms/account-in-use.ts'
import { assertJoined, assertStays } from '../rooms/visibility.ts'
import { ephemeralTopic, receiptsTopic, roomTopic, userTopic } from '../stream/notifier.ts'
import type { Context } from './context.ts'

/** In the order in which several are written: who deletes a room goes over them in that order, too. */
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
 *   400 M_INVALID_PARAM a thread that cannot be one, or that the event has nothing to do with ·
 *   401 M_UNKNOWN_TOKEN the account has been closed since the request came
 * Spec: POST /rooms/{roomId}/receipt/{receiptType}/{eventId}, POST /rooms/{roomId}/read_markers
 */
export function markRead(
  ctx: Context,
  userId: string,
  roomId: string,
  receipts: readonly Receipt[],
): Promise<void> {
  for (const receipt of receipts) assertThread(receipt)
  const isPrivate = receipts.some(({ type }) => type !== 'm.read')
  return transaction(ctx.db, async tx => {
    if (isPrivate) await lockOwnAccount(tx, userId)
    await assertJoined(tx, roomId, userId)
    // The first of them may be held before it is known that the second is new, and hangs on the room.
    const inTable = receipts.filter(({ type }) => type !== 'm.fully_read')
    if (inTable.length > 1) await assertStays(tx, roomId)
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

/** An event is in the thread that it leads to over so many relations, its own being the first. */
const mostRelations = 3

/**
 * Whether a receipt at this event can say that so much of that thread was read. What relates to a root
 * in another way is of the main timeline, and clients that show it with the thread say the thread.
 *
 * Spec: "Threaded read receipts"
 */
async function isRelatedTo(tx: Tx, event: EventRow, threadId: string): Promise<boolean> {
  let at = event
  for (let relations = 0; relations < mostRelations; relations++) {
    // What is redacted relates to nothing any more: where it was only clients still know.
    if (at.redacted_by !== null || at.event_id === threadId) return true
    if (at.relates_to === null) break
    if (at.relates_to === threadId) return true
    if (at.rel_type === 'm.thread') return false
    const parent = await selectEvent(tx, at.relates_to)
    if (parent?.room_id !== event.room_id) break
    at = parent
  }
  return threadId === 'main'
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
  if (threadId !== '' && !(await isRelatedTo(tx, event, threadId))) {
    throw invalidParam('The event is not of that thread')
  }
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
  const key = { room_id: roomId, user_id: userId, receipt_type: type, thread_id: threadId }
  const before = await lockReceipt(tx, key)
  if (before && before.event_position >= event.position) return
  tx.afterCommit(() => ctx.unread.forgetRoom(userId, roomId))
  const seenBy = type === 'm.read' ? [roomTopic(roomId), receiptsTopic(roomId)] : []
  const topics = [userTopic(userId), ephemeralTopic, ...seenBy]
  const write = before ? moveReceipt : insertReceipt
  await write(tx, {
    ...key,
    event_id: eventId,
    event_position: event.position,
    received_ts: ctx.clock.now(),
    position: ctx.positions.take(tx, topics),
  })
}
