/** Spec: Client-Server API "Cross-signing" */
import { z } from 'zod'
import { authData, demand } from '../accounts/uia.ts'
import { uploadCrossSigningKeys } from '../encryption/cross-signing.ts'
import { uploadSignatures } from '../encryption/signatures.ts'
import { endpoint } from '../http/endpoint.ts'
import { jsonObject, optional } from '../http/schemas.ts'

const postDeviceSigning = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/keys/device_signing/upload',
  spec: 'client-server-api/#post_matrixclientv3keysdevice_signingupload',
  auth: 'user',
  body: z.looseObject({
    master_key: optional(jsonObject),
    self_signing_key: optional(jsonObject),
    user_signing_key: optional(jsonObject),
    auth: authData,
  }),
  async handle({ ctx, requester, body }) {
    const keys = {
      master: body.master_key,
      self_signing: body.self_signing_key,
      user_signing: body.user_signing_key,
    }
    await uploadCrossSigningKeys(ctx, requester, keys, async () => {
      // The users of application services have no password.
      if (requester.appService) return
      const operation = 'replace cross-signing keys'
      await demand(ctx, 'm.login.password', body.auth, requester.userId, operation)
    })
    return {}
  },
})

const postSignatures = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/keys/signatures/upload',
  spec: 'client-server-api/#post_matrixclientv3keyssignaturesupload',
  auth: 'user',
  body: jsonObject,
  async handle({ ctx, requester, body }) {
    return { failures: await uploadSignatures(ctx, requester, body) }
  },
})

export const crossSigningEndpoints = [postDeviceSigning, postSignatures]
