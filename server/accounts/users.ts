/** Users: their names, their making, their passwords. */
import { insertUser, selectUser } from '../../db/accounts.ts'
import type { UserRow } from '../../db/schema.ts'
import type { Tx } from '../../db/transaction.ts'
import type { Config } from '../config.ts'
import { randomLetters } from '../lib/random.ts'
import { isStorable } from '../lib/storable.ts'
import { forbidden, invalidUsername, userDeactivated, userInUse } from '../matrix/errors.ts'
import { isUserId, isValidLocalpart, makeUserId } from '../matrix/ids.ts'
import type { Context } from './context.ts'
import { hashPassword, isPassword } from './password.ts'

/**
 * The user id that a wanted name leads to; names are folded to lower case.
 *
 * @throws 400 M_INVALID_USERNAME
 */
export function userIdOfUsername(username: string, serverName: string): string {
  const localpart = username.toLowerCase()
  if (!isValidLocalpart(localpart, serverName)) {
    throw invalidUsername('User names have letters, digits and ._=-/+ only, and 255 bytes in all')
  }
  return makeUserId(localpart, serverName)
}

/** The user as whom the server itself speaks. */
export function noticesUserId(config: Config): string {
  return makeUserId(config.server_notices.localpart, config.server_name)
}

/** @throws 403 M_FORBIDDEN as the server itself nobody comes in, however they prove who they are */
export function assertNotServer(config: Config, userId: string): void {
  if (userId === noticesUserId(config)) throw forbidden('That is the server itself')
}

/**
 * A name that a user can be made with. It stands in every membership event, which has 65536 bytes in all.
 */
export function isDisplayName(name: unknown): name is string {
  return typeof name === 'string' && isStorable(name) && Buffer.byteLength(name) <= 255
}

/** A name for somebody who did not choose one. */
export function randomUsername(): string {
  return randomLetters(12).toLowerCase()
}

/**
 * The user id that a login means, from a full id or a localpart, in any case, in `identifier` or,
 * as old clients do, at the top. Undefined if it names nobody.
 */
export function userIdOfLogin(
  login: {
    user?: string | null | undefined
    identifier?: { type: string; user?: string | null | undefined } | null | undefined
  },
  serverName: string,
): string | undefined {
  if (login.identifier && login.identifier.type !== 'm.id.user') return undefined
  const name = (login.identifier?.user ?? login.user)?.toLowerCase()
  if (!name) return undefined
  const userId = name.startsWith('@') ? name : makeUserId(name, serverName)
  return isUserId(userId) ? userId : undefined
}

interface NewUser {
  userId: string
  passwordHash: string | null
  isGuest?: boolean
  isAdmin?: boolean
  displayname?: string | undefined
  avatarUrl?: string | undefined
}

/**
 * @throws 400 M_USER_IN_USE
 * Spec: POST /register
 */
export async function createUser(ctx: Context, tx: Tx, user: NewUser): Promise<void> {
  if ((await ensureUser(ctx, tx, user)) === 'taken') throw userInUse()
}

/**
 * Make a user, unless there is one of that name: who was first, perhaps in this very moment, stays as
 * they are.
 *
 * @throws 400 M_USER_IN_USE for the server's own name
 */
export async function ensureUser(
  ctx: Context,
  tx: Tx,
  user: NewUser,
): Promise<'created' | 'taken'> {
  // As them only the server itself speaks.
  if (user.userId === noticesUserId(ctx.config)) throw userInUse()
  return insertUser(tx, {
    user_id: user.userId,
    password_hash: user.passwordHash,
    is_guest: user.isGuest ?? false,
    is_admin: user.isAdmin ?? false,
    created_ts: ctx.clock.now(),
    deactivated_ts: null,
    displayname: user.displayname ?? null,
    avatar_url: user.avatarUrl ?? null,
  })
}

/**
 * @returns the user, with the password that was proven
 * @throws 403 M_FORBIDDEN, the same for an unknown user and a wrong password ·
 *   403 M_USER_DEACTIVATED
 */
export async function provePassword(
  ctx: Context,
  userId: string | undefined,
  password: string,
): Promise<UserRow> {
  const user = userId === undefined ? undefined : await selectUser(ctx.db, userId)
  if (user && user.deactivated_ts !== null) throw userDeactivated()
  if (!user?.password_hash || !(await isPassword(password, user.password_hash))) {
    throw forbidden('Wrong user name or password')
  }
  return user
}

/** The hash of a new password at the configured cost. */
export function hashNewPassword(ctx: Context, password: string): Promise<string> {
  return hashPassword(password, ctx.config.password_hash_cost)
}
