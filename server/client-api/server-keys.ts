/** Spec: Server-Server API "Retrieving server keys" */
import { endpoint } from '../http/endpoint.ts'
import type { JsonObject } from '../lib/json.ts'
import { canonicalJson } from '../matrix/canonical-json.ts'
import { signJson } from '../matrix/signing.ts'

/** How long others may keep the answer. */
const validForMs = 86_400_000

const getServerKeys = endpoint({
  method: 'GET',
  path: '/_matrix/key/v2/server',
  spec: 'server-server-api/#get_matrixkeyv2server',
  auth: 'none',
  handle({ ctx }) {
    const { signingKey, config, clock } = ctx
    const keys = {
      server_name: config.server_name,
      verify_keys: { [signingKey.keyId]: { key: signingKey.publicKey } },
      old_verify_keys: {},
      valid_until_ts: clock.now() + validForMs,
    }
    const signed = signJson(keys, config.server_name, signingKey)
    // In the order of canonical JSON: Complement compares the bytes.
    return JSON.parse(canonicalJson(signed)) as JsonObject
  },
})

export const serverKeyEndpoints = [getServerKeys]
