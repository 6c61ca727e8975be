/** Client-Server API "Relationships API", "Querying threads in a room". */
import { z } from 'zod'
import { endpoint } from '../http/endpoint.ts'
import {
  eventId,
  eventType,
  pageSize,
  queryBoolean,
  roomId,
  shortText,
  text,
} from '../http/schemas.ts'
import type { JsonValue } from '../lib/json.ts'
import { readRelations, readThreads } from '../rooms/read-relations.ts'

/** Client events are JSON; their optional members keep TypeScript from seeing it. */
const wire = (value: unknown) => value as JsonValue

export const relationsEndpoints = [
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v1/rooms/:roomId/relations/:eventId{/:relType}{/:eventType}',
    spec: 'client-server-api/#get_matrixclientv1roomsroomidrelationseventid',
    auth: 'user',
    params: z.object({
      roomId,
      eventId,
      relType: shortText.optional(),
      eventType: eventType.optional(),
    }),
    query: z.object({
      dir: z.enum(['f', 'b']).default('b'),
      from: text.optional(),
      to: text.optional(),
      limit: pageSize.optional(),
      recurse: queryBoolean.optional(),
    }),
    async handle({ ctx, requester, params, query }) {
      const { relType, eventType } = params
      const { from, to, limit, recurse } = query
      return wire(
        await readRelations(ctx, requester, {
          ...{ roomId: params.roomId, eventId: params.eventId, relType, eventType },
          ...{ dir: query.dir, from, to, limit, recurse },
        }),
      )
    },
  }),
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v1/rooms/:roomId/threads',
    spec: 'client-server-api/#get_matrixclientv1roomsroomidthreads',
    auth: 'user',
    params: z.object({ roomId }),
    query: z.object({
      include: z.enum(['all', 'participated']).default('all'),
      from: text.optional(),
      limit: pageSize.optional(),
    }),
    async handle({ ctx, requester, params, query }) {
      const { include, from, limit } = query
      return wire(await readThreads(ctx, requester, { ...params, include, from, limit }))
    },
  }),
]
