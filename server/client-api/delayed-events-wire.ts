/**
 * MSC4140: what the dialects have in common on the wire. A record is shown under the names of every
 * generation at once; clients take what they know.
 */
import { type DelayedEventRow, selectFinalised, selectScheduled } from '../../db/delayed-events.ts'
import type { Context } from '../context.ts'
import { type Action, errorOf, type Outcome } from '../delayed-events/delayed-events.ts'
import type { JsonObject } from '../lib/json.ts'
import { notFound } from '../matrix/errors.ts'

export const stableBase = '/_matrix/client/v1/delayed_events'
export const unstablePrefix = '/_matrix/client/unstable/org.matrix.msc4140'
export const unstableBase = `${unstablePrefix}/delayed_events`
export const spec = 'https://github.com/matrix-org/matrix-spec-proposals/pull/4140'

export const actions: readonly Action[] = ['send', 'cancel', 'restart']

const finalisedPageSize = 10

/** What a user has scheduled, earliest first, and the latest of what became of the others. */
export async function listOf(ctx: Context, userId: string): Promise<JsonObject> {
  const scheduled = (await selectScheduled(ctx.db, userId)).map(itemOf)
  const finalised = await selectFinalised(ctx.db, userId, finalisedPageSize)
  // Synapse, Complement and ruma read the first; matrix-js-sdk reads the other two.
  return { delayed_events: scheduled, scheduled, finalised: finalised.map(finalisedItemOf) }
}

/**
 * The answer of the drafts before 2026: doing again what was done is fine; anything else on a
 * finalised event is 404.
 *
 * Deviation: newer texts say 409, at which matrix-js-sdk gives up the call and lk-jwt-service goes
 * on trying for an hour.
 */
export function answerOr404(action: Action, outcome: Outcome): JsonObject {
  const isSame =
    (action === 'send' && outcome === 'sent') || (action === 'cancel' && outcome === 'cancelled')
  if (outcome === 'done' || isSame) return {}
  throw notFound('That delayed event has been finalised')
}

/** One record under the names of every generation. `content` is exactly what was submitted. */
function itemOf(row: DelayedEventRow): JsonObject {
  return {
    delay_id: row.delay_id,
    room_id: row.room_id,
    type: row.type,
    ...(row.state_key === null ? {} : { state_key: row.state_key }),
    content: JSON.parse(row.content) as JsonObject,
    // One that waits for an action has none.
    ...(row.delay_ms === null ? {} : { delay: row.delay_ms, delay_ms: row.delay_ms }),
    running_since: row.since_ts,
    scheduled_at: row.since_ts,
    delayed_since_ts: row.since_ts,
  }
}

/** As the drafts of 2024-10 to 2025-10 list what is over: what came of it, and why. */
function finalisedItemOf(row: DelayedEventRow): JsonObject {
  const isSent = row.status === 'sent'
  const error = errorOf(row)
  return {
    delayed_event: itemOf(row),
    outcome: isSent ? 'send' : 'cancel',
    reason: row.cause === 'delay' || row.cause === 'action' ? row.cause : 'error',
    ...(error ? { error } : {}),
    ...(row.event_id === null ? {} : { event_id: row.event_id }),
    origin_server_ts: row.finalised_ts,
  }
}

/** As it is looked up by its id: what came of it is flat (2026-05) and in `finalised` (2026-09). */
export function lookUpItemOf(row: DelayedEventRow): JsonObject {
  if (row.status === 'scheduled') return itemOf(row)
  // With an error it would read as failed; one that a state update overtook was cancelled.
  const error = row.status === 'failed' ? errorOf(row) : undefined
  const finalised = {
    finalised_ts: row.finalised_ts,
    ...(row.event_id === null ? {} : { event_id: row.event_id }),
    ...(error ? { error } : {}),
  }
  return { ...itemOf(row), ...finalised, finalised }
}
