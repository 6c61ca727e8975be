/** Synapse's administration of users. */
import { z } from 'zod'
import { userOrders } from '../../../db/accounts.ts'
import { whois } from '../../accounts/devices.ts'
import { findUser } from '../../administration/find-user.ts'
import {
  createOrChangeUser,
  deactivateUser,
  describeUser,
  listUsers,
  resetPassword,
  setAdmin,
} from '../../administration/users.ts'
import { JsonAnswer } from '../../http/answer.ts'
import { endpoint } from '../../http/endpoint.ts'
import {
  avatarUrl,
  displayName,
  optional,
  pageSize,
  queryBoolean,
  queryInteger,
  text,
  userId,
} from '../../http/schemas.ts'
import { version } from '../../lib/version.ts'

const v1 = '/_synapse/admin/v1'
const v2 = '/_synapse/admin/v2'
const spec = 'Synapse "User Admin API"'
const params = z.object({ userId })

/** Pages of lists are counted, as Synapse counts them. */
export const countedPage = {
  from: queryInteger.default(0),
  limit: pageSize.default(100).transform(size => Math.min(size, 1_000)),
}

const getVersion = endpoint({
  method: 'GET',
  path: `${v1}/server_version`,
  spec: 'Synapse "Version API"',
  auth: 'none',
  handle: () => ({ server_version: `Hourglass ${version}` }),
})

const getUsers = endpoint({
  method: 'GET',
  path: `${v2}/users`,
  spec,
  auth: 'admin',
  query: z.object({
    ...countedPage,
    user_id: text.default(''),
    name: text.default(''),
    guests: queryBoolean.default(true),
    deactivated: queryBoolean.default(false),
    admins: queryBoolean.optional(),
    order_by: z.enum(userOrders).default('name'),
    dir: z.enum(['f', 'b']).default('f'),
  }),
  handle: ({ ctx, query }) =>
    listUsers(
      ctx,
      {
        // Of the two, Synapse looks at the name alone.
        idPart: query.name === '' ? query.user_id : '',
        namePart: query.name,
        withGuests: query.guests,
        withDeactivated: query.deactivated,
        isAdmin: query.admins,
      },
      {
        order: query.order_by,
        direction: query.dir === 'f' ? 'asc' : 'desc',
        from: query.from,
        limit: query.limit,
      },
    ),
})

/** What Synapse's users have and ours have not: as a request may put it that wants none of it. */
const notHere = 'is something that users of this server do not have'
const without = {
  threepids: optional(z.array(z.unknown()).max(0, notHere)),
  external_ids: optional(z.array(z.unknown()).max(0, notHere)),
  user_type: optional(text.refine(() => false, notHere)),
  approved: optional(z.literal(true, notHere)),
}

const getUser = endpoint({
  method: 'GET',
  path: `${v2}/users/:userId`,
  spec,
  auth: 'admin',
  params,
  handle: async ({ ctx, params }) => describeUser(ctx, await findUser(ctx, params.userId)),
})

const putUser = endpoint({
  method: 'PUT',
  path: `${v2}/users/:userId`,
  spec,
  auth: 'admin',
  params,
  body: z.object({
    ...without,
    password: optional(text.min(1)),
    displayname: optional(displayName),
    avatar_url: optional(avatarUrl),
    deactivated: optional(z.boolean()),
    locked: optional(z.boolean()),
    admin: optional(z.boolean()),
    logout_devices: z.boolean().default(true),
  }),
  async handle({ ctx, requester, params, body }) {
    const isNew = await createOrChangeUser(ctx, requester, params.userId, {
      password: body.password,
      displayname: body.displayname,
      avatarUrl: body.avatar_url,
      isDeactivated: body.deactivated,
      isLocked: body.locked,
      isAdmin: body.admin,
      logoutDevices: body.logout_devices,
    })
    return new JsonAnswer(isNew ? 201 : 200, describeUser(ctx, await findUser(ctx, params.userId)))
  },
})

const getAdmin = endpoint({
  method: 'GET',
  path: `${v1}/users/:userId/admin`,
  spec,
  auth: 'admin',
  params,
  handle: async ({ ctx, params }) => ({ admin: (await findUser(ctx, params.userId)).is_admin }),
})

const putAdmin = endpoint({
  method: 'PUT',
  path: `${v1}/users/:userId/admin`,
  spec,
  auth: 'admin',
  params,
  body: z.object({ admin: z.boolean() }),
  async handle({ ctx, requester, params, body }) {
    await setAdmin(ctx, requester, params.userId, body.admin)
    return {}
  },
})

const postPassword = endpoint({
  method: 'POST',
  path: `${v1}/reset_password/:userId`,
  spec,
  auth: 'admin',
  params,
  body: z.object({ new_password: text.min(1), logout_devices: z.boolean().default(true) }),
  async handle({ ctx, params, body }) {
    const change = { password: body.new_password, logoutDevices: body.logout_devices }
    await resetPassword(ctx, params.userId, change)
    return {}
  },
})

const postDeactivate = endpoint({
  method: 'POST',
  path: `${v1}/deactivate/:userId`,
  spec,
  auth: 'admin',
  params,
  body: z.object({ erase: z.boolean().default(false) }),
  bodyOptional: true,
  async handle({ ctx, params, body }) {
    await deactivateUser(ctx, params.userId, { erase: body.erase })
    return { id_server_unbind_result: 'no-support' }
  },
})

const getWhois = endpoint({
  method: 'GET',
  path: `${v1}/whois/:userId`,
  spec,
  auth: 'admin',
  params,
  async handle({ ctx, requester, params }) {
    await findUser(ctx, params.userId)
    return whois(ctx, requester, params.userId)
  },
})

export const adminUserEndpoints = [
  getVersion,
  getUsers,
  getUser,
  putUser,
  getAdmin,
  putAdmin,
  postPassword,
  postDeactivate,
  getWhois,
]
