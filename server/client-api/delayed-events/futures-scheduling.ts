/**
 * The places of their own at which MSC4140's drafts of 2024 schedule Futures. They also stood on
 * /send and /state: `later.ts`.
 */
import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { jsonObject, roomId, shortText, text } from '../../http/schemas.ts'
import type { JsonObject } from '../../lib/json.ts'
import { missingParam, unrecognized } from '../../matrix/errors.ts'
import type { Requester } from '../../requester.ts'
import { sendOptionsOf, sendOptionsQuery } from '../send-options.ts'
import { completeWithSecrets, speaks } from './dialects.ts'
import { futureOf, futureQuery, futureQueryWithTimeout } from './future-query.ts'
import { futuresOfContents } from './futures.ts'
import type { GivenEvent, Later } from './given-event.ts'
import { withoutTransactionId } from './later.ts'
import { spec, unstablePrefix } from './wire.ts'

const v1 = '/_matrix/client/v1/rooms/:roomId'
const v3 = '/_matrix/client/v3/rooms/:roomId'
const everyVersion = (path: string) =>
  [v3, v1, `${unstablePrefix}/rooms/:roomId`].map(base => `${base}/${path}`)

const eventType = text.min(1)
const messageParams = z.object({ roomId, eventType, txnId: shortText })
const stateParams = z.object({ roomId, eventType, stateKey: text.default('') })

const common = { method: 'PUT', spec, auth: 'user', complete: completeWithSecrets } as const

/** @throws 400 M_MISSING_PARAM neither a timeout nor a group: that is no future */
function demanded(later: Later | undefined): Later {
  if (!later) throw missingParam('future_timeout is missing, and so is future_group_id')
  return later
}

/** Who asks, and what the query says of the event. */
type Asked = { requester: Requester; query: z.infer<typeof sendOptionsQuery> }

const messageOf = (
  { requester, query }: Asked,
  params: z.infer<typeof messageParams>,
  content: JsonObject,
): GivenEvent => ({
  roomId: params.roomId,
  type: params.eventType,
  stateKey: undefined,
  content,
  transactionId: params.txnId,
  ...sendOptionsOf(requester, query),
})

const stateOf = (
  { requester, query }: Asked,
  params: z.infer<typeof stateParams>,
  content: JsonObject,
): GivenEvent => ({
  roomId: params.roomId,
  type: params.eventType,
  stateKey: params.stateKey,
  content,
  transactionId: undefined,
  ...sendOptionsOf(requester, query),
})

const futures = speaks('futures')
const future = speaks('future_tokens', 'future_ids')

export const futuresSchedulingEndpoints = [
  endpoint({
    ...common,
    path: `${v3}/send/:eventType/:txnId/future`,
    servedIf: futures,
    idempotent: true,
    params: messageParams,
    query: sendOptionsQuery,
    body: jsonObject,
    handle: ({ ctx, requester, params, query, body, once, onceTogether }) =>
      futuresOfContents(ctx, requester, messageOf({ requester, query }, params, body), {
        once,
        onceTogether,
      }),
  }),
  endpoint({
    ...common,
    path: [`${v3}/state/:eventType/:stateKey/future`, `${v3}/state/:eventType//future`],
    servedIf: futures,
    params: stateParams,
    query: sendOptionsQuery,
    body: jsonObject,
    handle: ({ ctx, requester, params, query, body, onceTogether }) =>
      futuresOfContents(
        ctx,
        requester,
        stateOf({ requester, query }, params, body),
        withoutTransactionId(ctx, { onceTogether }),
      ),
  }),
  endpoint({
    ...common,
    path: everyVersion('send_future/:eventType/:txnId'),
    servedIf: future,
    idempotent: true,
    params: messageParams,
    query: futureQueryWithTimeout.extend(sendOptionsQuery.shape),
    body: jsonObject,
    handle: ({ ctx, requester, params, query, body, once, onceTogether }) =>
      demanded(futureOf(query))(ctx, requester, messageOf({ requester, query }, params, body), {
        once,
        onceTogether,
      }),
  }),
  endpoint({
    ...common,
    // The first draft forgot the type in the path, and so has it where the draft before had it.
    path: everyVersion('send_future/:txnId'),
    servedIf: future,
    idempotent: true,
    params: messageParams.omit({ eventType: true }),
    query: futureQueryWithTimeout.extend(sendOptionsQuery.shape),
    body: z.looseObject({ type: eventType, content: jsonObject }),
    handle: ({ ctx, requester, params, query, body, once, onceTogether }) => {
      const event = messageOf(
        { requester, query },
        { ...params, eventType: body.type },
        body.content,
      )
      return demanded(futureOf(query))(ctx, requester, event, { once, onceTogether })
    },
  }),
  endpoint({
    ...common,
    path: everyVersion('state_future/:eventType{/:stateKey}'),
    servedIf: future,
    params: stateParams,
    query: futureQueryWithTimeout.extend(sendOptionsQuery.shape),
    body: jsonObject,
    handle: ({ ctx, requester, params, query, body, onceTogether }) =>
      demanded(futureOf(query))(
        ctx,
        requester,
        stateOf({ requester, query }, params, body),
        withoutTransactionId(ctx, { onceTogether }),
      ),
  }),
  endpoint({
    ...common,
    // One draft moved /send and /state to v1. Without a future there is nothing at these places.
    path: `${v1}/send/:eventType/:txnId`,
    servedIf: future,
    idempotent: true,
    params: messageParams,
    query: futureQuery.extend(sendOptionsQuery.shape),
    body: jsonObject,
    handle({ ctx, requester, params, query, body, once, onceTogether }) {
      const later = futureOf(query)
      if (!later) throw unrecognized()
      return later(ctx, requester, messageOf({ requester, query }, params, body), {
        once,
        onceTogether,
      })
    },
  }),
  endpoint({
    ...common,
    path: `${v1}/state/:eventType{/:stateKey}`,
    servedIf: future,
    params: stateParams,
    query: futureQuery.extend(sendOptionsQuery.shape),
    body: jsonObject,
    handle({ ctx, requester, params, query, body, onceTogether }) {
      const later = futureOf(query)
      if (!later) throw unrecognized()
      return later(
        ctx,
        requester,
        stateOf({ requester, query }, params, body),
        withoutTransactionId(ctx, { onceTogether }),
      )
    },
  }),
]
