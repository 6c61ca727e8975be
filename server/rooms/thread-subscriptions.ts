/**
 * Which threads a user wants to hear of.
 *
 *     (nothing) ──subscribe──► subscribed, by hand or automatically
 *     subscribed ──unsubscribe──► unsubscribed, at a position
 *     unsubscribed ──subscribe by hand, or because of an event after that position──► subscribed
 *
 * A client subscribes automatically because of an event in the thread; one that lagged behind must
 * not undo what the user decided after that event.
 *
 * Spec: MSC4306 "Thread Subscriptions"; Complement for `automatic` as an event id
 */
import { selectEvent } from '../../db/events.ts'
import {
  selectThreadSubscription,
  upsertThreadSubscription,
} from '../../db/thread-subscriptions.ts'
import { type Tx, transaction } from '../../db/transaction.ts'
import { MatrixError, notFound } from '../matrix/errors.ts'
import type { Requester } from '../requester.ts'
import { userTopic } from '../stream/notifier.ts'
import { lockOwnAccount } from './account-in-use.ts'
import type { Context } from './context.ts'
import { findReadable } from './timeline.ts'

export interface Thread {
  roomId: string
  rootEventId: string
}

/**
 * @param cause the event because of which a client subscribes by itself; undefined: by hand
 * @throws 404 M_NOT_FOUND no such event, or not for this user to see · 400
 *   IO.ELEMENT.MSC4306.M_NOT_IN_THREAD the cause is not in the thread · 409
 *   IO.ELEMENT.MSC4306.M_CONFLICTING_UNSUBSCRIPTION the user has unsubscribed since the cause
 */
export async function subscribe(
  ctx: Context,
  requester: Requester,
  thread: Thread,
  cause: string | undefined,
): Promise<void> {
  await findReadable(ctx, requester, thread.roomId, thread.rootEventId)
  await transaction(ctx.db, async tx => {
    // What is decided rests on what was before: two devices at once go one after the other.
    await lockOwnAccount(tx, requester.userId)
    const current = await selectThreadSubscription(tx, requester.userId, thread.rootEventId)
    if (cause !== undefined) {
      const position = await positionOfCause(tx, thread, cause)
      if (current?.is_subscribed) return
      if (current && position <= current.position) {
        throw new MatrixError(
          409,
          'IO.ELEMENT.MSC4306.M_CONFLICTING_UNSUBSCRIPTION',
          'You have unsubscribed from the thread since then',
        )
      }
    } else if (current?.is_subscribed && !current.is_automatic) return
    await change(ctx, tx, requester, thread, {
      is_subscribed: true,
      is_automatic: cause !== undefined,
    })
  })
}

async function positionOfCause(tx: Tx, thread: Thread, cause: string): Promise<number> {
  const event = await selectEvent(tx, cause)
  const isInThread =
    event?.room_id === thread.roomId &&
    event.rel_type === 'm.thread' &&
    event.relates_to === thread.rootEventId
  if (isInThread) return event.position
  throw new MatrixError(
    400,
    'IO.ELEMENT.MSC4306.M_NOT_IN_THREAD',
    'The event that is the cause is not in the thread',
  )
}

/**
 * Hear no more of a thread. Without a subscription nothing happens.
 *
 * @throws 404 M_NOT_FOUND as {@link subscribe}
 */
export async function unsubscribe(
  ctx: Context,
  requester: Requester,
  thread: Thread,
): Promise<void> {
  await findReadable(ctx, requester, thread.roomId, thread.rootEventId)
  await transaction(ctx.db, async tx => {
    await lockOwnAccount(tx, requester.userId)
    const current = await selectThreadSubscription(tx, requester.userId, thread.rootEventId)
    if (!current?.is_subscribed) return
    await change(ctx, tx, requester, thread, { is_subscribed: false, is_automatic: false })
  })
}

/**
 * @returns whether a client subscribed by itself
 * @throws 404 M_NOT_FOUND as {@link subscribe}, and without a subscription
 */
export async function readSubscription(
  ctx: Context,
  requester: Requester,
  thread: Thread,
): Promise<{ automatic: boolean }> {
  await findReadable(ctx, requester, thread.roomId, thread.rootEventId)
  const current = await selectThreadSubscription(ctx.db, requester.userId, thread.rootEventId)
  if (!current?.is_subscribed) throw notFound('You have not subscribed to that thread')
  return { automatic: current.is_automatic }
}

function change(
  ctx: Context,
  tx: Tx,
  { userId }: Requester,
  { roomId, rootEventId }: Thread,
  to: { is_subscribed: boolean; is_automatic: boolean },
): Promise<void> {
  const position = ctx.positions.take(tx, [userTopic(userId)])
  return upsertThreadSubscription(tx, {
    user_id: userId,
    root_event_id: rootEventId,
    room_id: roomId,
    position,
    ...to,
  })
}
