/** Spec: Client-Server API "Key Distribution" */
import { z } from 'zod'
import { claimKeys, uploadKeys } from '../encryption/device-keys.ts'
import { queryKeys } from '../encryption/query-keys.ts'
import { endpoint } from '../http/endpoint.ts'
import { jsonObject, optional, text } from '../http/schemas.ts'
import { keyChanges } from '../sync/key-changes.ts'

const postUpload = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/keys/upload',
  spec: 'client-server-api/#post_matrixclientv3keysupload',
  auth: 'user',
  body: z.looseObject({
    device_keys: optional(jsonObject),
    one_time_keys: optional(jsonObject),
    fallback_keys: optional(jsonObject),
  }),
  async handle({ ctx, requester, body }) {
    const counts = await uploadKeys(ctx, requester, {
      deviceKeys: body.device_keys,
      oneTimeKeys: body.one_time_keys,
      fallbackKeys: body.fallback_keys,
    })
    return { one_time_key_counts: counts }
  },
})

const postQuery = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/keys/query',
  spec: 'client-server-api/#post_matrixclientv3keysquery',
  auth: 'user',
  body: z.looseObject({ device_keys: jsonObject }),
  handle: ({ ctx, requester, body }) => queryKeys(ctx, requester, body.device_keys),
})

const postClaim = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/keys/claim',
  spec: 'client-server-api/#post_matrixclientv3keysclaim',
  auth: 'user',
  body: z.looseObject({ one_time_keys: jsonObject }),
  handle: ({ ctx, body }) => claimKeys(ctx, body.one_time_keys),
})

const getChanges = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/keys/changes',
  spec: 'client-server-api/#get_matrixclientv3keyschanges',
  auth: 'user',
  query: z.object({ from: text, to: text }),
  handle: ({ ctx, requester, query }) => keyChanges(ctx, requester.userId, query),
})

export const keyEndpoints = [postUpload, postQuery, postClaim, getChanges]
