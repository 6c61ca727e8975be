/** Making an account for whoever asks. */
import { selectUser, upgradeGuest } from '../../db/accounts.ts'
import { transaction } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import type { AppService } from '../matrix/app-service.ts'
import {
  forbidden,
  guestAccessForbidden,
  invalidUsername,
  missingParam,
  unknownToken,
  userInUse,
} from '../matrix/errors.ts'
import type { Context } from './context.ts'
import { findRequester } from './find-requester.ts'
import { type Device, openFirstSession, openSession } from './sessions.ts'
import { type AuthData, demand } from './uia.ts'
import {
  createUser,
  hashNewPassword,
  noticesUserId,
  randomUsername,
  userIdOfUsername,
} from './users.ts'

/**
 * The user id that somebody who registers under this name would get now.
 *
 * @param asker the application service that asks
 * @throws 400 M_INVALID_USERNAME · 400 M_EXCLUSIVE · 400 M_USER_IN_USE
 * Spec: GET /register/available
 */
export async function freeUserId(
  ctx: Context,
  username: string,
  asker?: AppService,
): Promise<string> {
  const userId = userIdOfUsername(username, ctx.config.server_name)
  ctx.appServices.assertMayMakeUser(userId, asker)
  if (userId === noticesUserId(ctx.config)) throw userInUse()
  if (await selectUser(ctx.db, userId)) throw userInUse()
  return userId
}

/**
 * Make an account and, unless `inhibitLogin`, log its first device in. The name is looked at before
 * any proof is asked for.
 *
 * @param wanted with `guestAccessToken`, that guest becomes a full user, under the guest's own name;
 *   without `username` a name is made up; without `password` there is no password login
 * @returns as `openSession`; with `inhibitLogin` only `user_id` and `home_server`
 * @throws 403 M_FORBIDDEN registration is switched off · 400 M_INVALID_USERNAME ·
 *   400 M_USER_IN_USE · 401 with `flows` · for a guest 401 M_UNKNOWN_TOKEN, 400 M_MISSING_PARAM
 * Spec: POST /register
 */
export async function register(
  ctx: Context,
  wanted: Device & {
    username: string | undefined
    password: string | undefined
    auth: AuthData
    inhibitLogin: boolean
    guestAccessToken: string | undefined
  },
): Promise<JsonObject> {
  if (!ctx.config.registration) throw forbidden('Registration is switched off')
  const guest = await findGuest(ctx, wanted)
  const userId = guest ?? (await freeUserId(ctx, wanted.username ?? randomUsername()))
  await demand(ctx, 'm.login.dummy', wanted.auth)
  const passwordHash =
    wanted.password === undefined ? null : await hashNewPassword(ctx, wanted.password)
  return transaction(ctx.db, async tx => {
    if (guest === undefined) await createUser(ctx, tx, { userId, passwordHash })
    else if (!(await upgradeGuest(tx, guest, passwordHash))) throw userInUse()
    if (wanted.inhibitLogin) return { user_id: userId, home_server: ctx.config.server_name }
    const open = guest === undefined ? openFirstSession : openSession
    return open(ctx, tx, { ...wanted, userId })
  })
}

/**
 * The guest who wants to become a full user.
 *
 * @throws 401 M_UNKNOWN_TOKEN not a guest's token · 400 M_MISSING_PARAM no `username` ·
 *   400 M_INVALID_USERNAME another than the guest's
 * Spec: "Guest Access"
 */
async function findGuest(
  ctx: Context,
  wanted: { guestAccessToken: string | undefined; username: string | undefined },
): Promise<string | undefined> {
  if (wanted.guestAccessToken === undefined) return undefined
  const { userId, isGuest } = await findRequester(ctx, wanted.guestAccessToken)
  if (!isGuest) throw unknownToken()
  if (wanted.username === undefined) throw missingParam('username is missing: the guest has one')
  if (userIdOfUsername(wanted.username, ctx.config.server_name) !== userId) {
    throw invalidUsername('A guest keeps the name')
  }
  return userId
}

/**
 * Make a guest and log their one device in: no name of their own, no password, no proof.
 *
 * @returns as `openSession`
 * @throws 403 M_GUEST_ACCESS_FORBIDDEN there are no guests here
 * Spec: POST /register?kind=guest
 */
export async function registerGuest(
  ctx: Context,
  displayName: string | undefined,
): Promise<JsonObject> {
  if (!ctx.config.guests) throw guestAccessForbidden('There are no guests here')
  const userId = await freeUserId(ctx, randomUsername())
  return transaction(ctx.db, async tx => {
    await createUser(ctx, tx, { userId, passwordHash: null, isGuest: true })
    return openFirstSession(ctx, tx, { userId, displayName })
  })
}
