/**
 * MSC4140's first draft (2024-05-08): an event is sent at once, and another follows it that says
 * that it has expired, or, on request, that it has ended.
 */
import { lockUser } from '../../db/accounts.ts'
import type { EventRow } from '../../db/schema.ts'
import type { Tx } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import type { Requester } from '../requester.ts'
import type { SendOptions } from '../rooms/build-event.ts'
import { lifetimeKey } from '../rooms/lifetime.ts'
import { sendMessage, sendNewState } from '../rooms/send-event.ts'
import type { Context } from './context.ts'
import { schedule } from './schedule.ts'

/**
 * Send an event, and schedule what follows it. A newer state event of the same key ends both.
 *
 * @param event.content with a lifetime, which stays on the server
 * @returns the event, which is to be followed by `followEvent` after the commit, and the delay_id of
 *   what comes after it
 * @throws as sendMessage, sendState and schedule
 */
export async function sendExpiring(
  ctx: Context,
  tx: Tx,
  requester: Requester,
  event: SendOptions & {
    roomId: string
    type: string
    stateKey: string | undefined
    content: JsonObject
    transactionId: string | undefined
    lifetimeMs: number
  },
): Promise<{ sent: EventRow; delayId: string }> {
  const { roomId, type, stateKey, transactionId, originServerTs, stickyDurationMs } = event
  await lockUser(tx, requester.userId)
  const content = { ...event.content, [lifetimeKey]: 'running' }
  const draft = { roomId, type, content, originServerTs, stickyDurationMs }
  const sent =
    stateKey === undefined
      ? await sendMessage(ctx, tx, requester, { ...draft, transactionId })
      : await sendNewState(ctx, tx, requester, { ...draft, stateKey })
  const delayId = await schedule(ctx, tx, requester, {
    roomId,
    type,
    stateKey,
    content: {
      ...content,
      [lifetimeKey]: 'expired',
      'm.relates_to': { event_id: sent.event_id, rel_type: 'm.expire.relationship' },
    },
    // A time that a service gives is that of the event; when it will have ended nobody knows yet.
    stickyDurationMs,
    delayMs: event.lifetimeMs,
    cancelPolicy: 'any',
    dialect: 'expiring',
    followsEventId: sent.event_id,
    transactionId,
    powers: ['expire'],
  })
  return { sent, delayId }
}
