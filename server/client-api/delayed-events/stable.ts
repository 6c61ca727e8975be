/**
 * MSC4140 as its newest text has it: an endpoint of its own for scheduling, looking up by id, and
 * managing under stable names. Here a token is needed, and the ids of others do not exist.
 */
import { z } from 'zod'
import { selectDelayedEvent } from '../../../db/delayed-events.ts'
import { type Action, manage, type Outcome } from '../../delayed-events/delayed-events.ts'
import { assertMaySchedule, MaxDelayExceeded } from '../../delayed-events/schedule.ts'
import { endpoint } from '../../http/endpoint.ts'
import { jsonObject, optional, roomId, shortText, text } from '../../http/schemas.ts'
import type { JsonObject } from '../../lib/json.ts'
import { forbidden, invalidParam, missingParam, notFound, unknown } from '../../matrix/errors.ts'
import { lookUpItemOf } from '../../rooms/delayed-event-form.ts'
import { sendOptionsOf, sendOptionsQuery } from '../send-options.ts'
import {
  actions,
  answerOr404,
  spec,
  stableBase,
  unstableBase,
  unstablePrefix,
  viewOf,
} from './wire.ts'

const schedulePath = 'rooms/:roomId/delayed_event/:eventType/:txnId'

export const delayedEventsEndpoints = [
  endpoint({
    method: 'PUT',
    // Two names of one endpoint: a txnId that was used under one has been used under the other, so
    // that a client that learns the stable name between two tries does not schedule twice.
    path: [`/_matrix/client/v3/${schedulePath}`, `${unstablePrefix}/${schedulePath}`],
    spec,
    auth: 'user',
    servedIf: ({ delayed_events }) => delayed_events.dialects.delayed_event,
    idempotent: true,
    params: z.object({ roomId, eventType: text.min(1), txnId: shortText }),
    query: sendOptionsQuery,
    body: z.looseObject({
      delay_ms: z.unknown().optional(),
      delay: z.unknown().optional(),
      state_key: optional(text),
      content: jsonObject,
    }),
    async handle({ ctx, requester, params, query, body, onceTogether }) {
      const request = {
        roomId: params.roomId,
        type: params.eventType,
        stateKey: body.state_key,
        content: body.content,
        ...sendOptionsOf(requester, query),
        delayMs: delayOf(body),
        // This text says nothing of state updates any more.
        cancelPolicy: 'none' as const,
        dialect: 'put',
      }
      try {
        assertMaySchedule(ctx, requester, request)
        return await onceTogether(ctx.schedules, { requester, ...request })
      } catch (error) {
        throw error instanceof MaxDelayExceeded ? forbidden(error.message) : error
      }
    },
  }),
  ...[stableBase, unstableBase].map(base =>
    endpoint({
      method: 'GET',
      path: `${base}/:delayId`,
      spec,
      auth: 'user',
      params: z.object({ delayId: shortText }),
      async handle({ ctx, requester, params }) {
        const row = await selectDelayedEvent(ctx.db, params.delayId)
        if (row?.user_id !== requester.userId) throw notFound('You have no such delayed event')
        return lookUpItemOf(row, viewOf(ctx, base))
      },
    }),
  ),
  ...actions.map(action =>
    endpoint({
      method: 'POST',
      path: `${stableBase}/:delayId/${action}`,
      spec,
      auth: 'user',
      params: z.object({ delayId: shortText }),
      async handle({ ctx, requester, address, params }) {
        const what = { delayId: params.delayId, action, owner: requester.userId }
        return answerOr409(action, await manage(ctx, { requester, address }, what))
      },
    }),
  ),
  endpoint({
    method: 'POST',
    path: `${stableBase}/:delayId`,
    spec,
    auth: 'user',
    params: z.object({ delayId: shortText }),
    // `refresh` is the word of MSC4157 for `restart`.
    body: z.looseObject({ action: z.enum([...actions, 'refresh']) }),
    async handle({ ctx, requester, address, params, body }) {
      const action = body.action === 'refresh' ? 'restart' : body.action
      const what = { delayId: params.delayId, action, owner: requester.userId }
      return answerOr404(action, await manage(ctx, { requester, address }, what))
    },
  }),
]

/**
 * The delay under either name: `delay` is that of the drafts before 2026-06, and of ruma.
 *
 * @throws 400 M_MISSING_PARAM neither is there · M_INVALID_PARAM not a whole number of ms above 0,
 *   or two that differ
 */
function delayOf(body: { delay_ms?: unknown; delay?: unknown }): number {
  const delay = body.delay_ms ?? body.delay ?? undefined
  if (delay === undefined) throw missingParam('delay_ms is missing')
  if (typeof delay !== 'number' || !Number.isInteger(delay) || delay <= 0) {
    throw invalidParam('delay_ms is not a number of milliseconds above 0')
  }
  if ((body.delay ?? delay) !== delay) throw invalidParam('delay_ms and delay differ')
  return delay
}

/** What agrees with what became of it is fine; anything else on a finalised event is 409. */
function answerOr409(action: Action, outcome: Outcome): JsonObject {
  const agrees = action === 'send' ? outcome === 'sent' : action === 'cancel' && outcome !== 'sent'
  if (outcome === 'done' || agrees) return {}
  throw unknown('That delayed event has been finalised', 409)
}
