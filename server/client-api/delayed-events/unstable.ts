/**
 * MSC4140 under `org.matrix.msc4140`: managing delayed events.
 *
 * The id is a credential: no token is asked for, because lk-jwt-service and Complement send none;
 * one that is sent must be good.
 */
import { z } from 'zod'
import { manage } from '../../delayed-events/delayed-events.ts'
import { endpoint } from '../../http/endpoint.ts'
import { shortText } from '../../http/schemas.ts'
import { actions, answerOr404, spec, unstableBase } from './wire.ts'

export const delayedEventsUnstableEndpoints = [
  ...actions.map(action =>
    endpoint({
      method: 'POST',
      path: `${unstableBase}/:delayId/${action}`,
      spec,
      auth: 'optional',
      params: z.object({ delayId: shortText }),
      async handle({ ctx, requester, address, params }) {
        const what = { delayId: params.delayId, action }
        return answerOr404(action, await manage(ctx, { requester, address }, what))
      },
    }),
  ),
  endpoint({
    method: 'POST',
    path: `${unstableBase}/:delayId`,
    spec,
    auth: 'optional',
    params: z.object({ delayId: shortText }),
    // matrix-rust-sdk says `refresh`, the word of MSC4157, for `restart`.
    body: z.looseObject({ action: z.enum([...actions, 'refresh']) }),
    async handle({ ctx, requester, address, params, body }) {
      const action = body.action === 'refresh' ? 'restart' : body.action
      const what = { delayId: params.delayId, action }
      return answerOr404(action, await manage(ctx, { requester, address }, what))
    },
  }),
]
