/** Spec: Client-Server API "Server Administration" */
import { z } from 'zod'
import { whois } from '../accounts/devices.ts'
import { endpoint } from '../http/endpoint.ts'
import { userId } from '../http/schemas.ts'

const getWhois = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/admin/whois/:userId',
  spec: 'client-server-api/#get_matrixclientv3adminwhoisuserid',
  auth: 'user',
  params: z.object({ userId }),
  handle: ({ ctx, requester, params }) => whois(ctx, requester, params.userId),
})

export const whoisEndpoints = [getWhois]
