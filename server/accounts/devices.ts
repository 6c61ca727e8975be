/** What users do with their devices, other than logging in with one. */
import { deleteSignaturesOfKeys } from '../../db/cross-signing.ts'
import type { DeviceRow } from '../../db/schema.ts'
import {
  deleteAllDevices,
  deleteDevices,
  selectDevice,
  selectDevices,
  updateDeviceName,
} from '../../db/sessions.ts'
import { type Tx, transaction } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import { forbidden, notFound } from '../matrix/errors.ts'
import type { Requester } from '../requester.ts'
import { noteDevicesChanged } from '../rooms/device-lists.ts'
import type { Context } from './context.ts'
import type { DevicesOf } from './session-ends.ts'
import { makeDevice } from './sessions.ts'
import { type AuthData, demand } from './uia.ts'

/**
 * @param displayName undefined leaves the name as it is
 * @returns whether the device has only now been made, for an application service
 * @throws 404 M_NOT_FOUND
 * Spec: PUT /devices/{deviceId}
 */
export function renameDevice(
  ctx: Context,
  { userId, appService }: Requester,
  deviceId: string,
  displayName: string | undefined,
): Promise<boolean> {
  return transaction(ctx.db, async tx => {
    // MSC4190: what a service names in the name of its user, it makes.
    if (appService && (await makeDevice(ctx, tx, { userId, deviceId, displayName }))) return true
    if (!(await selectDevice(tx, userId, deviceId))) throw notFound('There is no such device')
    if (displayName === undefined) return false
    await updateDeviceName(tx, userId, deviceId, displayName)
    // The name is part of what /keys/query tells.
    await noteDevicesChanged(ctx, tx, userId)
    return false
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
  { userId, appService }: Requester,
  deviceIds: readonly string[],
  auth: AuthData,
): Promise<void> {
  // MSC4190: the users of application services have no password.
  if (!appService) {
    const operation = `delete ${JSON.stringify([...deviceIds].sort())}`
    await demand(ctx, 'm.login.password', auth, userId, operation)
  }
  await transaction(ctx.db, tx => endDevices(ctx, tx, userId, deviceIds))
}

/**
 * Devices cease to be, with all that is theirs; who tracks the user's keys hears of it. What a
 * device has signed goes too: another one may come to have its id.
 */
export async function endDevices(
  ctx: Context,
  tx: Tx,
  userId: string,
  deviceIds: DevicesOf,
): Promise<void> {
  const withKeys = Array.isArray(deviceIds)
    ? await deleteDevices(tx, userId, deviceIds)
    : await deleteAllDevices(
        tx,
        userId,
        typeof deviceIds === 'object' && 'allBut' in deviceIds ? deviceIds.allBut : undefined,
      )
  ctx.keyCounts.forget(tx, userId)
  ctx.sessionEnds.note(tx, userId, deviceIds)
  await deleteSignaturesOfKeys(tx, userId, withKeys)
  if (withKeys.length > 0) await noteDevicesChanged(ctx, tx, userId)
}

/** A user's devices, oldest first, with when they were last seen, to the last request. */
export async function listDevices(ctx: Context, userId: string): Promise<DeviceRow[]> {
  await ctx.lastSeen.write()
  return selectDevices(ctx.db, userId)
}

/** As {@link listDevices}, one of them. @throws 404 M_NOT_FOUND */
export async function findDevice(
  ctx: Context,
  userId: string,
  deviceId: string,
): Promise<DeviceRow> {
  await ctx.lastSeen.write()
  const device = await selectDevice(ctx.db, userId, deviceId)
  if (!device) throw notFound('There is no such device')
  return device
}

/**
 * Where a user's devices were last seen.
 *
 * @returns `{ user_id, devices: { [device_id]: { sessions: [{ connections }] } } }`
 * @throws 403 M_FORBIDDEN unless it is the user themself, or an administrator
 * Spec: GET /admin/whois/{userId}
 */
export async function whois(
  ctx: Context,
  requester: Requester,
  userId: string,
): Promise<JsonObject> {
  const isPermitted = requester.isAdmin || requester.userId === userId
  if (!isPermitted) throw forbidden('Only administrators may ask about others')
  const devices = (await listDevices(ctx, userId)).map(device => {
    const connections =
      device.last_seen_ts === null
        ? []
        : [
            {
              ip: device.last_seen_ip,
              last_seen: device.last_seen_ts,
              user_agent: device.last_seen_user_agent,
            },
          ]
    const entry: [string, JsonObject] = [device.device_id, { sessions: [{ connections }] }]
    return entry
  })
  return { user_id: userId, devices: Object.fromEntries(devices) }
}
