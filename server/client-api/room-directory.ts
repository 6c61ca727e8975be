/** Client-Server API "Room aliases", "Published room directory". */
import { z } from 'zod'
import { askForAlias } from '../app-services/ask.ts'
import type { Context } from '../context.ts'
import { endpoint } from '../http/endpoint.ts'
import { optional, queryInteger, roomAlias, roomId, text } from '../http/schemas.ts'
import { notFound } from '../matrix/errors.ts'
import { createAlias, listAliases, removeAlias, resolveRoom } from '../rooms/directory.ts'
import { listPublicRooms, publishRoom, readIsPublished } from '../rooms/public-rooms.ts'

const aliasPath = '/_matrix/client/v3/directory/room/:roomAlias'
const listPath = '/_matrix/client/v3/directory/list/room/:roomId'
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
    path: listPath,
    spec: 'client-server-api/#get_matrixclientv3directorylistroomroomid',
    auth: 'none',
    params: z.object({ roomId }),
    async handle({ ctx, params }) {
      const isPublished = await readIsPublished(ctx, params.roomId)
      return { visibility: isPublished ? 'public' : 'private' }
    },
  }),
  endpoint({
    method: 'PUT',
    path: listPath,
    spec: 'client-server-api/#put_matrixclientv3directorylistroomroomid',
    auth: 'user',
    params: z.object({ roomId }),
    bodyOptional: true,
    body: z.looseObject({ visibility: z.enum(['public', 'private']).default('public') }),
    async handle({ ctx, requester, params, body }) {
      const isPublic = body.visibility === 'public'
      await publishRoom(ctx, requester, { roomId: params.roomId, isPublic })
      return {}
    },
  }),
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/publicRooms',
    spec: 'client-server-api/#get_matrixclientv3publicrooms',
    auth: 'none',
    query: z.object({
      limit: queryInteger.optional(),
      since: text.optional(),
      server: text.optional(),
    }),
    handle({ ctx, query }) {
      assertOurs(ctx, query.server)
      return listPublicRooms(ctx, query)
    },
  }),
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/publicRooms',
    spec: 'client-server-api/#post_matrixclientv3publicrooms',
    auth: 'user',
    query: z.object({ server: text.optional() }),
    bodyOptional: true,
    body: z.looseObject({
      limit: optional(z.int().min(0)),
      since: optional(text),
      third_party_instance_id: optional(text),
      filter: optional(
        z.looseObject({
          generic_search_term: optional(text),
          room_types: optional(z.array(text.nullable())),
        }),
      ),
    }),
    handle({ ctx, query, body }) {
      assertOurs(ctx, query.server)
      const { limit, since, filter } = body
      // Application services list no rooms here.
      if (body.third_party_instance_id) return { chunk: [], total_room_count_estimate: 0 }
      return listPublicRooms(ctx, {
        limit,
        since,
        searchTerm: filter?.generic_search_term || undefined,
        roomTypes: filter?.room_types,
      })
    },
  }),
]

/** Without federation there are no other lists to ask for. */
function assertOurs(ctx: Context, server: string | undefined): void {
  if (server !== undefined && server !== '' && server !== ctx.config.server_name) {
    throw notFound(`The room list of ${server} cannot be reached from here`)
  }
}
