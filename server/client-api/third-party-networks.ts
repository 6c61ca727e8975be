/** Spec: Client-Server API "Third-party Networks" */
import { z } from 'zod'
import {
  lookUpByOurId,
  lookUpThirdParty,
  type ThirdPartyKind,
  thirdPartyProtocol,
  thirdPartyProtocols,
} from '../app-services/third-parties.ts'
import { endpoint } from '../http/endpoint.ts'
import { roomAlias, shortText, userId } from '../http/schemas.ts'

const base = '/_matrix/client/v3/thirdparty'
const spec = (path: string) => `client-server-api/#get_matrixclientv3thirdparty${path}`
const params = z.object({ protocol: shortText })

const getProtocols = endpoint({
  method: 'GET',
  path: `${base}/protocols`,
  spec: spec('protocols'),
  auth: 'user',
  handle: ({ ctx }) => thirdPartyProtocols(ctx),
})

const getProtocol = endpoint({
  method: 'GET',
  path: `${base}/protocol/:protocol`,
  spec: spec('protocolprotocol'),
  auth: 'user',
  params,
  handle: ({ ctx, params }) => thirdPartyProtocol(ctx, params.protocol),
})

const getByProtocol = (kind: ThirdPartyKind) =>
  endpoint({
    method: 'GET',
    path: `${base}/${kind}/:protocol`,
    spec: spec(`${kind}protocol`),
    auth: 'user',
    params,
    // Which fields there are is for the protocol to say.
    query: z.record(z.string(), z.string()),
    handle({ ctx, params, query }) {
      const { access_token: _, ...fields } = query
      return lookUpThirdParty(ctx, kind, params.protocol, fields)
    },
  })

const getUser = endpoint({
  method: 'GET',
  path: `${base}/user`,
  spec: spec('user'),
  auth: 'user',
  query: z.object({ userid: userId }),
  handle: ({ ctx, query }) => lookUpByOurId(ctx, 'user', query.userid),
})

const getLocation = endpoint({
  method: 'GET',
  path: `${base}/location`,
  spec: spec('location'),
  auth: 'user',
  query: z.object({ alias: roomAlias }),
  handle: ({ ctx, query }) => lookUpByOurId(ctx, 'location', query.alias),
})

export const thirdPartyEndpoints = [
  getProtocols,
  getProtocol,
  getByProtocol('location'),
  getByProtocol('user'),
  getLocation,
  getUser,
]
