/** Who is behind an access token. */
import { endReplacedSession, selectSessionByAccessToken } from '../../db/sessions.ts'
import { transaction } from '../../db/transaction.ts'
import type { Context } from '../context.ts'
import { hashSecret } from '../lib/random.ts'
import { forbidden, unknownToken } from '../matrix/errors.ts'

export interface Requester {
  userId: string
  deviceId: string
  isGuest: boolean
  isAdmin: boolean
  /** False only for application services that are registered with `rate_limited: false`. */
  isRateLimited: boolean
}

/**
 * Find the session of an access token. The first use of a refreshed one ends its predecessor.
 *
 * @throws 401 M_UNKNOWN_TOKEN, with soft_logout if the token has expired
 * Spec: Client-Server API "Using access tokens", "Soft logout"
 */
export async function findRequester(ctx: Context, accessToken: string): Promise<Requester> {
  const session = await selectSessionByAccessToken(ctx.db, hashSecret(accessToken))
  if (!session || session.deactivated_ts !== null) throw unknownToken()
  if (session.expires_ts !== null && session.expires_ts <= ctx.clock.now()) {
    throw unknownToken(true)
  }
  if (session.replaces !== null) await transaction(ctx.db, tx => endReplacedSession(tx, session))
  return {
    userId: session.user_id,
    deviceId: session.device_id,
    isGuest: session.is_guest,
    isAdmin: session.is_admin,
    isRateLimited: true,
  }
}

/** @throws 403 M_FORBIDDEN unless the requester is this user: what is asked for is theirs alone */
export function assertSelf(requester: Requester, userId: string): void {
  if (userId !== requester.userId) throw forbidden('That belongs to another user')
}
