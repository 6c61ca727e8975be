/** Spec: Client-Server API "OpenID"; Server-Server API "OpenID" */
import { z } from 'zod'
import { giveOpenIdToken, userOfOpenIdToken } from '../accounts/openid.ts'
import { endpoint } from '../http/endpoint.ts'
import { jsonObject, userId } from '../http/schemas.ts'
import { missingToken } from '../matrix/errors.ts'

const postRequestToken = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/user/:userId/openid/request_token',
  spec: 'client-server-api/#post_matrixclientv3useruseridopenidrequest_token',
  auth: 'user',
  params: z.object({ userId }),
  body: jsonObject,
  bodyOptional: true,
  handle: ({ ctx, requester, params }) => giveOpenIdToken(ctx, requester, params.userId),
})

// All that lk-jwt-service asks of a server's federation.
const getUserinfo = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/openid/userinfo',
  spec: 'server-server-api/#get_matrixfederationv1openiduserinfo',
  auth: 'none',
  query: z.looseObject({ access_token: z.string().optional() }),
  async handle({ ctx, query }) {
    if (!query.access_token) throw missingToken()
    return { sub: await userOfOpenIdToken(ctx, query.access_token) }
  },
})

export const openIdEndpoints = [postRequestToken, getUserinfo]
