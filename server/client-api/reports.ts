/** Client-Server API "Reporting content". */
import { z } from 'zod'
import { endpoint } from '../http/endpoint.ts'
import { eventId, optional, roomId, text, userId } from '../http/schemas.ts'
import { reportEvent, reportRoom, reportUser } from '../rooms/reports.ts'

const withReason = z.looseObject({ reason: text })

export const reportEndpoints = [
  endpoint({
    method: 'POST',
    path: [
      '/_matrix/client/v3/rooms/:roomId/report',
      // Ruma asks here for what is stable only since v1.13, and there below, v1.14.
      '/_matrix/client/unstable/org.matrix.msc4151/rooms/:roomId/report',
    ],
    spec: 'client-server-api/#post_matrixclientv3roomsroomidreport',
    auth: 'user',
    params: z.object({ roomId }),
    body: withReason,
    async handle({ ctx, requester, params, body }) {
      await reportRoom(ctx, requester, params.roomId, body.reason)
      return {}
    },
  }),
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/rooms/:roomId/report/:eventId',
    spec: 'client-server-api/#post_matrixclientv3roomsroomidreporteventid',
    auth: 'user',
    params: z.object({ roomId, eventId }),
    // `score`, of before v1.16, may come along.
    body: z.looseObject({ reason: optional(text) }),
    async handle({ ctx, requester, params, body }) {
      await reportEvent(ctx, requester, params, body.reason ?? '')
      return {}
    },
  }),
  endpoint({
    method: 'POST',
    path: [
      '/_matrix/client/v3/users/:userId/report',
      '/_matrix/client/unstable/org.matrix.msc4260/users/:userId/report',
    ],
    spec: 'client-server-api/#post_matrixclientv3usersuseridreport',
    auth: 'user',
    params: z.object({ userId }),
    body: withReason,
    async handle({ ctx, requester, params, body }) {
      await reportUser(ctx, requester, params.userId, body.reason)
      return {}
    },
  }),
]
