/** Client-Server API "Getting events for a room". */
import { z } from 'zod'
import { endpoint } from '../http/endpoint.ts'
import {
  eventId,
  eventType,
  optionalToken,
  queryInteger,
  roomId,
  shortText,
  text,
} from '../http/schemas.ts'
import type { JsonValue } from '../lib/json.ts'
import { readJoinedMembers, readMembers, readState, readStateEvent } from '../rooms/read-state.ts'
import { findEventByTime, readContext, readEvent, readMessages } from '../rooms/timeline.ts'
import { roomEventFilterOf } from './sync.ts'

const roomParams = z.object({ roomId })
const eventParams = z.object({ roomId, eventId })

const memberships = ['join', 'invite', 'knock', 'leave', 'ban'] as const

/** Client events are JSON; their optional members keep TypeScript from seeing it. */
const wire = (value: unknown) => value as JsonValue

export const roomReadEndpoints = [
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/rooms/:roomId/event/:eventId',
    spec: 'client-server-api/#get_matrixclientv3roomsroomideventeventid',
    auth: 'user',
    params: eventParams,
    async handle({ ctx, requester, params }) {
      return wire(await readEvent(ctx, requester, params.roomId, params.eventId))
    },
  }),
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/rooms/:roomId/context/:eventId',
    spec: 'client-server-api/#get_matrixclientv3roomsroomidcontexteventid',
    auth: 'user',
    params: eventParams,
    query: z.object({ limit: queryInteger.optional(), filter: text.optional() }),
    async handle({ ctx, requester, params, query }) {
      const filter = roomEventFilterOf(query.filter)
      const { roomId, eventId } = params
      return wire(
        await readContext(ctx, requester, { roomId, eventId, limit: query.limit, filter }),
      )
    },
  }),
  endpoint({
    method: 'GET',
    path: [
      '/_matrix/client/v1/rooms/:roomId/timestamp_to_event',
      '/_matrix/client/unstable/org.matrix.msc3030/rooms/:roomId/timestamp_to_event',
    ],
    spec: 'client-server-api/#get_matrixclientv1roomsroomidtimestamp_to_event',
    auth: 'user',
    params: roomParams,
    query: z.object({ ts: queryInteger, dir: z.enum(['f', 'b']) }),
    async handle({ ctx, requester, params, query }) {
      return findEventByTime(ctx, requester, { ...params, ...query })
    },
  }),
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/rooms/:roomId/messages',
    spec: 'client-server-api/#get_matrixclientv3roomsroomidmessages',
    auth: 'user',
    params: roomParams,
    query: z.object({
      // Deviation: the specification demands it; Complement leaves it out and means the latest.
      dir: z.enum(['f', 'b']).default('b'),
      from: optionalToken,
      to: optionalToken,
      limit: queryInteger.optional(),
      filter: text.optional(),
    }),
    async handle({ ctx, requester, params, query }) {
      const filter = roomEventFilterOf(query.filter)
      return wire(await readMessages(ctx, requester, { ...query, roomId: params.roomId, filter }))
    },
  }),
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/rooms/:roomId/state',
    spec: 'client-server-api/#get_matrixclientv3roomsroomidstate',
    auth: 'user',
    params: roomParams,
    async handle({ ctx, requester, params }) {
      return wire(await readState(ctx, requester, params.roomId))
    },
  }),
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/rooms/:roomId/state/:eventType{/:stateKey}',
    spec: 'client-server-api/#get_matrixclientv3roomsroomidstateeventtypestatekey',
    auth: 'user',
    params: z.object({ roomId, eventType, stateKey: shortText.default('') }),
    query: z.object({ format: z.enum(['content', 'event']).default('content') }),
    async handle({ ctx, requester, params, query }) {
      const event = await readStateEvent(ctx, requester, params.roomId, {
        type: params.eventType,
        stateKey: params.stateKey,
      })
      return wire(query.format === 'event' ? event : event.content)
    },
  }),
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/rooms/:roomId/members',
    spec: 'client-server-api/#get_matrixclientv3roomsroomidmembers',
    auth: 'user',
    params: roomParams,
    query: z.object({
      at: text.optional(),
      membership: z.enum(memberships).optional(),
      not_membership: z.enum(memberships).optional(),
    }),
    async handle({ ctx, requester, params, query }) {
      const chunk = await readMembers(ctx, requester, params.roomId, {
        at: query.at,
        membership: query.membership,
        notMembership: query.not_membership,
      })
      return wire({ chunk })
    },
  }),
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/rooms/:roomId/joined_members',
    spec: 'client-server-api/#get_matrixclientv3roomsroomidjoined_members',
    auth: 'user',
    params: roomParams,
    async handle({ ctx, requester, params }) {
      return { joined: await readJoinedMembers(ctx, requester, params.roomId) }
    },
  }),
]
