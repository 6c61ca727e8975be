/** Who is behind an access token. */
import { selectUser } from '../../db/accounts.ts'
import { endReplacedSession, selectDevice } from '../../db/sessions.ts'
import { transaction } from '../../db/transaction.ts'
import { hashSecret } from '../lib/random.ts'
import type { AppService } from '../matrix/app-service.ts'
import { forbidden, MatrixError, unknownToken, userLocked } from '../matrix/errors.ts'
import type { Requester } from '../requester.ts'
import type { Context } from './context.ts'
import { assertNotServer } from './users.ts'

/** In whose name an application service asks: query parameters that nobody else can use. */
export interface AssertedIdentity {
  userId: string | undefined
  deviceId: string | undefined
}

/**
 * Find the session of an access token. The first use of a refreshed one ends its predecessor. For
 * the token of an application service: the user, and perhaps the device, in whose name it asks.
 *
 * @throws 401 M_UNKNOWN_TOKEN, with soft_logout if the token has expired · 401 M_USER_LOCKED · for a service also
 *   403 M_FORBIDDEN not one of its users · 400 M_UNKNOWN_DEVICE
 * Spec: Client-Server API "Using access tokens", "Soft logout"
 */
export async function findRequester(
  ctx: Context,
  accessToken: string,
  { asserted, evenIfLocked = false }: FindOptions = {},
): Promise<Requester> {
  const requester = await findByToken(ctx, accessToken, asserted)
  if (!evenIfLocked && ctx.restrictions.of(requester.userId).isLocked) throw userLocked()
  return requester
}

interface FindOptions {
  asserted?: AssertedIdentity
  /** Who is locked out may still log out. */
  evenIfLocked?: boolean | undefined
}

async function findByToken(
  ctx: Context,
  accessToken: string,
  asserted: AssertedIdentity | undefined,
): Promise<Requester> {
  const service = ctx.appServices.ofToken(accessToken)
  if (service) return asUserOf(ctx, service, asserted)
  const session = await ctx.sessions.find(hashSecret(accessToken))
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

/** Spec: Application Service API "Identity assertion"; MSC4326 and, under its old name, MSC3202 */
async function asUserOf(
  ctx: Context,
  service: AppService,
  { userId = service.senderUserId, deviceId }: Partial<AssertedIdentity> = {},
): Promise<Requester> {
  if (!ctx.appServices.isUserOf(service, userId)) {
    throw forbidden(`${userId} is not a user of this application service`)
  }
  assertNotServer(ctx.config, userId)
  const user = await selectUser(ctx.db, userId)
  if (!user || user.deactivated_ts !== null) throw forbidden(`There is no user ${userId}`)
  if (deviceId !== undefined && !(await selectDevice(ctx.db, userId, deviceId))) {
    throw new MatrixError(400, 'M_UNKNOWN_DEVICE', `${userId} has no such device`)
  }
  return {
    userId,
    deviceId: deviceId ?? '',
    isGuest: user.is_guest,
    isAdmin: user.is_admin,
    isRateLimited: service.isRateLimited,
    appService: service,
  }
}
