/** The server as a whole over HTTP: put aside, put back, emptied, filled with users. */
import { z } from 'zod'
import { type Endpoint, endpoint } from '../http/endpoint.ts'
import { text } from '../http/schemas.ts'
import { labEndpoint, labOf, labPath } from './door.ts'
import { dropSnapshot, resetServer, restoreSnapshot, takeSnapshot } from './snapshots.ts'
import { readClock } from './time.ts'
import { makeUsers } from './users.ts'

/** More at once would keep everybody else waiting. */
const mostUsers = 1_000

export const labServerEndpoints: readonly Endpoint[] = [
  endpoint({
    ...labEndpoint,
    method: 'POST',
    path: `${labPath}/snapshot`,
    body: z.strictObject({}),
    bodyOptional: true,
    handle: async ({ ctx }) => ({ ...(await takeSnapshot(labOf(ctx))) }),
  }),
  endpoint({
    ...labEndpoint,
    method: 'DELETE',
    path: `${labPath}/snapshot/:id`,
    params: z.object({ id: text }),
    async handle({ ctx, params }) {
      await dropSnapshot(labOf(ctx), params.id)
      return {}
    },
  }),
  endpoint({
    ...labEndpoint,
    method: 'POST',
    path: `${labPath}/restore`,
    body: z.strictObject({ id: text }),
    async handle({ ctx, body }) {
      await restoreSnapshot(labOf(ctx), body.id)
      return { ...readClock(labOf(ctx)) }
    },
  }),
  endpoint({
    ...labEndpoint,
    method: 'POST',
    path: `${labPath}/reset`,
    body: z.strictObject({}),
    bodyOptional: true,
    async handle({ ctx }) {
      await resetServer(labOf(ctx))
      return { ...readClock(labOf(ctx)) }
    },
  }),
  endpoint({
    ...labEndpoint,
    method: 'POST',
    path: `${labPath}/users`,
    body: z.strictObject({
      users: z.array(text).min(1).max(mostUsers),
      password: text.min(1).optional(),
    }),
    async handle({ ctx, body }) {
      const users = await makeUsers(labOf(ctx), body.users, body.password)
      return { users: users.map(user => ({ ...user })) }
    },
  }),
]
