/** Spec: Client-Server API "Legacy login", "Refreshing access tokens" */
import { z } from 'zod'
import { logIn, logOut, logOutEverywhere, refresh } from '../accounts/log-in.ts'
import { userIdOfLogin } from '../accounts/users.ts'
import { endpoint } from '../http/endpoint.ts'
import { deviceId, displayName, optional, parse } from '../http/schemas.ts'
import { unknown } from '../matrix/errors.ts'

const getLogin = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/login',
  spec: 'client-server-api/#get_matrixclientv3login',
  auth: 'none',
  handle: () => ({ flows: [{ type: 'm.login.password' }] }),
})

const passwordLogin = z.looseObject({
  identifier: optional(z.looseObject({ type: z.string(), user: z.string().nullish() })),
  user: optional(z.string()),
  password: z.string(),
  device_id: optional(deviceId),
  initial_device_display_name: optional(displayName),
  refresh_token: optional(z.boolean()),
})

const postLogin = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/login',
  spec: 'client-server-api/#post_matrixclientv3login',
  auth: 'none',
  body: z.looseObject({ type: z.string() }),
  handle({ ctx, body }) {
    if (body.type !== 'm.login.password') throw unknown(`There is no login of type ${body.type}`)
    // Only now: another type has other members.
    const login = parse(passwordLogin, body, 'body')
    return logIn(ctx, {
      userId: userIdOfLogin(login, ctx.config.server_name),
      password: login.password,
      deviceId: login.device_id,
      displayName: login.initial_device_display_name,
      wantsRefreshToken: login.refresh_token,
    })
  },
})

const postRefresh = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/refresh',
  spec: 'client-server-api/#post_matrixclientv3refresh',
  auth: 'none',
  body: z.looseObject({ refresh_token: z.string() }),
  handle: ({ ctx, body }) => refresh(ctx, body.refresh_token),
})

const postLogout = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/logout',
  spec: 'client-server-api/#post_matrixclientv3logout',
  auth: 'user',
  async handle({ ctx, requester }) {
    await logOut(ctx, requester)
    return {}
  },
})

const postLogoutAll = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/logout/all',
  spec: 'client-server-api/#post_matrixclientv3logoutall',
  auth: 'user',
  async handle({ ctx, requester }) {
    await logOutEverywhere(ctx, requester)
    return {}
  },
})

export const loginEndpoints = [getLogin, postLogin, postRefresh, postLogout, postLogoutAll]
