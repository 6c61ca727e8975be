/**
 * MSC4140: events that are sent later unless somebody keeps them from it.
 *
 *   scheduled ──restart──► scheduled            (send_at moves)
 *       │──send / due──► sent                   (event_id set, same transaction as the event)
 *       │──cancel / state update / group──► cancelled   (group: another member is sent)
 *       └──refused when due──► failed           (error set; a refused manual send stays scheduled)
 *
 * One core for every dialect; the dialects are codecs in client-api/. Scheduling is in schedule.ts,
 * sending in send.ts and send-due.ts.
 */

import { cancelWithoutTimeout } from '../../db/delayed-event-groups.ts'
import {
  cancelScheduled,
  type ManagedRow,
  restartAtOnce,
  restartScheduled,
} from '../../db/delayed-events.ts'
import { lockRoom } from '../../db/rooms.ts'
import type { EventRow } from '../../db/schema.ts'
import { type Tx, transaction } from '../../db/transaction.ts'
import { invalidParam } from '../matrix/errors.ts'
import { finalising } from '../rooms/finalising.ts'
import { followEvent } from '../rooms/follow-upgrade.ts'
import type { Context } from './context.ts'
import { type Caller, countManagement, unknownDelayedEvent } from './limits.ts'
import { claimAndAppend } from './send.ts'

/** Run a scheduling action in a transaction of its own: for endpoints without transaction ids. */
export function alone<T>(ctx: Context, action: (tx: Tx) => Promise<T>): Promise<T> {
  return transaction(ctx.db, action)
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
  // Only a restart is asked for again and again; should it be over, that is found out below.
  const delayedEvent = await (what.action === 'restart'
    ? ctx.delayedEvents.findToRestart(what.delayId)
    : ctx.delayedEvents.find(what.delayId))
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
    const done = await transaction(ctx.db, tx => act(ctx, tx, delayedEvent, what.action))
    if (done !== undefined) {
      if (done !== 'done') await followEvent(ctx, done)
      return 'done'
    }
    const finalised = await ctx.delayedEvents.find(delayedEvent.delay_id)
    if (!finalised) throw unknownDelayedEvent(ctx, caller)
    // Scheduled: it was moved between the two looks.
    if (finalised.status !== 'scheduled') return finalised.status
  }
}

/** Restarts go together. @returns for each whether it was done; if not, somebody else is at it */
export async function restartTogether(
  ctx: Context,
  delayedEvents: readonly ManagedRow[],
): Promise<boolean[]> {
  const ids = delayedEvents.map(({ delay_id }) => delay_id)
  const restarted = await transaction(ctx.db, tx => restartAtOnce(tx, ids, ctx.clock.now()))
  const sendAts = new Map(restarted.map(({ delay_id, send_at }) => [delay_id, send_at]))
  return delayedEvents.map(({ delay_id, dialect }) => {
    const sendAt = sendAts.get(delay_id)
    if (sendAt === undefined) return false
    ctx.metrics.restarted(dialect)
    ctx.scheduler.noteRestart(delay_id, sendAt)
    return true
  })
}

/** @returns the event, if it was sent; undefined if it is not scheduled any more */
async function act(
  ctx: Context,
  tx: Tx,
  delayedEvent: ManagedRow,
  action: Action,
): Promise<EventRow | 'done' | undefined> {
  switch (action) {
    case 'send':
      return claimAndAppend(ctx, tx, delayedEvent, 'action')
    case 'cancel': {
      const isInGroup = delayedEvent.group_id !== null
      if (isInGroup) await lockRoom(tx, delayedEvent.room_id)
      const end = finalising(ctx, tx)
      const cancelled = await cancelScheduled(tx, delayedEvent.delay_id, end)
      if (!cancelled) return undefined
      end.note([cancelled])
      if (isInGroup) end.note(await cancelWithoutTimeout(tx, cancelled, end))
      return 'done'
    }
    case 'restart': {
      const sendAt = await restartScheduled(tx, delayedEvent.delay_id, ctx.clock.now())
      if (sendAt === undefined) return undefined
      tx.afterCommit(() => {
        ctx.metrics.restarted(delayedEvent.dialect)
        ctx.scheduler.noteRestart(delayedEvent.delay_id, sendAt)
      })
      return 'done'
    }
  }
}
