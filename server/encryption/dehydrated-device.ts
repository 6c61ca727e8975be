/**
 * A dehydrated device: nobody is logged in with it, but it receives room keys while all of the
 * user's other devices are away. Its messages are kept until it is replaced or deleted.
 *
 * Spec: MSC3814, as matrix-js-sdk 43 uses it
 */
import { deleteSignaturesOfKeys, selectCrossSigningKeys } from '../../db/cross-signing.ts'
import { insertDehydratedDevice, selectDehydratedDevice } from '../../db/dehydrated-devices.ts'
import { deleteDevices, insertDevice, selectDevice } from '../../db/sessions.ts'
import { selectToDevice } from '../../db/to-device.ts'
import { type Tx, transaction } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import { forbidden, invalidParam, notFound } from '../matrix/errors.ts'
import type { Requester } from '../requester.ts'
import { lockOwnAccount } from '../rooms/account-in-use.ts'
import { noteDevicesChanged } from '../rooms/device-lists.ts'
import { parseToken } from '../stream/token.ts'
import type { Context } from './context.ts'
import { checkedUpload } from './device-keys.ts'

/** How many messages are handed over at once. */
const pageSize = 100

/**
 * Put a dehydrated device in the place of the one that the user may have had.
 *
 * @throws as `uploadKeys` · 403 M_FORBIDDEN the id is that of another device or key of the user
 */
export function putDehydratedDevice(
  ctx: Context,
  { userId }: Requester,
  device: {
    deviceId: string
    deviceData: JsonObject
    displayName: string | undefined
    deviceKeys: JsonObject
    oneTimeKeys: JsonObject | undefined
    fallbackKeys: JsonObject | undefined
  },
): Promise<void> {
  const { deviceId } = device
  const publish = checkedUpload({ userId, deviceId }, device)
  return transaction(ctx.db, async tx => {
    await lockOwnAccount(tx, userId)
    await removeStored(ctx, tx, userId)
    const crossSigning = await selectCrossSigningKeys(tx, [userId])
    const isTaken =
      (await selectDevice(tx, userId, deviceId)) !== undefined ||
      crossSigning.some(key => key.public_key === deviceId)
    if (isTaken) throw forbidden('That device ID is in use')
    await insertDevice(tx, {
      user_id: userId,
      device_id: deviceId,
      display_name: device.displayName ?? null,
      created_ts: ctx.clock.now(),
      last_seen_ts: null,
      last_seen_ip: null,
      last_seen_user_agent: null,
    })
    const device_data = JSON.stringify(device.deviceData)
    await insertDehydratedDevice(tx, { user_id: userId, device_id: deviceId, device_data })
    await publish(ctx, tx)
  })
}

/** @returns `{ device_id, device_data }` @throws 404 M_NOT_FOUND */
export async function findDehydratedDevice(
  ctx: Context,
  { userId }: Requester,
): Promise<JsonObject> {
  const device = await selectDehydratedDevice(ctx.db, userId)
  if (!device) throw notFound('There is no dehydrated device')
  return {
    device_id: device.device_id,
    device_data: JSON.parse(device.device_data) as JsonObject,
  }
}

/** @returns its id @throws 404 M_NOT_FOUND */
export function removeDehydratedDevice(ctx: Context, { userId }: Requester): Promise<string> {
  return transaction(ctx.db, async tx => {
    await lockOwnAccount(tx, userId)
    const deviceId = await removeStored(ctx, tx, userId)
    if (deviceId === undefined) throw notFound('There is no dehydrated device')
    return deviceId
  })
}

/**
 * A page of the messages that it has received; none is deleted, so that whoever is interrupted can
 * begin again.
 *
 * @param from `next_batch` of the page before
 * @returns `{ events, next_batch? }`, without `next_batch` when there is nothing more to come
 * @throws 403 M_FORBIDDEN that is not the user's dehydrated device · 400 M_INVALID_PARAM
 */
export async function readDehydratedMessages(
  ctx: Context,
  { userId }: Requester,
  deviceId: string,
  from: string | undefined,
): Promise<JsonObject> {
  const device = await selectDehydratedDevice(ctx.db, userId)
  if (device?.device_id !== deviceId) throw forbidden('That is not your dehydrated device')
  const after = from === undefined ? 0 : positionOf(ctx, from)
  const upTo = ctx.positions.settled()
  const rows = await selectToDevice(ctx.db, userId, deviceId, after, upTo, pageSize)
  const last = rows.at(-1)
  return {
    events: rows.map(row => JSON.parse(row.message) as JsonObject),
    // matrix-js-sdk asks until this is missing; the MSC, until there are no events.
    ...(last ? { next_batch: `s${last.position}` } : {}),
  }
}

function positionOf(ctx: Context, token: string): number {
  if (!/^s\d+$/.test(token)) throw invalidParam('That is not a next_batch of this device')
  return parseToken(token, ctx.positions.latest()).position
}

/** @returns the id of the device that was there */
async function removeStored(ctx: Context, tx: Tx, userId: string): Promise<string | undefined> {
  const device = await selectDehydratedDevice(tx, userId)
  if (!device) return undefined
  await deleteDevices(tx, userId, [device.device_id])
  ctx.keyCounts.forget(tx, userId)
  await deleteSignaturesOfKeys(tx, userId, [device.device_id])
  await noteDevicesChanged(ctx, tx, userId)
  return device.device_id
}
