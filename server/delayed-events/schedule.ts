/**
 * Scheduling. Form, size, limits and that the room exists are judged here; whether the sender may
 * send it is judged when it is sent.
 */
import { holdUsers, lockUsers } from '../../db/accounts.ts'
import { insertSecrets } from '../../db/delayed-event-groups.ts'
import { countScheduledOf, insertScheduled, selectNextSendAt } from '../../db/delayed-events.ts'
import { selectMembership } from '../../db/memberships.ts'
import type { RoomHead } from '../../db/rooms.ts'
import type { CancelPolicy, SecretPower } from '../../db/schema.ts'
import { type Tx, transaction } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import { hashSecret, randomToken } from '../lib/random.ts'
import { forbidden, MatrixError, notFound, unknownToken } from '../matrix/errors.ts'
import type { Requester } from '../requester.ts'
import { redactsOf } from '../rooms/send-event.ts'
import { assertSendable } from '../rooms/sendable.ts'
import { assertPowerLevels } from '../rooms/state-content.ts'
import type { Context } from './context.ts'
import { secretOf } from './secrets.ts'

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

/** Who wants what scheduled. */
export type Scheduling = { requester: Requester } & ScheduleRequest

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
  assertMaySchedule(ctx, requester, request)
  const [outcome] = await scheduleAll(ctx, tx, [{ requester, ...request }], true)
  if (!outcome || outcome instanceof MatrixError) throw outcome
  return outcome.delay_id
}

/** As {@link schedule}, in a transaction of its own. */
export function scheduleNow(
  ctx: Context,
  requester: Requester,
  request: ScheduleRequest,
): Promise<string> {
  return transaction(ctx.db, tx => schedule(ctx, tx, requester, request))
}

/** What can be said before going together; counts. @throws as {@link schedule} */
export function assertMaySchedule(
  ctx: Context,
  requester: Requester,
  { delayMs }: ScheduleRequest,
): void {
  ctx.rateLimits.take('delayed_event_scheduling', requester)
  const { max_delay_ms, max_scheduled_per_user } = ctx.config.delayed_events
  if (max_delay_ms === 0 || max_scheduled_per_user === 0) {
    throw forbidden('Delayed events are switched off on this server')
  }
  if ((delayMs ?? 0) > max_delay_ms) throw new MaxDelayExceeded(max_delay_ms)
}

/**
 * Schedule events, in this order, of which {@link assertMaySchedule} has nothing to say.
 *
 * @returns for each its `delay_id`, or its refusal as {@link schedule} throws it
 */
export function scheduleTogether(
  ctx: Context,
  tx: Tx,
  schedulings: readonly Scheduling[],
): Promise<({ delay_id: string } | MatrixError)[]> {
  return scheduleAll(ctx, tx, schedulings, false)
}

/** @param mayHaveCancelled the transaction has done something else before */
async function scheduleAll(
  ctx: Context,
  tx: Tx,
  schedulings: readonly Scheduling[],
  mayHaveCancelled: boolean,
): Promise<({ delay_id: string } | MatrixError)[]> {
  const userIds = schedulings.map(({ requester }) => requester.userId)
  const roomIds = schedulings.map(({ roomId }) => roomId)
  const [users, rooms] = await Promise.all([
    ofActiveUsers(tx, userIds),
    // They stay until we have inserted: what is scheduled for one is finalised when it is deleted.
    ctx.roomHeads.keep(tx, roomIds),
  ])
  const refusals = new Map<Scheduling, MatrixError>()
  for (const scheduling of schedulings) {
    const refusal = users.has(scheduling.requester.userId)
      ? await refusalOf(ctx, tx, rooms.get(scheduling.roomId), scheduling)
      : unknownToken()
    if (refusal) refusals.set(scheduling, refusal)
  }
  const sound = schedulings.filter(scheduling => !refusals.has(scheduling))
  const takeOne = await ctx.scheduledAtMost.within(
    tx,
    ctx.config.delayed_events.max_scheduled_per_user,
    sound.map(({ requester }) => requester.userId),
    ids => countScheduledOf(tx, ids),
    mayHaveCancelled,
  )
  const now = ctx.clock.now()
  const accepted: { delayId: string; scheduling: Scheduling }[] = []
  const outcomes: ({ delay_id: string } | MatrixError)[] = []
  for (const scheduling of schedulings) {
    const { userId } = scheduling.requester
    const refusal = refusals.get(scheduling)
    if (refusal) outcomes.push(refusal)
    else if (!takeOne(userId)) {
      const next = (await selectNextSendAt(tx, userId)) ?? now
      outcomes.push(new TooManyScheduled(Math.max(1, next - now)))
    } else {
      const delayId = `hgd_${randomToken(18)}`
      accepted.push({ delayId, scheduling })
      outcomes.push({ delay_id: delayId })
    }
  }
  await store(ctx, tx, accepted, now)
  return outcomes
}

/** Whoever asks has shown a token, so they are presumed to be there. */
async function ofActiveUsers(tx: Tx, userIds: readonly string[]): Promise<ReadonlySet<string>> {
  if (!tx.mayPresume) return lockUsers(tx, userIds)
  await holdUsers(tx, userIds)
  return new Set(userIds)
}

async function refusalOf(
  ctx: Context,
  tx: Tx,
  room: RoomHead | undefined,
  scheduling: Scheduling,
): Promise<MatrixError | undefined> {
  if (!room) return notFound(`${scheduling.roomId} is not a room that we know`)
  try {
    const { requester, type, content, ...draft } = scheduling
    const redacts = redactsOf(type, content)
    assertSendable(ctx, room, { ...draft, type, content, sender: requester.userId, redacts })
    // Who created a room is not going to change; who is not in it hears nothing of it.
    if (draft.stateKey === undefined || type !== 'm.room.power_levels') return undefined
    const member = await selectMembership(tx, room.room_id, requester.userId)
    if (member?.membership === 'join') await assertPowerLevels(tx, room, { type, content })
    return undefined
  } catch (error) {
    if (error instanceof MatrixError) return error
    throw error
  }
}

async function store(
  ctx: Context,
  tx: Tx,
  accepted: readonly { delayId: string; scheduling: Scheduling }[],
  now: number,
): Promise<void> {
  const rows = accepted.map(({ delayId, scheduling }) => rowOf(delayId, scheduling, now))
  await insertScheduled(tx, rows)
  await insertSecrets(
    tx,
    accepted.flatMap(({ delayId, scheduling: { powers = [] } }) =>
      powers.map(power => ({
        secret_hash: hashSecret(secretOf(ctx, delayId, power)),
        delay_id: delayId,
        power,
      })),
    ),
  )
  for (const { dialect, send_at } of rows) {
    ctx.metrics.scheduled(tx, dialect)
    if (send_at !== null) tx.afterCommit(() => ctx.scheduler.noteDeadline(send_at))
  }
}

function rowOf(delayId: string, { requester, ...request }: Scheduling, now: number) {
  const sendAt = request.delayMs === null ? null : now + request.delayMs
  return {
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
    group_id: request.groupId ?? null,
    member: request.member ?? null,
    follows_event_id: request.followsEventId ?? null,
    transaction_id: request.transactionId ?? null,
  }
}
