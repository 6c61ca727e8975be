/** Client-Server API "Spaces". */
import { z } from 'zod'
import { endpoint } from '../http/endpoint.ts'
import { pageSize, queryBoolean, queryInteger, roomId, text } from '../http/schemas.ts'
import { readHierarchy } from '../rooms/space-hierarchy.ts'

export const spaceEndpoints = [
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v1/rooms/:roomId/hierarchy',
    spec: 'client-server-api/#get_matrixclientv1roomsroomidhierarchy',
    auth: 'user',
    params: z.object({ roomId }),
    query: z.object({
      suggested_only: queryBoolean.default(false),
      limit: pageSize.optional(),
      max_depth: queryInteger.optional(),
      from: text.optional(),
    }),
    handle: ({ ctx, requester, params, query }) =>
      readHierarchy(ctx, requester, {
        roomId: params.roomId,
        suggestedOnly: query.suggested_only,
        maxDepth: query.max_depth,
        limit: query.limit,
        from: query.from,
      }),
  }),
]
