/** Client-Server API "Room membership", "Knocking on rooms". */
import { z } from 'zod'
import { selectJoinedRooms } from '../../db/memberships.ts'
import { askForAlias, askForUser } from '../app-services/ask.ts'
import { endpoint } from '../http/endpoint.ts'
import {
  contentWithReason,
  optional,
  roomId,
  roomIdOrAlias,
  text,
  userId,
} from '../http/schemas.ts'
import { missingParam, threepidDenied } from '../matrix/errors.ts'
import {
  forgetRoom,
  joinRoom,
  knockOnRoom,
  leaveRoom,
  type Moderation,
  moderate,
} from '../rooms/membership.ts'

const roomParams = z.object({ roomId })

/** With an address instead of a user ID it is that of "Third-party invites". */
const inviteEndpoint = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/rooms/:roomId/invite',
  spec: 'client-server-api/#post_matrixclientv3roomsroomidinvite',
  auth: 'user',
  params: roomParams,
  body: z.looseObject({
    user_id: optional(userId),
    medium: optional(text),
    reason: text.optional(),
  }),
  async handle({ ctx, requester, params, body }) {
    const { user_id: target, medium, reason } = body
    if (target === undefined) {
      throw medium === undefined ? missingParam('user_id is missing') : threepidDenied()
    }
    await askForUser(ctx, target)
    await moderate(ctx, requester, 'invite', { roomId: params.roomId, target, reason })
    return {}
  },
})

/** The other endpoints in which one user changes another's membership. */
function moderationEndpoint(moderation: Exclude<Moderation, 'invite'>) {
  return endpoint({
    method: 'POST',
    path: `/_matrix/client/v3/rooms/:roomId/${moderation}`,
    spec: `client-server-api/#post_matrixclientv3roomsroomid${moderation}`,
    auth: 'user',
    params: roomParams,
    body: z.looseObject({ user_id: userId, reason: text.optional() }),
    async handle({ ctx, requester, params, body }) {
      await moderate(ctx, requester, moderation, {
        roomId: params.roomId,
        target: body.user_id,
        reason: body.reason,
      })
      return {}
    },
  })
}

export const roomMembershipEndpoints = [
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/joined_rooms',
    spec: 'client-server-api/#get_matrixclientv3joined_rooms',
    auth: 'user',
    async handle({ ctx, requester }) {
      return { joined_rooms: await selectJoinedRooms(ctx.db, requester.userId) }
    },
  }),
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/join/:roomIdOrAlias',
    spec: 'client-server-api/#post_matrixclientv3joinroomidoralias',
    auth: 'user',
    params: z.object({ roomIdOrAlias }),
    // Handed on whole: what a client adds goes into the membership event.
    body: contentWithReason,
    bodyOptional: true,
    async handle({ ctx, requester, params, body }) {
      await askForAlias(ctx, params.roomIdOrAlias)
      return { room_id: await joinRoom(ctx, requester, params.roomIdOrAlias, body) }
    },
  }),
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/rooms/:roomId/join',
    spec: 'client-server-api/#post_matrixclientv3roomsroomidjoin',
    auth: 'user',
    params: roomParams,
    body: contentWithReason,
    bodyOptional: true,
    async handle({ ctx, requester, params, body }) {
      return { room_id: await joinRoom(ctx, requester, params.roomId, body) }
    },
  }),
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/knock/:roomIdOrAlias',
    spec: 'client-server-api/#post_matrixclientv3knockroomidoralias',
    auth: 'user',
    params: z.object({ roomIdOrAlias }),
    body: contentWithReason,
    bodyOptional: true,
    async handle({ ctx, requester, params, body }) {
      await askForAlias(ctx, params.roomIdOrAlias)
      return { room_id: await knockOnRoom(ctx, requester, params.roomIdOrAlias, body.reason) }
    },
  }),
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/rooms/:roomId/leave',
    spec: 'client-server-api/#post_matrixclientv3roomsroomidleave',
    auth: 'user',
    params: roomParams,
    body: contentWithReason,
    bodyOptional: true,
    async handle({ ctx, requester, params, body }) {
      await leaveRoom(ctx, requester, params.roomId, body.reason)
      return {}
    },
  }),
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/rooms/:roomId/forget',
    spec: 'client-server-api/#post_matrixclientv3roomsroomidforget',
    auth: 'user',
    params: roomParams,
    async handle({ ctx, requester, params }) {
      await forgetRoom(ctx, requester, params.roomId)
      return {}
    },
  }),
  inviteEndpoint,
  moderationEndpoint('kick'),
  moderationEndpoint('ban'),
  moderationEndpoint('unban'),
]
