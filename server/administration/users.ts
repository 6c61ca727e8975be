/**
 * What administrators do with the accounts of others, in the shapes of Synapse.
 *
 * Spec: Synapse "User Admin API"
 */
import {
  countUsers,
  selectUser,
  selectUserPage,
  type UserFilter,
  type UserPage,
  updateIsAdmin,
  updatePassword,
} from '../../db/accounts.ts'
import type { UserRow } from '../../db/schema.ts'
import { transaction } from '../../db/transaction.ts'
import { endDevices } from '../accounts/devices.ts'
import { endLoginTokens } from '../accounts/log-in-by-token.ts'
import { closeAccount } from '../accounts/own-account.ts'
import { ensureUser, hashNewPassword, noticesUserId, userIdOfUsername } from '../accounts/users.ts'
import type { JsonObject } from '../lib/json.ts'
import { forbidden, invalidParam, unknown } from '../matrix/errors.ts'
import { domainOf, localpartOf } from '../matrix/ids.ts'
import type { Requester } from '../requester.ts'
import type { Restriction } from '../rooms/restrictions.ts'
import { setProfileField } from '../user-data/profiles.ts'
import type { Context } from './context.ts'
import { findUser } from './find-user.ts'
import { assertMayRestrict, setLocked } from './moderation.ts'

/** As Synapse shows a user; times are Unix ms. */
export function describeUser(ctx: Context, user: UserRow): JsonObject {
  return {
    name: user.user_id,
    displayname: user.displayname,
    avatar_url: user.avatar_url,
    admin: user.is_admin,
    is_guest: user.is_guest,
    deactivated: user.deactivated_ts !== null,
    locked: ctx.restrictions.of(user.user_id).isLocked,
    suspended: ctx.restrictions.of(user.user_id).isSuspended,
    erased: ctx.erasures.erased.has(user.user_id),
    creation_ts: user.created_ts,
  }
}

/** A page of the users that pass a filter, and how many they are. */
export async function listUsers(
  ctx: Context,
  filter: UserFilter,
  page: UserPage,
): Promise<JsonObject> {
  const users = await selectUserPage(ctx.db, filter, page)
  const total = await countUsers(ctx.db, filter)
  const next = page.from + users.length
  return {
    users: users.map(user => describeUser(ctx, user)),
    total,
    ...(next < total ? { next_token: String(next) } : {}),
  }
}

/** What is undefined stays as it is. */
export interface UserChange {
  password: string | undefined
  /** Empty: none. */
  displayname: string | undefined
  /** Empty: none. */
  avatarUrl: string | undefined
  isAdmin: boolean | undefined
  /** True closes the account; false is what a living one is. */
  isDeactivated: boolean | undefined
  isLocked: boolean | undefined
  /** With a new password, end the devices. */
  logoutDevices: boolean
}

/**
 * Make a user, or change one. What is refused changes nothing.
 *
 * @returns whether there was none
 * @throws 400 M_INVALID_PARAM a user of another server, a deactivated one, or the server's own ·
 *   400 M_INVALID_USERNAME · as {@link setAdmin}, and {@link assertMayRestrict} if it is to be locked
 * Spec: Synapse PUT /_synapse/admin/v2/users/{userId}
 */
export async function createOrChangeUser(
  ctx: Context,
  requester: Requester,
  userId: string,
  change: UserChange,
): Promise<boolean> {
  if (domainOf(userId) !== ctx.config.server_name) {
    throw invalidParam(`${userId} is not a user of this server`)
  }
  if (userId === noticesUserId(ctx.config)) throw invalidParam('That is the server itself')
  const known = await selectUser(ctx.db, userId)
  const present = ctx.restrictions.of(userId)
  const { isLocked = present.isLocked } = change
  const changesLock = isLocked !== present.isLocked
  if (change.isAdmin) assertUnrestricted({ ...present, isLocked })
  if (known && changesLock) await assertMayRestrict(ctx, requester, userId)
  const isNew = !known && (await makeUser(ctx, userId, change))
  // Before anything makes an administrator of them: those are not unlocked.
  if (changesLock) await setLocked(ctx, requester, userId, isLocked)
  if (!isNew) await changeUser(ctx, requester, known ?? (await findUser(ctx, userId)), change)
  if (change.isDeactivated) await closeAccount(ctx, userId, { erase: false })
  return isNew
}

