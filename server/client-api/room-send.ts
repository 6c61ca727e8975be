/** Client-Server API "Sending events to a room", "Redactions"; with a delay, MSC4140. */
import { z } from 'zod'
import { endpoint } from '../http/endpoint.ts'
import { contentWithReason, eventId, jsonObject, roomId, shortText, text } from '../http/schemas.ts'
import { invalidParam } from '../matrix/errors.ts'
import { redactEvent, sendState } from '../rooms/send-event.ts'
import { completeWithSecrets } from './delayed-events/dialects.ts'
import { speaksOfFutures } from './delayed-events/futures.ts'
import { laterOf, laterQuery, withoutTransactionId } from './delayed-events/later.ts'
import { sendOptionsOf, sendOptionsQuery } from './send-options.ts'

/** An event's type, or its state key, that is too long is refused with the event: 413, not 400. */
const anyLength = text.min(1)

export const roomSendEndpoints = [
  endpoint({
    method: 'PUT',
    path: '/_matrix/client/v3/rooms/:roomId/send/:eventType/:txnId',
    spec: 'client-server-api/#put_matrixclientv3roomsroomidsendeventtypetxnid',
    auth: 'user',
    idempotent: true,
    params: z.object({ roomId, eventType: anyLength, txnId: shortText }),
    query: laterQuery.extend(sendOptionsQuery.shape),
    body: jsonObject,
    complete: completeWithSecrets,
    async handle({ ctx, requester, params, query, body, once, onceTogether }) {
      const event = {
        roomId: params.roomId,
        type: params.eventType,
        stateKey: undefined,
        content: body,
        transactionId: params.txnId,
        ...sendOptionsOf(requester, query),
      }
      // `…/send/{type}/future` has `future` for a txnId; those of the type `future` have their place there.
      const isMisplaced = params.txnId === 'future' && params.eventType !== 'future'
      if (isMisplaced && speaksOfFutures(body)) {
        throw invalidParam('Futures are sent to …/send/{eventType}/{txnId}/future')
      }
      const later = laterOf(query, event)
      if (later) return later(ctx, requester, event, { once, onceTogether })
      return onceTogether(ctx.sends, { ...event, requester })
    },
  }),
  endpoint({
    method: 'PUT',
    path: '/_matrix/client/v3/rooms/:roomId/redact/:eventId/:txnId',
    spec: 'client-server-api/#put_matrixclientv3roomsroomidredacteventidtxnid',
    auth: 'user',
    idempotent: true,
    params: z.object({ roomId, eventId, txnId: shortText }),
    body: contentWithReason,
    bodyOptional: true,
    async handle({ ctx, requester, params, body, once }) {
      return once(async tx => {
        const event = await redactEvent(ctx, tx, requester, {
          roomId: params.roomId,
          eventId: params.eventId,
          content: body,
          transactionId: params.txnId,
        })
        return { event_id: event.event_id }
      })
    },
  }),
  endpoint({
    method: 'PUT',
    // Without a key, and with a trailing slash, the key is the empty one.
    path: '/_matrix/client/v3/rooms/:roomId/state/:eventType{/:stateKey}',
    spec: 'client-server-api/#put_matrixclientv3roomsroomidstateeventtypestatekey',
    auth: 'user',
    params: z.object({ roomId, eventType: anyLength, stateKey: text.default('') }),
    query: laterQuery.extend(sendOptionsQuery.shape),
    body: jsonObject,
    complete: completeWithSecrets,
    async handle({ ctx, requester, params, query, body, onceTogether }) {
      const event = {
        roomId: params.roomId,
        type: params.eventType,
        stateKey: params.stateKey,
        content: body,
        transactionId: undefined,
        ...sendOptionsOf(requester, query),
      }
      // `…/state/{type}/future` is state of the key `future`, not Futures of the empty key.
      if (params.stateKey === 'future' && speaksOfFutures(body)) {
        throw invalidParam('Futures of an empty state key are sent to …/state/{eventType}//future')
      }
      const later = laterOf(query, event)
      if (later) {
        return later(ctx, requester, event, withoutTransactionId(ctx, { onceTogether }))
      }
      const { event_id } = await sendState(ctx, requester, event)
      return { event_id }
    },
  }),
]
