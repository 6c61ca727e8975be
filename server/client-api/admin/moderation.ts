/** Client-Server API "Server administration": locking and suspending accounts; MSC4323. */
import { z } from 'zod'
import { readRestriction, setLocked, setSuspended } from '../../administration/moderation.ts'
import { endpoint } from '../../http/endpoint.ts'
import { userId } from '../../http/schemas.ts'

const params = z.object({ userId })

const pathsOf = (verb: string) => [
  `/_matrix/client/v1/admin/${verb}/:userId`,
  `/_matrix/client/unstable/uk.timedout.msc4323/admin/${verb}/:userId`,
]

export const moderationEndpoints = [
  endpoint({
    method: 'GET',
    path: pathsOf('lock'),
    spec: 'client-server-api/#get_matrixclientv1adminlockuserid',
    auth: 'admin',
    params,
    async handle({ ctx, requester, params }) {
      return { locked: (await readRestriction(ctx, requester, params.userId)).isLocked }
    },
  }),
  endpoint({
    method: 'PUT',
    path: pathsOf('lock'),
    spec: 'client-server-api/#put_matrixclientv1adminlockuserid',
    auth: 'admin',
    params,
    body: z.object({ locked: z.boolean() }),
    async handle({ ctx, requester, params, body }) {
      await setLocked(ctx, requester, params.userId, body.locked)
      return { locked: body.locked }
    },
  }),
  endpoint({
    method: 'GET',
    path: pathsOf('suspend'),
    spec: 'client-server-api/#get_matrixclientv1adminsuspenduserid',
    auth: 'admin',
    params,
    async handle({ ctx, requester, params }) {
      return { suspended: (await readRestriction(ctx, requester, params.userId)).isSuspended }
    },
  }),
  endpoint({
    method: 'PUT',
    path: pathsOf('suspend'),
    spec: 'client-server-api/#put_matrixclientv1adminsuspenduserid',
    auth: 'admin',
    params,
    body: z.object({ suspended: z.boolean() }),
    async handle({ ctx, requester, params, body }) {
      await setSuspended(ctx, requester, params.userId, body.suspended)
      return { suspended: body.suspended }
    },
  }),
]