/** @returns false if somebody else has just made them */
async function makeUser(ctx: Context, userId: string, change: UserChange): Promise<boolean> {
  const { password, displayname, avatarUrl, isAdmin } = change
  if (userIdOfUsername(localpartOf(userId), ctx.config.server_name) !== userId) {
    throw invalidParam('User IDs are in small letters')
  }
  const user = {
    userId,
    passwordHash: password === undefined ? null : await hashNewPassword(ctx, password),
    isAdmin: isAdmin ?? false,
    displayname: displayname || undefined,
    avatarUrl: avatarUrl || undefined,
  }
  return (await transaction(ctx.db, tx => ensureUser(ctx, tx, user))) === 'created'
}

async function changeUser(
  ctx: Context,
  requester: Requester,
  { user_id: userId, deactivated_ts: deactivatedTs }: UserRow,
  change: UserChange,
): Promise<void> {
  const { password, displayname, avatarUrl, isAdmin, isDeactivated, logoutDevices } = change
  if (isAdmin === false) assertMayDemote(requester, userId)
  // An account that is closed has none of the rest: closing it once more is as good as once.
  if (!isDeactivated) {
    const isOfTheLiving = [password, displayname, avatarUrl, isDeactivated].some(
      wish => wish !== undefined,
    )
    if (deactivatedTs !== null && isOfTheLiving) throw invalidParam(`${userId} is deactivated`)
    if (password !== undefined) await resetPassword(ctx, userId, { password, logoutDevices })
    if (displayname !== undefined) await setProfileField(ctx, userId, 'displayname', displayname)
    if (avatarUrl !== undefined) await setProfileField(ctx, userId, 'avatar_url', avatarUrl)
  }
  if (isAdmin !== undefined) await setAdmin(ctx, requester, userId, isAdmin)
}

/**
 * @throws 404 M_NOT_FOUND · 400 M_INVALID_PARAM a user of another server, a deactivated one, or the
 *   server's own
 * Spec: Synapse POST /_synapse/admin/v1/reset_password/{userId}
 */
export async function resetPassword(
  ctx: Context,
  userId: string,
  change: { password: string; logoutDevices: boolean },
): Promise<void> {
  const user = await findUser(ctx, userId)
  if (user.deactivated_ts !== null) throw invalidParam(`${userId} is deactivated`)
  if (userId === noticesUserId(ctx.config))
    throw invalidParam('Nobody logs in as the server itself')
  const passwordHash = await hashNewPassword(ctx, change.password)
  await transaction(ctx.db, async tx => {
    await updatePassword(tx, userId, passwordHash)
    if (!change.logoutDevices) return
    await endDevices(ctx, tx, userId, 'all')
    await endLoginTokens(ctx, tx, userId)
  })
}

/**
 * @throws 404 M_NOT_FOUND · 400 M_UNKNOWN nobody ceases to be an administrator by their own hand ·
 *   403 M_FORBIDDEN nobody becomes one who is locked or suspended
 * Spec: Synapse PUT /_synapse/admin/v1/users/{userId}/admin
 */
export async function setAdmin(
  ctx: Context,
  requester: Requester,
  userId: string,
  isAdmin: boolean,
): Promise<void> {
  await findUser(ctx, userId)
  if (isAdmin) assertUnrestricted(ctx.restrictions.of(userId))
  else assertMayDemote(requester, userId)
  await transaction(ctx.db, tx => updateIsAdmin(tx, userId, isAdmin))
}

/** Of an administrator neither could be taken back. */
function assertUnrestricted({ isLocked, isSuspended }: Restriction): void {
  if (isLocked || isSuspended) throw forbidden('Administrators are neither locked nor suspended')
}

function assertMayDemote(requester: Requester, userId: string): void {
  if (requester.userId === userId) throw unknown('You may not demote yourself')
}

/**
 * Close an account for good. What one said may still be erased when it is closed already.
 *
 * @throws 404 M_NOT_FOUND · 400 M_INVALID_PARAM a user of another server, or the server's own
 * Spec: Synapse POST /_synapse/admin/v1/deactivate/{userId}
 */
export async function deactivateUser(
  ctx: Context,
  userId: string,
  wish: { erase: boolean },
): Promise<void> {
  await findUser(ctx, userId)
  if (userId === noticesUserId(ctx.config)) throw invalidParam('That is the server itself')
  await closeAccount(ctx, userId, wish)
}
