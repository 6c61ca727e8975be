/** Making an account for whoever asks. */
import { selectUser } from '../../db/accounts.ts'
import { transaction } from '../../db/transaction.ts'
import type { Context } from '../context.ts'
import type { JsonObject } from '../lib/json.ts'
import { forbidden, userInUse } from '../matrix/errors.ts'
import { openSession } from './sessions.ts'
import { type AuthData, demand } from './uia.ts'
import { createUser, hashNewPassword, randomUsername, userIdOfUsername } from './users.ts'

/**
 * The user id that somebody who registers under this name would get now.
 *
 * @throws 400 M_INVALID_USERNAME · 400 M_USER_IN_USE
 * Spec: GET /register/available
 */
export async function freeUserId(ctx: Context, username: string): Promise<string> {
  const userId = userIdOfUsername(username, ctx.config.server_name)
  if (await selectUser(ctx.db, userId)) throw userInUse()
  return userId
}

/**
 * Make an account and, unless `inhibitLogin`, log its first device in. The name is looked at before
 * any proof is asked for.
 *
 * @param wanted without `username` a name is made up; without `password` there is no password login
 * @returns as `openSession`; with `inhibitLogin` only `user_id` and `home_server`
 * @throws 403 M_FORBIDDEN registration is switched off · 400 M_INVALID_USERNAME ·
 *   400 M_USER_IN_USE · 401 with `flows`
 * Spec: POST /register
 */
export async function register(
  ctx: Context,
  wanted: {
    username: string | undefined
    password: string | undefined
    auth: AuthData
    inhibitLogin: boolean
    deviceId: string | undefined
    displayName: string | undefined
    wantsRefreshToken: boolean | undefined
  },
): Promise<JsonObject> {
  if (!ctx.config.registration) throw forbidden('Registration is switched off')
  const userId = await freeUserId(ctx, wanted.username ?? randomUsername())
  await demand(ctx, 'm.login.dummy', wanted.auth)
  const passwordHash =
    wanted.password === undefined ? null : await hashNewPassword(ctx, wanted.password)
  return transaction(ctx.db, async tx => {
    await createUser(ctx, tx, { userId, passwordHash })
    if (wanted.inhibitLogin) return { user_id: userId, home_server: ctx.config.server_name }
    return openSession(ctx, tx, { ...wanted, userId })
  })
}
