/**
 * MSC4140's first draft (2024-05-08): `m.will_expire` in the content of what is sent, in seconds,
 * and a token by which whoever has it keeps the event running or ends it.
 */
import { z } from 'zod'
import { manageBySecret } from '../../delayed-events/by-secret.ts'
import { sendExpiring } from '../../delayed-events/expiring.ts'
import { endpoint } from '../../http/endpoint.ts'
import { shortText } from '../../http/schemas.ts'
import type { JsonObject } from '../../lib/json.ts'
import { andFollow } from '../../rooms/follow-upgrade.ts'
import { lifetimeIn, lifetimeKey } from '../../rooms/lifetime.ts'
import { answerWithSecrets, assertLegacy, inLegacyWords, msOf, speaks } from './dialects.ts'
import type { Later } from './given-event.ts'
import { spec } from './wire.ts'

/** The dialect of expiring events, if the content asks for it. */
export function expiringOf(content: JsonObject): Later | undefined {
  const seconds = lifetimeIn(content)
  if (seconds === undefined) return undefined
  return async (ctx, requester, event, { once }) => {
    assertLegacy(ctx, 'expiring_events')
    const request = { ...event, lifetimeMs: msOf(seconds, lifetimeKey) }
    return inLegacyWords(false, () =>
      andFollow(ctx, once<JsonObject>, async tx => {
        const { sent, delayId } = await sendExpiring(ctx, tx, requester, request)
        // The draft says eventId; every client reads event_id.
        const ids = { event_id: sent.event_id, eventId: sent.event_id }
        return { answer: answerWithSecrets(ids, delayId, { expire_refresh_token: 'expire' }), sent }
      }),
    )
  }
}

function managingEndpoint(method: 'refresh' | 'end') {
  return endpoint({
    method: 'PUT',
    path: `/_matrix/client/v3/expiration/${method}`,
    spec,
    auth: 'none',
    servedIf: speaks('expiring_events'),
    body: z.looseObject({ expire_refresh_token: shortText.min(1) }),
    async handle({ ctx, requester, address, body }) {
      const action = method === 'refresh' ? 'restart' : 'send'
      const wanted = { power: 'expire', action } as const
      await manageBySecret(ctx, { requester, address }, body.expire_refresh_token, wanted)
      return {}
    },
  })
}

export const expiringEventsEndpoints = [managingEndpoint('refresh'), managingEndpoint('end')]
