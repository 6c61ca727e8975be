/** Spec: Client-Server API "Legacy login", "Refreshing access tokens" */
import { z } from 'zod'
import { logInForAppService } from '../accounts/app-service-users.ts'
import { logIn, logOut, logOutEverywhere, refresh } from '../accounts/log-in.ts'
import { giveLoginToken, logInByJwt, logInByLoginToken } from '../accounts/log-in-by-token.ts'
import { authData } from '../accounts/uia.ts'
import { userIdOfLogin } from '../accounts/users.ts'
import { tokenOf } from '../http/authenticate.ts'
import { endpoint } from '../http/endpoint.ts'
import { deviceId, displayName, optional, parse } from '../http/schemas.ts'
import type { JsonObject } from '../lib/json.ts'
import { unknown } from '../matrix/errors.ts'

const getLogin = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/login',
  spec: 'client-server-api/#get_matrixclientv3login',
  auth: 'none',
  handle({ ctx }) {
    const flows: JsonObject[] = [
      { type: 'm.login.password' },
      // Without single sign-on: only for tokens that another device has got for this one.
      { type: 'm.login.token', get_login_token: true },
    ]
    if (ctx.jwtKey) flows.push({ type: 'org.matrix.login.jwt' })
    if (ctx.appServices.all.length > 0) flows.push({ type: 'm.login.application_service' })
    return { flows }
  },
})

const anyLogin = z.looseObject({
  identifier: optional(z.looseObject({ type: z.string(), user: z.string().nullish() })),
  user: optional(z.string()),
  device_id: optional(deviceId),
  initial_device_display_name: optional(displayName),
  refresh_token: optional(z.boolean()),
})
const tokenLogin = anyLogin.extend({ token: z.string() })
const passwordLogin = anyLogin.extend({ password: z.string() })

/** What is the same for every type of login. */
const deviceOf = (login: z.infer<typeof anyLogin>) => ({
  deviceId: login.device_id,
  displayName: login.initial_device_display_name,
  wantsRefreshToken: login.refresh_token,
})

const postLogin = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/login',
  spec: 'client-server-api/#post_matrixclientv3login',
  auth: 'none',
  body: z.looseObject({ type: z.string() }),
  handle({ ctx, body, request }) {
    // Parsed only now: each type has members of its own.
    switch (body.type) {
      case 'm.login.password': {
        const login = parse(passwordLogin, body, 'body')
        const userId = userIdOfLogin(login, ctx.config.server_name)
        return logIn(ctx, { ...deviceOf(login), userId, password: login.password })
      }
      case 'm.login.token': {
        const login = parse(tokenLogin, body, 'body')
        return logInByLoginToken(ctx, login.token, deviceOf(login))
      }
      case 'org.matrix.login.jwt': {
        const login = parse(tokenLogin, body, 'body')
        return logInByJwt(ctx, login.token, deviceOf(login))
      }
      case 'm.login.application_service': {
        const login = parse(anyLogin, body, 'body')
        const userId = userIdOfLogin(login, ctx.config.server_name)
        return logInForAppService(ctx, tokenOf(request), { ...deviceOf(login), userId })
      }
      default:
        throw unknown(`There is no login of type ${body.type}`)
    }
  },
})

const postGetToken = endpoint({
  method: 'POST',
  path: '/_matrix/client/v1/login/get_token',
  spec: 'client-server-api/#post_matrixclientv1loginget_token',
  auth: 'user',
  body: z.looseObject({ auth: authData }),
  bodyOptional: true,
  handle: ({ ctx, requester, body }) => giveLoginToken(ctx, requester, body.auth),
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
  evenIfLocked: true,
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
  evenIfLocked: true,
  async handle({ ctx, requester }) {
    await logOutEverywhere(ctx, requester)
    return {}
  },
})

export const loginEndpoints = [
  getLogin,
  postLogin,
  postGetToken,
  postRefresh,
  postLogout,
  postLogoutAll,
]
