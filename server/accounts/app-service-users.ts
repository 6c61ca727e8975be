/**
 * Users of application services: made and logged in without a password, because the service's own
 * token is the proof.
 *
 * Spec: Application Service API "Server admin style permissions"
 */
import { selectUser } from '../../db/accounts.ts'
import { transaction } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import type { AppService } from '../matrix/app-service.ts'
import { forbidden, missingToken, unknownToken, userDeactivated } from '../matrix/errors.ts'
import type { Context } from './context.ts'
import { freeUserId } from './registration.ts'
import { type Device, openSession } from './sessions.ts'
import { assertNotServer, createUser } from './users.ts'

/** @throws 401 M_MISSING_TOKEN · 401 M_UNKNOWN_TOKEN, also for the token of somebody else */
function serviceOf(ctx: Context, token: string | undefined): AppService {
  if (token === undefined) throw missingToken()
  const service = ctx.appServices.ofToken(token)
  if (!service) throw unknownToken()
  return service
}

/**
 * @param token the service's
 * @returns as `openSession`; with `inhibitLogin` only `user_id` and `home_server`
 * @throws 401 M_MISSING_TOKEN, M_UNKNOWN_TOKEN · 400 M_EXCLUSIVE · 400 M_INVALID_USERNAME ·
 *   400 M_USER_IN_USE
 * Spec: POST /register, `m.login.application_service`
 */
export async function registerForAppService(
  ctx: Context,
  token: string | undefined,
  wanted: Device & { username: string; inhibitLogin: boolean },
): Promise<JsonObject> {
  const userId = await freeUserId(ctx, wanted.username, serviceOf(ctx, token))
  return transaction(ctx.db, async tx => {
    await createUser(ctx, tx, { userId, passwordHash: null })
    if (wanted.inhibitLogin) return { user_id: userId, home_server: ctx.config.server_name }
    return openSession(ctx, tx, { ...wanted, userId })
  })
}

/**
 * @param login.userId undefined if what was sent names nobody here
 * @returns as `openSession`
 * @throws 401 M_MISSING_TOKEN, M_UNKNOWN_TOKEN · 400 M_EXCLUSIVE · 403 M_FORBIDDEN no such user ·
 *   403 M_USER_DEACTIVATED
 * Spec: POST /login, `m.login.application_service`
 */
export async function logInForAppService(
  ctx: Context,
  token: string | undefined,
  login: Device & { userId: string | undefined },
): Promise<JsonObject> {
  const service = serviceOf(ctx, token)
  const userId = login.userId ?? ''
  ctx.appServices.assertMayMakeUser(userId, service)
  assertNotServer(ctx.config, userId)
  const user = await selectUser(ctx.db, userId)
  if (!user) throw forbidden('There is no such user')
  if (user.deactivated_ts !== null) throw userDeactivated()
  return transaction(ctx.db, tx => openSession(ctx, tx, { ...login, userId }))
}
