/** Client-Server API "Room summaries". */
import { z } from 'zod'
import { endpoint } from '../http/endpoint.ts'
import { roomIdOrAlias } from '../http/schemas.ts'
import { readRoomSummary } from '../rooms/room-summary.ts'

export const roomSummaryEndpoints = [
  endpoint({
    method: 'GET',
    path: [
      '/_matrix/client/v1/room_summary/:roomIdOrAlias',
      // MSC3266: the one that clients used first, and the one that its text ended with.
      '/_matrix/client/unstable/im.nheko.summary/rooms/:roomIdOrAlias/summary',
      '/_matrix/client/unstable/im.nheko.summary/summary/:roomIdOrAlias',
    ],
    spec: 'client-server-api/#get_matrixclientv1room_summaryroomidoralias',
    auth: 'optional',
    params: z.object({ roomIdOrAlias }),
    handle: ({ ctx, requester, params }) => readRoomSummary(ctx, requester, params.roomIdOrAlias),
  }),
]
