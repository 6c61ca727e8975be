/**
 * MSC4140: events that are sent later unless somebody keeps them from it.
 *
 *   scheduled ──restart──► scheduled            (send_at moves)
 *       │──send / due──► sent                   (event_id set, same transaction as the event)
 *       │──cancel / state update / group──► cancelled   (group: another member is sent)
 *       └──refused when due──► failed           (error set; a refused manual send stays scheduled)
 *
 * One core for every dialect; the dialects are codecs in client-api/. Whether the sender may send
 * it is judged when it is sent, not here.
 */

import { lockUser } from '../../db/accounts.ts'
import { cancelWithoutTimeout, insertSecrets } from '../../db/delayed-event-groups.ts'
import {
  cancelScheduled,
  countScheduled,
  type DelayedEventRow,
  insertScheduled,
  type ManagedRow,
  restartAtOnce,
  restartScheduled,
  selectNextSendAt,
} from '../../db/delayed-events.ts'
import { lockRoom, selectRoomToStay } from '../../db/rooms.ts'
import type { CancelPolicy, SecretPower } from '../../db/schema.ts'
import { type Tx, transaction } from '../../db/transaction.ts'
import type { Requester } from '../accounts/requester.ts'
import type { Context } from '../context.ts'
import type { JsonObject } from '../lib/json.ts'
import { hashSecret, randomToken } from '../lib/random.ts'
import { forbidden, invalidParam, MatrixError, notFound, unknownToken } from '../matrix/errors.ts'
import { assertSendable } from '../rooms/send-event.ts'
import { type Caller, countManagement, unknownDelayedEvent } from './limits.ts'
import { secretOf } from './secrets.ts'
import { claimAndAppend } from './send.ts'

/** The delay is longer than this server allows; each dialect says so in its own words. */
export class MaxDelayExceeded extends Error {
  readonly maxDelayMs: number
  constructor(maxDelayMs: number) {
    super(`The delay is longer than the ${maxDelayMs} ms that this server allows`)
    this.maxDelayMs = maxDelayMs
  }
}

/** 429 M_LIMIT_EXCEEDED, except in the dialect that has another word for it. */
export class TooManyScheduled extends MatrixError {
  constructor(retryAfterMs: number) {
    super(429, 'M_LIMIT_EXCEEDED', 'Too many events are scheduled', {
      retry_after_ms: retryAfterMs,
    })
  }
}

export interface ScheduleRequest {
  roomId: string
  type: string
  /** Undefined: a message event. */
  stateKey: string | undefined
  content: JsonObject
  /** Above 0. Null: it waits for an action; only as a member of a group that has a delay. */
  delayMs: number | null
  cancelPolicy: CancelPolicy
  dialect: string
  /** Unix ms, from an application service; undefined: the time when it is sent. */
  originServerTs?: number | undefined
  /** MSC4354, from 0 to an hour, counted from when it is sent; undefined: it is not sticky. */
  stickyDurationMs?: number | undefined
  /** Whoever schedules into a group holds the room. */
  groupId?: string
  member?: string
  followsEventId?: string
  transactionId?: string | undefined
  /** What secrets of its own entitle to. */
  powers?: readonly SecretPower[]
}

/**
 * Schedule an event.
 *
 * @returns its `delay_id`: unguessable, because it is a credential where no token is asked for
 * @throws MaxDelayExceeded · 403 M_FORBIDDEN if delayed events are switched off · 404 M_NOT_FOUND
 *   unknown room · 429 M_LIMIT_EXCEEDED too often, or too many are scheduled · 400 M_BAD_JSON, 413 M_TOO_LARGE
 *   if no room may hold the event
 */
export async function schedule(
  ctx: Context,
  tx: Tx,
  requester: Requester,
  request: ScheduleRequest,
): Promise<string> {
  ctx.rateLimits.take('delayed_event_scheduling', requester)
  const { max_delay_ms, max_scheduled_per_user } = ctx.config.delayed_events
  if (max_delay_ms === 0 || max_scheduled_per_user === 0) {
    throw forbidden('Delayed events are switched off on this server')
  }
  if ((request.delayMs ?? 0) > max_delay_ms) throw new MaxDelayExceeded(max_delay_ms)
  // One at a time for each user, so that the count below is still true when we insert.
  if (!(await lockUser(tx, requester.userId))) throw unknownToken()
  // It stays until we have inserted: what is scheduled for it is finalised when it is deleted.
  const room = await selectRoomToStay(tx, request.roomId)
  if (!room) throw notFound(`${request.roomId} is not a room that we know`)
  assertSendable(ctx, room, requester, request)
  const now = ctx.clock.now()
  if ((await countScheduled(tx, requester.userId)) >= max_scheduled_per_user) {
    const next = (await selectNextSendAt(tx, requester.userId)) ?? now
    throw new TooManyScheduled(Math.max(1, next - now))
  }
  const delayId = `hgd_${randomToken(18)}`
  const sendAt = request.delayMs === null ? null : now + request.delayMs
  await insertScheduled(tx, {
    delay_id: delayId,
    user_id: requester.userId,
    device_id: requester.deviceId,
    room_id: request.roomId,
    type: request.type,
    state_key: request.stateKey ?? null,
    content: JSON.stringify(request.content),
    origin_server_ts: request.originServerTs ?? null,
    sticky_duration_ms: request.stickyDurationMs ?? null,
    delay_ms: request.delayMs,
    since_ts: now,
    send_at: sendAt,
    wake_at: sendAt,
    cancel_policy: request.cancelPolicy,
    dialect: request.dialect,
    is_rate_limited: requester.isRateLimited,
    status: 'scheduled',
    cause: null,
    finalised_ts: null,
    event_id: null,
    error: null,
    group_id: request.groupId ?? null,
    member: request.member ?? null,
    follows_event_id: request.followsEventId ?? null,
    transaction_id: request.transactionId ?? null,
  })
  const powers = request.powers ?? []
  if (powers.length > 0) {
    const hashOf = (power: SecretPower) => hashSecret(secretOf(ctx, delayId, power))
    const secrets = powers.map(power => ({
      secret_hash: hashOf(power),
      delay_id: delayId,
      power,
    }))
    await insertSecrets(tx, secrets)
  }
  ctx.metrics.scheduled(tx, request.dialect)
  if (sendAt !== null) tx.afterCommit(() => ctx.scheduler.noteDeadline(sendAt))
  return delayId
}

