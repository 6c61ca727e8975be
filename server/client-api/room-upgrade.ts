/** Client-Server API "Room Upgrades". */
import { z } from 'zod'
import { endpoint } from '../http/endpoint.ts'
import { optional, roomId, text, userId } from '../http/schemas.ts'
import { upgradeRoom } from '../rooms/upgrade-room.ts'

export const roomUpgradeEndpoints = [
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/rooms/:roomId/upgrade',
    spec: 'client-server-api/#post_matrixclientv3roomsroomidupgrade',
    auth: 'user',
    params: z.object({ roomId }),
    body: z.looseObject({
      new_version: text,
      additional_creators: optional(z.array(userId).max(500)),
    }),
    async handle({ ctx, requester, params, body }) {
      const replacement = await upgradeRoom(ctx, requester, {
        roomId: params.roomId,
        newVersion: body.new_version,
        additionalCreators: body.additional_creators ?? [],
      })
      return { replacement_room: replacement }
    },
  }),
]
