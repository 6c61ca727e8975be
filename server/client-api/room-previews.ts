/** Client-Server API "Room previews". */
import { z } from 'zod'
import { endpoint } from '../http/endpoint.ts'
import { queryInteger, roomId, text } from '../http/schemas.ts'
import type { JsonValue } from '../lib/json.ts'
import { readRoomPreview } from '../rooms/room-previews.ts'
import { peek } from '../sync/peek.ts'

export const roomPreviewEndpoints = [
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/rooms/:roomId/initialSync',
    spec: 'client-server-api/#get_matrixclientv3roomsroomidinitialsync',
    auth: 'user',
    params: z.object({ roomId }),
    // matrix-js-sdk says how many; the specification only that there is a limit.
    query: z.object({ limit: queryInteger.optional() }),
    async handle({ ctx, requester, params, query }) {
      const preview = await readRoomPreview(ctx, requester, { ...params, limit: query.limit })
      return preview as unknown as JsonValue
    },
  }),
  // Without a room it was, until r0, what `/sync` is now: that is not served.
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/events',
    spec: 'client-server-api/#get_matrixclientv3events',
    auth: 'user',
    query: z.object({
      room_id: roomId,
      from: text.optional(),
      timeout: queryInteger.default(0),
    }),
    async handle({ ctx, requester, query, signal }) {
      const { room_id, from, timeout } = query
      const found = await peek(
        ctx,
        requester,
        { roomId: room_id, from, timeoutMs: timeout },
        signal,
      )
      return found as unknown as JsonValue
    },
  }),
]
