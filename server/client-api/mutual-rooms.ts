/** Client-Server API "Mutual rooms"; MSC2666 as it was before. */
import { z } from 'zod'
import { endpoint } from '../http/endpoint.ts'
import { roomId, userId } from '../http/schemas.ts'
import { readMutualRooms } from '../rooms/mutual-rooms.ts'

export const mutualRoomsEndpoints = [
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v1/mutual_rooms',
    spec: 'client-server-api/#get_matrixclientv1mutual_rooms',
    auth: 'user',
    // A token is the room that a page ended with.
    query: z.object({ user_id: userId, from: roomId.optional() }),
    async handle({ ctx, requester, query }) {
      const asked = { otherId: query.user_id, from: query.from }
      const { end, ...found } = await readMutualRooms(ctx, requester, asked)
      return { ...found, ...(end !== undefined && { next_batch: end }) }
    },
  }),
  // matrix-js-sdk 43 asks by this one.
  endpoint({
    method: 'GET',
    path: '/_matrix/client/unstable/uk.half-shot.msc2666/user/mutual_rooms',
    spec: 'MSC2666',
    auth: 'user',
    query: z.object({ user_id: userId, batch_token: roomId.optional() }),
    async handle({ ctx, requester, query }) {
      const asked = { otherId: query.user_id, from: query.batch_token }
      const { end, ...found } = await readMutualRooms(ctx, requester, asked)
      return { ...found, ...(end !== undefined && { next_batch_token: end }) }
    },
  }),
]
