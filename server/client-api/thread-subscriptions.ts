/** MSC4306 "Thread Subscriptions", and MSC4308, catching up with them. */
import { z } from 'zod'
import { endpoint } from '../http/endpoint.ts'
import { eventId, optional, queryInteger, roomId, text } from '../http/schemas.ts'
import { mostSubscriptions, readSubscriptionChanges } from '../rooms/thread-subscription-changes.ts'
import { readSubscription, subscribe, unsubscribe } from '../rooms/thread-subscriptions.ts'
import { parseToken } from '../stream/token.ts'

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
  endpoint({
    method: 'GET',
    path: '/_matrix/client/unstable/io.element.msc4308/thread_subscriptions',
    spec: 'MSC4308',
    auth: 'user',
    query: z.object({
      dir: z.literal('b'),
      from: text.optional(),
      to: text.optional(),
      limit: queryInteger.pipe(z.number().min(1)).default(mostSubscriptions),
    }),
    async handle({ ctx, requester, query }) {
      const latest = ctx.positions.latest()
      const at = (token: string) => parseToken(token, latest).position
      const { changes, end } = await readSubscriptionChanges(ctx.db, requester.userId, {
        after: query.to === undefined ? 0 : at(query.to),
        upTo: query.from === undefined ? ctx.positions.settled() : at(query.from),
        limit: query.limit,
      })
      // Both are there when they are empty, unlike in sliding sync: ruma reads no page without.
      return {
        subscribed: {},
        unsubscribed: {},
        ...changes,
        ...(end === undefined ? {} : { end }),
      }
    },
  }),
]
