/** Registration by those who know a secret: Synapse's, for test fixtures. */
import { z } from 'zod'
import { assertHasSecret, giveNonce, registerBySecret } from '../../accounts/shared-secret.ts'
import { endpoint } from '../../http/endpoint.ts'
import { displayName, jsonObject, optional, parse } from '../../http/schemas.ts'

const getNonce = endpoint({
  method: 'GET',
  path: '/_synapse/admin/v1/register',
  spec: 'Synapse "Shared-Secret Registration"',
  auth: 'none',
  handle: ({ ctx }) => ({ nonce: giveNonce(ctx) }),
})

/** NUL separates the parts of what is signed, so no part may hold one. */
const signed = z
  .string()
  .min(1)
  .refine(value => !value.includes('\0'), 'has a NUL')

const registration = z.looseObject({
  nonce: signed,
  username: signed,
  password: signed,
  mac: z.string(),
  admin: optional(z.boolean()),
  displayname: optional(displayName),
})

const postRegister = endpoint({
  method: 'POST',
  path: '/_synapse/admin/v1/register',
  spec: 'Synapse "Shared-Secret Registration"',
  auth: 'none',
  body: jsonObject,
  bodyOptional: true,
  handle({ ctx, body }) {
    assertHasSecret(ctx)
    // Only now: without a secret there is no such endpoint, whatever is sent.
    const { nonce, username, password, mac, admin, displayname } = parse(registration, body, 'body')
    return registerBySecret(ctx, {
      nonce,
      username,
      password,
      mac,
      isAdmin: admin ?? false,
      displayname,
    })
  },
})

export const sharedSecretEndpoints = [getNonce, postRegister]
