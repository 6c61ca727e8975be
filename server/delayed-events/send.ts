/**
 * A delayed event becomes an event: claim, append and finalise in one transaction. A crash before
 * the commit leaves it scheduled; after it, sent. There is nothing in between.
 */
import { cancelSiblings } from '../../db/delayed-event-groups.ts'
import type { DelayedEventRow } from '../../db/delayed-events.ts'
import { claimScheduled, recordSent } from '../../db/delayed-events-due.ts'
import { type HeldRoom, lockRoom } from '../../db/rooms.ts'
import type { EventRow } from '../../db/schema.ts'
import type { Tx } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import { appendEvent } from '../rooms/append-event.ts'
import type { EventDraft } from '../rooms/build-event.ts'
import { finalising } from '../rooms/finalising.ts'
import { lifetimeKey } from '../rooms/lifetime.ts'
import { vouchedFor } from '../rooms/restricted-join.ts'
import { assertMaySetState, redactsOf } from '../rooms/send-event.ts'
import { assertState } from '../rooms/state-content.ts'
import type { Context } from './context.ts'

/**
 * Send one in the caller's transaction; `action` does not ask if it is due.
 *
 * @returns undefined if somebody else decided it first
 * @throws MatrixError if the room refuses it now; the transaction is then to be undone
 */
export async function claimAndAppend(
  ctx: Context,
  tx: Tx,
  delayedEvent: { delay_id: string; room_id: string },
  cause: 'delay' | 'action',
): Promise<EventRow | undefined> {
  // Lock order: the room, then the delayed event; a state update takes them in the same order.
  const room = await lockRoom(tx, delayedEvent.room_id)
  // Deleted since somebody looked; what was scheduled for it is finalised.
  if (!room) return undefined
  const end = finalising(ctx, tx)
  const claimed = await claimScheduled(tx, delayedEvent.delay_id, { ...end, cause })
  if (!claimed) return undefined
  countMessage(ctx, claimed)
  // Before it is appended: as a state update it would cancel them, too, but for another reason.
  if (claimed.group_id !== null) end.note(await cancelSiblings(tx, claimed, end))
  const draft = await sendableDraft(ctx, tx, room, claimed)
  const event = await appendEvent(ctx, tx, room, draft)
  await recordSent(tx, [event])
  end.note([claimed])
  if (cause === 'delay') countLateness(ctx, tx, claimed, end.now)
  return event
}

/**
 * As a message of its sender. What fell due while the server was down counts at its own time: else, after
 * a while, all of it would be one burst, and what is beyond that lost.
 *
 * @throws 429 M_LIMIT_EXCEEDED
 */
export function countMessage(ctx: Context, row: DelayedEventRow): void {
  const dueAt = row.cause === 'delay' ? (row.send_at ?? undefined) : undefined
  ctx.rateLimits.take('messages', senderOf(row), dueAt)
}

export const senderOf = (row: DelayedEventRow) => ({
  userId: row.user_id,
  isRateLimited: row.is_rate_limited,
})

export function countLateness(ctx: Context, tx: Tx, row: DelayedEventRow, sentAt: number): void {
  if (row.send_at === null) return
  ctx.metrics.sentWhenDue(tx, { dueAt: row.send_at, sentAt, now: () => ctx.clock.now() })
}

/**
 * What is to be appended. What the API refuses of a state event that is sent at once, it refuses of
 * this one too; and where it vouches for a join, it vouches for this one.
 */
export async function sendableDraft(
  ctx: Context,
  tx: Tx,
  room: HeldRoom,
  row: DelayedEventRow,
): Promise<EventDraft> {
  const draft = draftOf(row)
  const { type, stateKey, content } = draft
  if (stateKey === undefined) return draft
  // Of all other types nothing is asked that was not asked when it was scheduled.
  if (type.startsWith('m.room.')) await assertMaySetState(ctx, tx, room, draft)
  await assertState(tx, room, row.user_id, { type, stateKey, content })
  return vouchedFor(ctx, tx, room, draft)
}

function draftOf(row: DelayedEventRow): EventDraft {
  const content = contentToSend(row)
  return {
    type: row.type,
    sender: row.user_id,
    content,
    stateKey: row.state_key ?? undefined,
    redacts: redactsOf(row.type, content),
    originServerTs: row.origin_server_ts ?? undefined,
    stickyDurationMs: row.sticky_duration_ms ?? undefined,
    deviceId: row.device_id ?? undefined,
    delayId: row.delay_id,
  }
}

/** As submitted; except that an expiring event that is made to end has not expired. */
function contentToSend(row: DelayedEventRow): JsonObject {
  const content = JSON.parse(row.content) as JsonObject
  const isEnded = row.dialect === 'expiring' && row.cause === 'action'
  return isEnded ? { ...content, [lifetimeKey]: 'ended' } : content
}
