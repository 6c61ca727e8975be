/** Client-Server API "Voice over IP". */
import type { Context } from '../context.ts'
import { endpoint } from '../http/endpoint.ts'
import { turnCredentials } from '../matrix/turn.ts'
import type { Requester } from '../requester.ts'

export const voipEndpoints = [
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/voip/turnServer',
    spec: 'client-server-api/#get_matrixclientv3voipturnserver',
    auth: 'user',
    handle({ ctx, requester }) {
      const { uris, lifetime_ms } = ctx.config.turn
      // Deviation, as in Synapse: without any, matrix-js-sdk takes this for "none"; a refusal it reports as an
      // error every ten minutes.
      if (uris.length === 0) return {}
      return { ...credentialsOf(ctx, requester), uris, ttl: Math.floor(lifetime_ms / 1_000) }
    },
  }),
]

function credentialsOf(
  { config: { turn }, clock }: Context,
  { userId }: Requester,
): { username: string; password: string } {
  const { shared_secret: secret, username = '', password = '', lifetime_ms } = turn
  if (secret === undefined) return { username, password }
  return turnCredentials(secret, userId, Math.floor((clock.now() + lifetime_ms) / 1_000))
}
