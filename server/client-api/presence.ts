/** Spec: Client-Server API "Presence" */
import { z } from 'zod'
import { endpoint } from '../http/endpoint.ts'
import { text, userId } from '../http/schemas.ts'
import { assertSelf } from '../requester.ts'
import { presenceStates } from '../user-data/presence.ts'
import { presenceOf, setPresence } from '../user-data/presence-status.ts'

const path = '/_matrix/client/v3/presence/:userId/status'
const params = z.object({ userId })

/** Every room-mate is sent it with every change, so it is kept short. */
const statusMessage = text.max(1000)

const putStatus = endpoint({
  method: 'PUT',
  path,
  spec: 'client-server-api/#put_matrixclientv3presenceuseridstatus',
  auth: 'user',
  params,
  body: z.looseObject({
    presence: z.enum(presenceStates),
    status_msg: statusMessage.nullish(),
  }),
  async handle({ ctx, requester, params, body }) {
    assertSelf(requester, params.userId)
    await setPresence(ctx, requester.userId, body.presence, body.status_msg)
    return {}
  },
})

const getStatus = endpoint({
  method: 'GET',
  path,
  spec: 'client-server-api/#get_matrixclientv3presenceuseridstatus',
  auth: 'user',
  params,
  handle: ({ ctx, requester, params }) => presenceOf(ctx, requester.userId, params.userId),
})

export const presenceEndpoints = [putStatus, getStatus]
