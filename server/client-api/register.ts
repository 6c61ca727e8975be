/** Spec: Client-Server API "Account registration" */
import { z } from 'zod'
import { registerForAppService } from '../accounts/app-service-users.ts'
import { freeUserId, register, registerGuest } from '../accounts/registration.ts'
import { authData } from '../accounts/uia.ts'
import { tokenOf } from '../http/authenticate.ts'
import { endpoint } from '../http/endpoint.ts'
import { deviceId, displayName, optional } from '../http/schemas.ts'
import { missingParam } from '../matrix/errors.ts'

// Any text: what a user name may be is said with M_INVALID_USERNAME.
const username = z.string()

const postRegister = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/register',
  spec: 'client-server-api/#post_matrixclientv3register',
  auth: 'none',
  query: z.looseObject({ kind: z.enum(['user', 'guest']).default('user') }),
  body: z.looseObject({
    type: optional(z.string()),
    auth: authData,
    username: optional(username),
    password: optional(z.string().min(1)),
    device_id: optional(deviceId),
    initial_device_display_name: optional(displayName),
    inhibit_login: optional(z.boolean()),
    refresh_token: optional(z.boolean()),
    guest_access_token: optional(z.string()),
  }),
  handle({ ctx, query, body, request }) {
    if (query.kind === 'guest') return registerGuest(ctx, body.initial_device_display_name)
    const inhibitLogin = body.inhibit_login ?? false
    const device = {
      deviceId: body.device_id,
      displayName: body.initial_device_display_name,
      wantsRefreshToken: body.refresh_token,
    }
    if (body.type === 'm.login.application_service') {
      const { username } = body
      if (username === undefined) throw missingParam('username is missing')
      return registerForAppService(ctx, tokenOf(request), { ...device, username, inhibitLogin })
    }
    return register(ctx, {
      ...device,
      username: body.username,
      password: body.password,
      auth: body.auth,
      inhibitLogin,
      guestAccessToken: body.guest_access_token,
    })
  },
})

const getAvailable = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/register/available',
  spec: 'client-server-api/#get_matrixclientv3registeravailable',
  auth: 'none',
  query: z.looseObject({ username }),
  async handle({ ctx, query }) {
    await freeUserId(ctx, query.username)
    return { available: true }
  },
})

export const registerEndpoints = [postRegister, getAvailable]