/** Run a scheduling action in a transaction of its own: for endpoints without transaction ids. */
export function alone<T>(ctx: Context, action: (tx: Tx) => Promise<T>): Promise<T> {
  return transaction(ctx.db, action)
}

/** As {@link schedule}, for endpoints without transaction ids. */
export function scheduleNow(
  ctx: Context,
  requester: Requester,
  request: ScheduleRequest,
): Promise<string> {
  return transaction(ctx.db, tx => schedule(ctx, tx, requester, request))
}

export type Action = 'send' | 'cancel' | 'restart'
/** It was done; or how the delayed event had been finalised before. */
export type Outcome = 'done' | 'sent' | 'cancelled' | 'failed'

/**
 * Do something to a scheduled event.
 *
 * @param what.owner who alone may do it; undefined where the id is the credential
 * @returns the dialect says what it means
 * @throws 404 M_NOT_FOUND unknown id, or not the owner's · 429 M_LIMIT_EXCEEDED · 400 M_INVALID_PARAM
 *   a restart of one that has no delay · for `send`, the room's refusal; it then stays scheduled
 * Spec: MSC4140 "Managing delayed events"
 */
export async function manage(
  ctx: Context,
  caller: Caller,
  what: { delayId: string; action: Action; owner?: string | undefined },
): Promise<Outcome> {
  const delayedEvent = await ctx.delayedEvents.do(what.delayId)
  if (!delayedEvent || (what.owner !== undefined && delayedEvent.user_id !== what.owner)) {
    throw unknownDelayedEvent(ctx, caller)
  }
  countManagement(ctx, caller, delayedEvent.delay_id)
  const isScheduled = delayedEvent.status === 'scheduled'
  if (isScheduled && what.action === 'restart' && delayedEvent.delay_ms === null) {
    throw invalidParam('It waits for an action, and has no delay to restart')
  }
  if (isScheduled && what.action === 'restart' && (await ctx.restarts.do(delayedEvent))) {
    return 'done'
  }
  for (;;) {
    if (await transaction(ctx.db, tx => act(ctx, tx, delayedEvent, what.action))) return 'done'
    const finalised = await ctx.delayedEvents.do(delayedEvent.delay_id)
    if (!finalised) throw unknownDelayedEvent(ctx, caller)
    // Scheduled: it was moved between the two looks.
    if (finalised.status !== 'scheduled') return finalised.status
  }
}

/** Restarts go together. @returns for each whether it was done; if not, somebody else is at it */
export function restartTogether(
  ctx: Context,
  delayedEvents: readonly ManagedRow[],
): Promise<boolean[]> {
  return transaction(ctx.db, async tx => {
    const ids = delayedEvents.map(({ delay_id }) => delay_id)
    const restarted = await restartAtOnce(tx, ids, ctx.clock.now())
    tx.afterCommit(() => {
      for (const sendAt of restarted.values()) ctx.scheduler.noteDeadline(sendAt)
    })
    return delayedEvents.map(({ delay_id, dialect }) => {
      const isRestarted = restarted.has(delay_id)
      if (isRestarted) ctx.metrics.restarted(tx, dialect)
      return isRestarted
    })
  })
}

/** @returns false if it is not scheduled any more */
async function act(
  ctx: Context,
  tx: Tx,
  delayedEvent: ManagedRow,
  action: Action,
): Promise<boolean> {
  const now = ctx.clock.now()
  switch (action) {
    case 'send':
      return (await claimAndAppend(ctx, tx, delayedEvent, 'action')) !== undefined
    case 'cancel': {
      const isInGroup = delayedEvent.group_id !== null
      if (isInGroup) await lockRoom(tx, delayedEvent.room_id)
      const cancelled = await cancelScheduled(tx, delayedEvent.delay_id, now)
      if (!cancelled) return false
      ctx.metrics.finalised(tx, [cancelled])
      if (isInGroup) ctx.metrics.finalised(tx, await cancelWithoutTimeout(tx, cancelled, now))
      return true
    }
    case 'restart': {
      const sendAt = await restartScheduled(tx, delayedEvent.delay_id, now)
      if (sendAt === undefined) return false
      ctx.metrics.restarted(tx, delayedEvent.dialect)
      tx.afterCommit(() => ctx.scheduler.noteDeadline(sendAt))
      return true
    }
  }
}

/** The stored reason of one that failed, or that a state update cancelled. */
export function errorOf(row: DelayedEventRow): JsonObject | undefined {
  return row.error === null ? undefined : (JSON.parse(row.error) as JsonObject)
}
