/** MSC4306 "Thread Subscriptions". */
import { z } from 'zod'
import { endpoint } from '../http/endpoint.ts'
import { eventId, optional, roomId } from '../http/schemas.ts'
import { readSubscription, subscribe, unsubscribe } from '../rooms/thread-subscriptions.ts'

// The MSC has them under v1 once it is accepted; until then clients know only these.
const path =
  '/_matrix/client/unstable/io.element.msc4306/rooms/:roomId/thread/:eventId/subscription'
const params = z
  .object({ roomId, eventId })
  .transform(({ roomId, eventId }) => ({ roomId, rootEventId: eventId }))

export const threadSubscriptionsEndpoints = [
  endpoint({
    method: 'GET',
    path,
    spec: 'MSC4306',
    auth: 'user',
    params,
    handle: ({ ctx, requester, params }) => readSubscription(ctx, requester, params),
  }),
  endpoint({
    method: 'PUT',
    path,
    spec: 'MSC4306',
    auth: 'user',
    params,
    // Deviation: the text has true or false; matrix-rust-sdk and Complement name the event.
    body: z.looseObject({ automatic: optional(eventId) }),
    async handle({ ctx, requester, params, body }) {
      await subscribe(ctx, requester, params, body.automatic)
      return {}
    },
  }),
  endpoint({
    method: 'DELETE',
    path,
    spec: 'MSC4306',
    auth: 'user',
    params,
    async handle({ ctx, requester, params }) {
      await unsubscribe(ctx, requester, params)
      return {}
    },
  }),
]
