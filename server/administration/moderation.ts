/**
 * Locking and suspending accounts, and taking that back.
 *
 * Spec: Client-Server API "Server administration"; MSC4323
 */
import { lockUser } from '../../db/accounts.ts'
import { type Tx, transaction } from '../../db/transaction.ts'
import { noticesUserId } from '../accounts/users.ts'
import { forbidden, notFound } from '../matrix/errors.ts'
import type { Requester } from '../requester.ts'
import type { Context } from './context.ts'
import { findUser } from './find-user.ts'

/**
 * Whether an account is locked, and whether it is suspended.
 *
 * @throws 400 M_INVALID_PARAM a user of another server · 404 M_NOT_FOUND, also for a closed account ·
 *   403 M_FORBIDDEN another administrator
 */
export async function readRestriction(
  ctx: Context,
  requester: Requester,
  userId: string,
): Promise<{ isLocked: boolean; isSuspended: boolean }> {
  const user = await findUser(ctx, userId)
  if (user.deactivated_ts !== null) throw notFound(`There is no user ${userId}`)
  const isAnother = userId !== requester.userId
  if (isAnother && (user.is_admin || userId === noticesUserId(ctx.config))) {
    throw forbidden('That is an administrator, too')
  }
  return ctx.restrictions.of(userId)
}

/** @throws as {@link readRestriction} · 403 M_FORBIDDEN oneself */
export async function assertMayRestrict(
  ctx: Context,
  requester: Requester,
  userId: string,
): Promise<void> {
  await readRestriction(ctx, requester, userId)
  if (userId === requester.userId) throw forbidden('That is your own account')
}

/**
 * Lock an account, or unlock it. Its sessions stay, and rest meanwhile.
 *
 * @throws as {@link assertMayRestrict}
 */
export function setLocked(
  ctx: Context,
  requester: Requester,
  userId: string,
  isLocked: boolean,
): Promise<void> {
  return restrict(ctx, requester, userId, async tx => {
    await ctx.restrictions.setLocked(tx, userId, isLocked)
    if (isLocked) ctx.sessionEnds.noteLocked(tx, userId)
  })
}

/** Suspend an account, or take that back. @throws as {@link setLocked} */
export function setSuspended(
  ctx: Context,
  requester: Requester,
  userId: string,
  isSuspended: boolean,
): Promise<void> {
  return restrict(ctx, requester, userId, tx =>
    ctx.restrictions.setSuspended(tx, userId, isSuspended),
  )
}

async function restrict(
  ctx: Context,
  requester: Requester,
  userId: string,
  change: (tx: Tx) => Promise<void>,
): Promise<void> {
  await assertMayRestrict(ctx, requester, userId)
  await transaction(ctx.db, async tx => {
    if (!(await lockUser(tx, userId))) throw notFound(`There is no user ${userId}`)
    await change(tx)
  })
}
