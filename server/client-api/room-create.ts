/** Client-Server API "Creation". */
import { z } from 'zod'
import { askForUser } from '../app-services/ask.ts'
import { endpoint } from '../http/endpoint.ts'
import { jsonObject, text } from '../http/schemas.ts'
import { threepidDenied } from '../matrix/errors.ts'
import { createRoom, readInitialState } from '../rooms/create-room.ts'

const optionalObject = jsonObject.nullish().transform(value => value ?? {})

export const roomCreateEndpoints = [
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/createRoom',
    spec: 'client-server-api/#post_matrixclientv3createroom',
    auth: 'user',
    bodyOptional: true,
    body: z.looseObject({
      visibility: z.enum(['public', 'private']).default('private'),
      preset: z.enum(['private_chat', 'public_chat', 'trusted_private_chat']).optional(),
      room_version: text.optional(),
      creation_content: optionalObject,
      initial_state: z.array(jsonObject).nullish(),
      power_level_content_override: optionalObject,
      name: text.nullish(),
      topic: text.nullish(),
      room_alias_name: text.nullish(),
      invite: z.array(text).nullish(),
      invite_3pid: z.array(jsonObject).nullish(),
      is_direct: z.boolean().nullish(),
    }),
    async handle({ ctx, requester, body }) {
      if (body.invite_3pid?.length) throw threepidDenied()
      for (const invitee of new Set(body.invite ?? [])) await askForUser(ctx, invitee)
      const roomId = await createRoom(ctx, requester, {
        visibility: body.visibility,
        preset: body.preset,
        roomVersion: body.room_version,
        creationContent: body.creation_content,
        initialState: readInitialState(body.initial_state ?? []),
        powerLevelContentOverride: body.power_level_content_override,
        name: body.name ?? undefined,
        topic: body.topic ?? undefined,
        roomAliasName: body.room_alias_name ?? undefined,
        invite: body.invite ?? [],
        isDirect: body.is_direct ?? false,
      })
      return { room_id: roomId }
    },
  }),
]
