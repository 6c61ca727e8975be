/** Spec: Application Service API "Client-Server API Extensions" */
import { z } from 'zod'
import { ping } from '../app-services/ask.ts'
import { endpoint } from '../http/endpoint.ts'
import { optional, shortText } from '../http/schemas.ts'

const postPing = endpoint({
  method: 'POST',
  path: '/_matrix/client/v1/appservice/:appserviceId/ping',
  spec: 'application-service-api/#post_matrixclientv1appserviceappserviceidping',
  auth: 'user',
  params: z.object({ appserviceId: shortText }),
  body: z.looseObject({ transaction_id: optional(z.string()) }),
  bodyOptional: true,
  handle: ({ ctx, requester, params, body }) =>
    ping(ctx, requester, params.appserviceId, body.transaction_id),
})

export const appServiceEndpoints = [postPing]
