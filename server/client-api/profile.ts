/** Spec: Client-Server API "Profiles"; MSC4133 */
import { z } from 'zod'
import { endpoint } from '../http/endpoint.ts'
import { jsonObject, text, userId } from '../http/schemas.ts'
import { missingParam } from '../matrix/errors.ts'
import { assertSelf } from '../requester.ts'
import { profile, profileField, setProfileField } from '../user-data/profiles.ts'

/** matrix-js-sdk takes the second until a server claims v1.16. */
const bases = [
  '/_matrix/client/v3/profile/:userId',
  '/_matrix/client/unstable/uk.tcpip.msc4133/profile/:userId',
]
const fieldPaths = bases.map(base => `${base}/:keyName`)
/** That it is too long has an errcode of its own. */
const fieldParams = z.object({ userId, keyName: text.min(1) })

// Anybody may ask, also without a token.
const getProfile = endpoint({
  method: 'GET',
  path: bases,
  spec: 'client-server-api/#get_matrixclientv3profileuserid',
  auth: 'none',
  params: z.object({ userId }),
  handle: ({ ctx, params }) => profile(ctx, params.userId),
})

const getField = endpoint({
  method: 'GET',
  path: fieldPaths,
  spec: 'client-server-api/#get_matrixclientv3profileuseridkeyname',
  auth: 'none',
  params: fieldParams,
  handle: ({ ctx, params }) => profileField(ctx, params.userId, params.keyName),
})

const putField = endpoint({
  method: 'PUT',
  path: fieldPaths,
  spec: 'client-server-api/#put_matrixclientv3profileuseridkeyname',
  auth: 'user',
  params: fieldParams,
  body: jsonObject,
  async handle({ ctx, requester, params, body }) {
    assertSelf(requester, params.userId)
    ctx.restrictions.assertNotSuspended(requester.userId)
    const value = Object.hasOwn(body, params.keyName) ? body[params.keyName] : undefined
    if (value === undefined) throw missingParam(`${params.keyName} is missing`)
    await setProfileField(ctx, requester.userId, params.keyName, value)
    return {}
  },
})

const deleteField = endpoint({
  method: 'DELETE',
  path: fieldPaths,
  spec: 'client-server-api/#delete_matrixclientv3profileuseridkeyname',
  auth: 'user',
  params: fieldParams,
  async handle({ ctx, requester, params }) {
    assertSelf(requester, params.userId)
    ctx.restrictions.assertNotSuspended(requester.userId)
    await setProfileField(ctx, requester.userId, params.keyName, undefined)
    return {}
  },
})

export const profileEndpoints = [getProfile, getField, putField, deleteField]
