/** Logging in without a password: by a token of another device, or by one that others have signed. */
import { selectUser } from '../../db/accounts.ts'
import { deleteTicket, deleteTicketsOf, insertTicket, selectTicket } from '../../db/tickets.ts'
import { type Tx, transaction } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import { hashSecret, randomToken } from '../lib/random.ts'
import { forbidden, MatrixError } from '../matrix/errors.ts'
import type { Requester } from '../requester.ts'
import type { Context } from './context.ts'
import { readJwt } from './jwt.ts'
import { type Device, openSession } from './sessions.ts'
import { type AuthData, demand } from './uia.ts'
import { assertNotServer, ensureUser, userIdOfUsername } from './users.ts'

/**
 * A token with which another device logs in, once.
 *
 * @returns `{ login_token, expires_in_ms }`
 * @throws 401 with `flows`, until the user's password is given · 403 M_FORBIDDEN another user's
 * Spec: POST /login/get_token
 */
export async function giveLoginToken(
  ctx: Context,
  { userId }: Requester,
  auth: AuthData,
): Promise<JsonObject> {
  await demand(ctx, 'm.login.password', auth, userId, 'get_token')
  const token = `hgl_${randomToken(32)}`
  const lifetimeMs = ctx.config.login_token_lifetime_ms
  await transaction(ctx.db, tx =>
    insertTicket(tx, {
      ticket_hash: hashSecret(token),
      kind: 'login',
      user_id: userId,
      expires_ts: ctx.clock.now() + lifetimeMs,
    }),
  )
  return { login_token: token, expires_in_ms: lifetimeMs }
}

/**
 * @returns as `openSession`
 * @throws 403 M_FORBIDDEN the token is none, has expired or has been used · 403 M_USER_DEACTIVATED
 * Spec: POST /login, `m.login.token`
 */
export function logInByLoginToken(
  ctx: Context,
  token: string,
  device: Device,
): Promise<JsonObject> {
  return transaction(ctx.db, async tx => {
    const noGood = forbidden('That login token is unknown, used, or has expired')
    const ticket = await selectTicket(tx, 'login', hashSecret(token))
    if (!ticket || ticket.expires_ts <= ctx.clock.now()) throw noGood
    const session = await openSession(ctx, tx, { ...device, userId: ticket.user_id })
    // Only now, under the user's row: it may just have been used, or have ended with a password.
    if (!(await deleteTicket(tx, 'login', ticket.ticket_hash))) throw noGood
    return session
  })
}

/** The user's sessions are being ended: what another could be opened with goes, too. */
export async function endLoginTokens(ctx: Context, tx: Tx, userId: string): Promise<void> {
  const now = ctx.clock.now()
  const upTo = now + ctx.config.login_token_lifetime_ms
  await deleteTicketsOf(tx, 'login', userId, { after: now, upTo })
}

/**
 * Log in the user whom the token names; one who is not here yet is made.
 *
 * @returns as `openSession`
 * @throws 403 M_FORBIDDEN · 403 M_USER_DEACTIVATED · 400 M_EXCLUSIVE
 */
export async function logInByJwt(ctx: Context, token: string, device: Device): Promise<JsonObject> {
  const { username, displayName } = await readJwt(ctx, token)
  const userId = userIdOfSubject(ctx, username)
  assertNotServer(ctx.config, userId)
  return transaction(ctx.db, async tx => {
    if (!(await selectUser(tx, userId))) {
      ctx.appServices.assertMayMakeUser(userId, undefined)
      // Another device of theirs may make them at the same moment.
      await ensureUser(ctx, tx, { userId, passwordHash: null, displayname: displayName })
    }
    return openSession(ctx, tx, { ...device, userId })
  })
}

function userIdOfSubject(ctx: Context, username: string): string {
  try {
    return userIdOfUsername(username, ctx.config.server_name)
  } catch (error) {
    throw error instanceof MatrixError ? forbidden(error.message) : error
  }
}
