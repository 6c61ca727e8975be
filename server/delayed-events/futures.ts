/**
 * MSC4140's Futures as they were in 2024-05: one request with an event for now, one for when the
 * time is up, and any number for when an action is called, of which one is sent.
 */
import { lockUser } from '../../db/accounts.ts'
import type { EventRow } from '../../db/schema.ts'
import type { Tx } from '../../db/transaction.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts'
import { randomToken } from '../lib/random.ts'
import { invalidParam } from '../matrix/errors.ts'
import type { Requester } from '../requester.ts'
import type { SendOptions } from '../rooms/build-event.ts'
import { sendMessage, sendNewState } from '../rooms/send-event.ts'
import type { Context } from './context.ts'
import { schedule } from './schedule.ts'

export interface FutureEvent {
  type: string
  /** Undefined: a message event. */
  stateKey: string | undefined
  content: JsonObject
}

export interface Futures extends SendOptions {
  roomId: string
  transactionId: string | undefined
  timeoutMs: number
  now: FutureEvent | undefined
  onTimeout: FutureEvent
  onAction: ReadonlyMap<string, FutureEvent>
}

/** How the member of a group that an action sends is called. */
export const actionMember = (action: string) => `send_on_action:${action}`
export const timeoutMember = 'send_on_timeout'

/**
 * Send what is for now, schedule the rest. The timeout's secret, `future`, stands for all.
 *
 * @returns the event that was sent, which is to be followed by `followEvent` after the commit, and the
 *   delay_ids of the others
 * @throws as sendMessage, sendState and schedule · 400 M_INVALID_PARAM the template where nothing
 *   is sent now
 */
export async function scheduleFutures(
  ctx: Context,
  tx: Tx,
  requester: Requester,
  futures: Futures,
): Promise<{ now: EventRow | undefined; onTimeout: string; onAction: Map<string, string> }> {
  const { roomId, transactionId, originServerTs, stickyDurationMs } = futures
  await lockUser(tx, requester.userId)
  const now = futures.now && (await send(ctx, tx, requester, futures, futures.now))
  const common = {
    roomId,
    transactionId,
    stickyDurationMs,
    // Where something is sent now, a time that a service gives is the time of that.
    originServerTs: now === undefined ? originServerTs : undefined,
    groupId: `hgg_${randomToken(18)}`,
    cancelPolicy: 'any' as const,
    dialect: 'futures',
    ...(now === undefined ? {} : { followsEventId: now.event_id }),
  }
  const onTimeout = await schedule(ctx, tx, requester, {
    ...common,
    ...withEventId(futures.onTimeout, now?.event_id),
    delayMs: futures.timeoutMs,
    member: timeoutMember,
    powers: ['future'],
  })
  const onAction = new Map<string, string>()
  for (const [action, event] of futures.onAction) {
    const delayId = await schedule(ctx, tx, requester, {
      ...common,
      ...withEventId(event, now?.event_id),
      delayMs: null,
      member: actionMember(action),
    })
    onAction.set(action, delayId)
  }
  return { now, onTimeout, onAction }
}

async function send(
  ctx: Context,
  tx: Tx,
  requester: Requester,
  { roomId, transactionId, originServerTs, stickyDurationMs }: Futures,
  { stateKey, ...event }: FutureEvent,
): Promise<EventRow> {
  const draft = { ...event, roomId, originServerTs, stickyDurationMs }
  return stateKey === undefined
    ? sendMessage(ctx, tx, requester, { ...draft, transactionId })
    : sendNewState(ctx, tx, requester, { ...draft, stateKey })
}

const template = '$m.send_now.event_id'

function withEventId(event: FutureEvent, eventId: string | undefined): FutureEvent {
  return { ...event, content: replaceTemplate(event.content, eventId) as JsonObject }
}

/** In every string that is the template and nothing else. */
function replaceTemplate(value: JsonValue, eventId: string | undefined): JsonValue {
  if (value === template) {
    if (eventId === undefined) throw invalidParam(`${template} is there, and nothing is sent now`)
    return eventId
  }
  if (Array.isArray(value)) return value.map(item => replaceTemplate(item, eventId))
  if (!isJsonObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, replaceTemplate(item, eventId)]),
  )
}
