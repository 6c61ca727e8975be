/** Spec: Client-Server API "Legacy login", "Refreshing access tokens" */
import { z } from 'zod'
import { logInForAppService } from '../accounts/app-service-users.ts'
import { logIn, logOut, logOutEverywhere, refresh } from '../accounts/log-in.ts'
import { userIdOfLogin } from '../accounts/users.ts'
import { tokenOf } from '../http/authenticate.ts'
import { endpoint } from '../http/endpoint.ts'
import { deviceId, displayName, optional, parse } from '../http/schemas.ts'
import { unknown } from '../matrix/errors.ts'

const getLogin = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/login',
  spec: 'client-server-api/#get_matrixclientv3login',
  auth: 'none',
  handle: ({ ctx }) => ({
    flows: [
      { type: 'm.login.password' },
      ...(ctx.appServices.all.length > 0 ? [{ type: 'm.login.application_service' }] : []),
    ],
  }),
})

const anyLogin = z.looseObject({
  identifier: optional(z.looseObject({ type: z.string(), user: z.string().nullish() })),
  user: optional(z.string()),
  device_id: optional(deviceId),
  initial_device_display_name: optional(displayName),
  refresh_token: optional(z.boolean()),
})
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
