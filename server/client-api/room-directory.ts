/** Client-Server API "Room aliases", "Published room directory". */
import { z } from 'zod'
import { askForAlias } from '../app-services/ask.ts'
import { endpoint } from '../http/endpoint.ts'
import { queryInteger, roomAlias, roomId, text } from '../http/schemas.ts'
import {
  createAlias,
  listAliases,
  listPublicRooms,
  removeAlias,
  resolveRoom,
} from '../rooms/directory.ts'

const aliasPath = '/_matrix/client/v3/directory/room/:roomAlias'
const aliasParams = z.object({ roomAlias })

export const roomDirectoryEndpoints = [
  endpoint({
    method: 'GET',
    path: aliasPath,
    spec: 'client-server-api/#get_matrixclientv3directoryroomroomalias',
    auth: 'none',
    params: aliasParams,
    async handle({ ctx, params }) {
      await askForAlias(ctx, params.roomAlias)
      const found = await resolveRoom(ctx.db, params.roomAlias)
      return { room_id: found, servers: [ctx.config.server_name] }
    },
  }),
  endpoint({
    method: 'PUT',
    path: aliasPath,
    spec: 'client-server-api/#put_matrixclientv3directoryroomroomalias',
    auth: 'user',
    params: aliasParams,
    body: z.looseObject({ room_id: roomId }),
    async handle({ ctx, requester, params, body }) {
      await createAlias(ctx, requester, { alias: params.roomAlias, roomId: body.room_id })
      return {}
    },
  }),
  endpoint({
    method: 'DELETE',
    path: aliasPath,
    spec: 'client-server-api/#delete_matrixclientv3directoryroomroomalias',
    auth: 'user',
    params: aliasParams,
    async handle({ ctx, requester, params }) {
      await removeAlias(ctx, requester, params.roomAlias)
      return {}
    },
  }),
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/rooms/:roomId/aliases',
    spec: 'client-server-api/#get_matrixclientv3roomsroomidaliases',
    auth: 'user',
    params: z.object({ roomId }),
    async handle({ ctx, requester, params }) {
      return { aliases: await listAliases(ctx, requester, params.roomId) }
    },
  }),
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/publicRooms',
    spec: 'client-server-api/#get_matrixclientv3publicrooms',
    auth: 'none',
    query: z.object({ limit: queryInteger.optional(), since: text.optional() }),
    handle: ({ ctx, query }) => listPublicRooms(ctx, query),
  }),
]
