/** What users do with their devices, other than logging in with one. */
import { deleteDevices, selectDevice, updateDeviceName } from '../../db/sessions.ts'
import { transaction } from '../../db/transaction.ts'
import type { Context } from '../context.ts'
import { notFound } from '../matrix/errors.ts'
import type { Requester } from './requester.ts'
import { type AuthData, demand } from './uia.ts'

/**
 * @param displayName undefined leaves the name as it is
 * @throws 404 M_NOT_FOUND
 * Spec: PUT /devices/{deviceId}
 */
export function renameDevice(
  ctx: Context,
  { userId }: Requester,
  deviceId: string,
  displayName: string | undefined,
): Promise<void> {
  return transaction(ctx.db, async tx => {
    if (!(await selectDevice(tx, userId, deviceId))) throw notFound('There is no such device')
    if (displayName !== undefined) await updateDeviceName(tx, userId, deviceId, displayName)
  })
}

/**
 * End these devices and their sessions; those that are gone already do not matter.
 *
 * @throws 401 with `flows`, until the user's password is given · 403 M_FORBIDDEN another user's
 * Spec: DELETE /devices/{deviceId}, POST /delete_devices
 */
export async function removeDevices(
  ctx: Context,
  { userId }: Requester,
  deviceIds: readonly string[],
  auth: AuthData,
): Promise<void> {
  await demand(ctx, 'm.login.password', auth, userId)
  await transaction(ctx.db, tx => deleteDevices(tx, userId, deviceIds))
}
