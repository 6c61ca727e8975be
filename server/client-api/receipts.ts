/** Spec: Client-Server API "Receipts", "Fully read markers", "Typing Notifications" */
import { z } from 'zod'
import { endpoint } from '../http/endpoint.ts'
import { eventId, optional, roomId, shortText, userId } from '../http/schemas.ts'
import { assertSelf } from '../requester.ts'
import { markRead, type ReceiptType, receiptTypes } from '../user-data/receipts.ts'
import { setTyping } from '../user-data/typing-status.ts'

const postReceipt = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/rooms/:roomId/receipt/:receiptType/:eventId',
  spec: 'client-server-api/#post_matrixclientv3roomsroomidreceiptreceipttypeeventid',
  auth: 'user',
  params: z.object({ roomId, receiptType: z.enum(receiptTypes), eventId }),
  body: z.looseObject({ thread_id: optional(shortText) }),
  bodyOptional: true,
  async handle({ ctx, requester, params, body }) {
    const receipt = { type: params.receiptType, eventId: params.eventId, threadId: body.thread_id }
    await markRead(ctx, requester.userId, params.roomId, [receipt])
    return {}
  },
})

const postReadMarkers = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/rooms/:roomId/read_markers',
  spec: 'client-server-api/#post_matrixclientv3roomsroomidread_markers',
  auth: 'user',
  params: z.object({ roomId }),
  body: z.looseObject({
    'm.fully_read': optional(eventId),
    'm.read': optional(eventId),
    'm.read.private': optional(eventId),
  }),
  bodyOptional: true,
  async handle({ ctx, requester, params, body }) {
    const receipts = receiptTypes.flatMap((type: ReceiptType) => {
      const marked = body[type]
      return marked === undefined ? [] : [{ type, eventId: marked }]
    })
    await markRead(ctx, requester.userId, params.roomId, receipts)
    return {}
  },
})

/** What clients say that do not say how long. */
const defaultTypingMs = 30_000

const putTyping = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/rooms/:roomId/typing/:userId',
  spec: 'client-server-api/#put_matrixclientv3roomsroomidtypinguserid',
  auth: 'user',
  params: z.object({ roomId, userId }),
  body: z.looseObject({ typing: z.boolean(), timeout: optional(z.int().min(0)) }),
  async handle({ ctx, requester, params, body }) {
    assertSelf(requester, params.userId)
    const timeoutMs = body.typing ? (body.timeout ?? defaultTypingMs) : 0
    await setTyping(ctx, requester.userId, params.roomId, timeoutMs)
    return {}
  },
})

export const receiptEndpoints = [postReceipt, postReadMarkers, putTyping]
