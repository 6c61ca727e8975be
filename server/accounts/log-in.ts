/** Coming and going: from a password to a session, from one session to the next, and out. */
import { selectUser } from '../../db/accounts.ts'
import { transaction } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import { forbidden, missingParam } from '../matrix/errors.ts'
import type { Requester } from '../requester.ts'
import type { Context } from './context.ts'
import { endDevices } from './devices.ts'
import { endLoginTokens } from './log-in-by-token.ts'
import { type Device, openSession, refreshSession } from './sessions.ts'
import { provePassword } from './users.ts'

/**
 * @param login.userId undefined if what was sent names nobody here
 * @returns as `openSession`
 * @throws 403 M_FORBIDDEN · 403 M_USER_DEACTIVATED · 429 M_LIMIT_EXCEEDED
 * Spec: POST /login, `m.login.password`
 */
export async function logIn(
  ctx: Context,
  login: Device & { userId: string | undefined; password: string },
): Promise<JsonObject> {
  if (login.userId !== undefined) ctx.rateLimits.take('logins_by_account', login.userId)
  const proven = await provePassword(ctx, login.userId, login.password)
  return transaction(ctx.db, async tx => {
    const session = await openSession(ctx, tx, { ...login, userId: proven.user_id })
    // To prove it takes a while, and who changes a password has ended all other sessions by then.
    const user = await selectUser(tx, proven.user_id)
    if (user?.password_hash !== proven.password_hash) throw forbidden('The password has changed')
    return session
  })
}

/**
 * @returns as `refreshSession`
 * @throws 401 M_UNKNOWN_TOKEN
 * Spec: POST /refresh
 */
export function refresh(ctx: Context, refreshToken: string): Promise<JsonObject> {
  return transaction(ctx.db, tx => refreshSession(ctx, tx, refreshToken))
}

/**
 * The device that asks ceases to be.
 *
 * @throws 400 M_MISSING_PARAM an application service that names none: its own token does not end
 * Spec: POST /logout
 */
export async function logOut(ctx: Context, { userId, deviceId }: Requester): Promise<void> {
  if (deviceId === '') throw missingParam('device_id is missing: there is no other session to end')
  return transaction(ctx.db, tx => endDevices(ctx, tx, userId, [deviceId]))
}

/** All devices of the user cease to be. Spec: POST /logout/all */
export function logOutEverywhere(ctx: Context, { userId }: Requester): Promise<void> {
  return transaction(ctx.db, async tx => {
    await endDevices(ctx, tx, userId, 'all')
    await endLoginTokens(ctx, tx, userId)
  })
}
