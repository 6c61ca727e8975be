/** What users do with their own account: a new password, and the end of it. */
import { deleteAccountData } from '../../db/account-data.ts'
import { lockUser, markDeactivated, updatePassword } from '../../db/accounts.ts'
import { deleteCrossSigning } from '../../db/cross-signing.ts'
import { cancelAllScheduled, selectRoomsOfScheduled } from '../../db/delayed-events.ts'
import { deleteFinalisedOf } from '../../db/delayed-events-retention.ts'
import { deleteFilters } from '../../db/filters.ts'
import { deleteBackups } from '../../db/key-backup.ts'
import { selectMembershipsBetween } from '../../db/memberships.ts'
import { deleteProfileFields } from '../../db/profiles.ts'
import { deletePushData } from '../../db/push.ts'
import { deletePrivateReceipts } from '../../db/receipts.ts'
import { lockRooms } from '../../db/rooms.ts'
import { deleteThreadSubscriptions } from '../../db/thread-subscriptions.ts'
import { type Db, transaction } from '../../db/transaction.ts'
import type { Requester } from '../requester.ts'
import { finalising } from '../rooms/finalising.ts'
import { leaveForGood } from '../rooms/membership.ts'
import type { Context } from './context.ts'
import { endDevices } from './devices.ts'
import { endLoginTokens } from './log-in-by-token.ts'
import { type AuthData, demand } from './uia.ts'
import { hashNewPassword } from './users.ts'

/**
 * Set a new password and, unless told otherwise, end every device but the one that asks.
 *
 * @throws 401 with `flows`, until the present password is given · 403 M_FORBIDDEN another user's
 * Spec: POST /account/password
 */
export async function changePassword(
  ctx: Context,
  { userId, deviceId }: Requester,
  change: { password: string; logoutDevices: boolean; auth: AuthData },
): Promise<void> {
  await demand(ctx, 'm.login.password', change.auth, userId, 'password')
  const passwordHash = await hashNewPassword(ctx, change.password)
  await transaction(ctx.db, async tx => {
    await updatePassword(tx, userId, passwordHash)
    if (!change.logoutDevices) return
    await endDevices(ctx, tx, userId, { allBut: deviceId })
    await endLoginTokens(ctx, tx, userId)
  })
}

/**
 * Close an account for good: in no room, no password, no devices, nothing scheduled, and nothing
 * kept that only its user could read. The name stays taken.
 *
 * @param erase what they said is shown redacted to who was not in the room until now
 * @throws 401 with `flows`, until the password is given · 403 M_FORBIDDEN another user's
 * Spec: POST /account/deactivate
 */
export async function deactivate(
  ctx: Context,
  requester: Requester,
  { auth, erase }: { auth: AuthData; erase: boolean },
): Promise<void> {
  const { userId, appService } = requester
  // The users of application services have no password.
  if (!appService) await demand(ctx, 'm.login.password', auth, userId, 'deactivate')
  await closeAccount(ctx, userId, { erase })
}

/** As {@link deactivate}, without asking. */
export async function closeAccount(
  ctx: Context,
  userId: string,
  { erase }: { erase: boolean },
): Promise<void> {
  await leaveAllRooms(ctx, userId)
  await transaction(ctx.db, async tx => {
    // From here on nothing can be scheduled, so that nothing scheduled comes back to life.
    await lockUser(tx, userId)
    // Lock order: the user, the rooms, and then what is scheduled for them.
    await lockRooms(tx, await selectRoomsOfScheduled(tx, userId))
    const end = finalising(ctx, tx)
    end.note(await cancelAllScheduled(tx, userId, end))
    await deleteFinalisedOf(tx, userId)
    await markDeactivated(tx, userId, ctx.clock.now())
    await endDevices(ctx, tx, userId, 'all')
    await deleteCrossSigning(tx, userId)
    await deleteBackups(tx, userId)
    const rooms = await membershipsOf(ctx, tx, userId)
    const roomIds = rooms.map(room => room.room_id)
    await deletePrivateReceipts(tx, userId, roomIds)
    await deleteAccountData(tx, userId)
    await deleteFilters(tx, userId)
    await deletePushData(tx, userId)
    await deleteThreadSubscriptions(tx, userId)
    await deleteProfileFields(tx, userId)
    if (erase) await ctx.erasures.erase(tx, userId, ctx.positions.latest())
  })
  // A delayed event may have fallen due in between, and that may have been a join.
  await leaveAllRooms(ctx, userId)
}

/** All rooms that they have ever had to do with. */
function membershipsOf(ctx: Context, db: Db, userId: string) {
  const now = ctx.positions.latest()
  return selectMembershipsBetween(db, userId, now, now)
}

/** One room after the other, each locked by itself. If we die on the way, asking again goes on. */
async function leaveAllRooms(ctx: Context, userId: string): Promise<void> {
  for (const room of await membershipsOf(ctx, ctx.db, userId)) {
    const isInvolved = ['join', 'invite', 'knock'].includes(room.membership)
    if (isInvolved) await leaveForGood(ctx, userId, room.room_id)
  }
}
