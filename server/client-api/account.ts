/** Spec: Client-Server API "Account management", "Current account information" */
import { z } from 'zod'
import { changePassword, deactivate } from '../accounts/own-account.ts'
import { authData } from '../accounts/uia.ts'
import { endpoint } from '../http/endpoint.ts'
import { optional } from '../http/schemas.ts'

const getWhoami = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/account/whoami',
  spec: 'client-server-api/#get_matrixclientv3accountwhoami',
  auth: 'user',
  handle: ({ requester }) => ({
    user_id: requester.userId,
    ...(requester.deviceId === '' ? {} : { device_id: requester.deviceId }),
    is_guest: requester.isGuest,
  }),
})

const postPassword = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/account/password',
  spec: 'client-server-api/#post_matrixclientv3accountpassword',
  auth: 'user',
  body: z.looseObject({
    new_password: z.string().min(1),
    logout_devices: optional(z.boolean()),
    auth: authData,
  }),
  async handle({ ctx, requester, body }) {
    await changePassword(ctx, requester, {
      password: body.new_password,
      logoutDevices: body.logout_devices ?? true,
      auth: body.auth,
    })
    return {}
  },
})

const postDeactivate = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/account/deactivate',
  spec: 'client-server-api/#post_matrixclientv3accountdeactivate',
  auth: 'user',
  body: z.looseObject({ auth: authData, erase: optional(z.boolean()) }),
  bodyOptional: true,
  async handle({ ctx, requester, body }) {
    await deactivate(ctx, requester, { auth: body.auth, erase: body.erase ?? false })
    // There was no third-party identifier to unbind, so there was no failure either.
    return { id_server_unbind_result: 'success' }
  },
})

const getThreepids = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/account/3pid',
  spec: 'client-server-api/#get_matrixclientv3account3pid',
  auth: 'user',
  handle: () => ({ threepids: [] }),
})

export const accountEndpoints = [getWhoami, postPassword, postDeactivate, getThreepids]
