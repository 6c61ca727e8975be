/** Client-Server API "Sending events to a room", "Redactions"; with a delay, MSC4140. */
import { z } from 'zod'
import { schedule, scheduleNow } from '../delayed-events/delayed-events.ts'
import { endpoint } from '../http/endpoint.ts'
import { contentWithReason, eventId, jsonObject, roomId, shortText, text } from '../http/schemas.ts'
import { redactEvent, sendMessage, sendState } from '../rooms/send-event.ts'
import { delayOf, delayQuery, inDialect } from './delayed-events-query.ts'
import { timestampOf, timestampQuery } from './timestamp-massaging.ts'

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
    query: delayQuery.extend(timestampQuery.shape),
    body: jsonObject,
    async handle({ ctx, requester, params, query, body, once }) {
      const delay = delayOf(query)
      if (delay) {
        const request = { roomId: params.roomId, type: params.eventType, content: body, ...delay }
        return inDialect(delay.dialect, () =>
          once(async tx => ({
            delay_id: await schedule(ctx, tx, requester, { ...request, stateKey: undefined }),
          })),
        )
      }
      return once(async tx => {
        const event = await sendMessage(ctx, tx, requester, {
          roomId: params.roomId,
          type: params.eventType,
          content: body,
          transactionId: params.txnId,
          originServerTs: timestampOf(requester, query),
        })
        return { event_id: event.event_id }
      })
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
    query: delayQuery.extend(timestampQuery.shape),
    body: jsonObject,
    async handle({ ctx, requester, params, query, body }) {
      const draft = {
        roomId: params.roomId,
        type: params.eventType,
        stateKey: params.stateKey,
        content: body,
      }
      const delay = delayOf(query)
      if (delay) {
        return inDialect(delay.dialect, async () => ({
          delay_id: await scheduleNow(ctx, requester, { ...draft, ...delay }),
        }))
      }
      const originServerTs = timestampOf(requester, query)
      const event = await sendState(ctx, requester, { ...draft, originServerTs })
      return { event_id: event.event_id }
    },
  }),
]
