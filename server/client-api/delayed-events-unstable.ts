/**
 * MSC4140 under `org.matrix.msc4140`: looking at delayed events and managing them.
 *
 * The id is a credential: no token is asked for, because lk-jwt-service and Complement send none;
 * one that is sent must be good.
 */
import { z } from 'zod'
import { type DelayedEventRow, selectFinalised, selectScheduled } from '../../db/delayed-events.ts'
import type { Context } from '../context.ts'
import { type Action, errorOf, manage } from '../delayed-events/delayed-events.ts'
import { endpoint } from '../http/endpoint.ts'
import { shortText } from '../http/schemas.ts'
import type { JsonObject } from '../lib/json.ts'
import { notFound } from '../matrix/errors.ts'

const base = '/_matrix/client/unstable/org.matrix.msc4140/delayed_events'
const spec = 'https://github.com/matrix-org/matrix-spec-proposals/pull/4140'
const finalisedPageSize = 10

const actions: readonly Action[] = ['send', 'cancel', 'restart']

export const delayedEventsUnstableEndpoints = [
  endpoint({
    method: 'GET',
    path: base,
    spec,
    auth: 'user',
    async handle({ ctx, requester }) {
      const scheduled = (await selectScheduled(ctx.db, requester.userId)).map(itemOf)
      const finalised = await selectFinalised(ctx.db, requester.userId, finalisedPageSize)
      // Synapse, Complement and ruma read the first; matrix-js-sdk reads the other two.
      return { delayed_events: scheduled, scheduled, finalised: finalised.map(finalisedItemOf) }
    },
  }),
  ...actions.map(action =>
    endpoint({
      method: 'POST',
      path: `${base}/:delayId/${action}`,
      spec,
      auth: 'optional',
      params: z.object({ delayId: shortText }),
      handle: ({ ctx, params }) => answer(ctx, params.delayId, action),
    }),
  ),
  endpoint({
    method: 'POST',
    path: `${base}/:delayId`,
    spec,
    auth: 'optional',
    params: z.object({ delayId: shortText }),
    // matrix-rust-sdk says `refresh`, the word of MSC4157, for `restart`.
    body: z.looseObject({ action: z.enum([...actions, 'refresh']) }),
    handle: ({ ctx, params, body }) =>
      answer(ctx, params.delayId, body.action === 'refresh' ? 'restart' : body.action),
  }),
]

/**
 * Doing again what was done is fine; anything else on a finalised event is 404.
 *
 * Deviation: newer texts say 409, at which matrix-js-sdk gives up the call and lk-jwt-service goes
 * on trying for an hour.
 */
async function answer(ctx: Context, delayId: string, action: Action): Promise<JsonObject> {
  const outcome = await manage(ctx, delayId, action)
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
    delay: row.delay_ms,
    delay_ms: row.delay_ms,
    running_since: row.since_ts,
    scheduled_at: row.since_ts,
    delayed_since_ts: row.since_ts,
  }
}

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
