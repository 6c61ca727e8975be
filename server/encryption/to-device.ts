/** Messages from device to device, outside rooms. Each is delivered once. */
import { selectDevicesOf } from '../../db/sessions.ts'
import { deleteToDeviceUpTo, insertToDevice, selectToDevice } from '../../db/to-device.ts'
import { type Tx, transaction } from '../../db/transaction.ts'
import { isJsonObject, type JsonObject } from '../lib/json.ts'
import { badJson } from '../matrix/errors.ts'
import { isUserId } from '../matrix/ids.ts'
import { userTopic } from '../stream/notifier.ts'
import type { Context } from './context.ts'

/** user id → device id, or `*` for all that are not named → content */
type Messages = Map<string, Map<string, JsonObject>>

/**
 * Put messages into the inboxes of devices, and wake their users. Users and devices that do not
 * exist are passed over.
 *
 * @param sent.messages `{ user: { device: content } }`; a device `*` stands for all of the user's
 * @throws 400 M_BAD_JSON `messages` does not have that shape
 * Spec: PUT /sendToDevice/{eventType}/{txnId}
 */
export async function sendToDevice(
  ctx: Context,
  tx: Tx,
  sender: string,
  sent: { type: string; messages: JsonObject },
): Promise<void> {
  const messages = assertMessages(sent.messages)
  const devices = await selectDevicesOf(tx, [...messages.keys()])
  const inboxes = devices.flatMap(({ user_id, device_id }) => {
    const byDevice = messages.get(user_id)
    const content = byDevice?.get(device_id) ?? byDevice?.get('*')
    if (!content) return []
    return { user_id, device_id, message: JSON.stringify({ type: sent.type, sender, content }) }
  })
  if (inboxes.length === 0) return
  // A device gets one message at most, so one position serves them all.
  const users = new Set(inboxes.map(inbox => inbox.user_id))
  const position = ctx.positions.take(tx, [...users].map(userTopic))
  await insertToDevice(
    tx,
    inboxes.map(inbox => ({ ...inbox, position })),
  )
}

/**
 * The device has all up to `upTo` (inclusive): forget them.
 *
 * Spec: Client-Server API "Send-to-Device messaging", "Server behaviour"
 */
export async function acknowledge(
  ctx: Context,
  { userId, deviceId }: { userId: string; deviceId: string },
  upTo: number,
): Promise<void> {
  // Nearly every /sync has nothing to acknowledge; a look costs less than a transaction.
  const [first] = await selectToDevice(ctx.db, userId, deviceId, 0, upTo, 1)
  if (first) await transaction(ctx.db, tx => deleteToDeviceUpTo(tx, userId, deviceId, upTo))
}

function assertMessages(messages: JsonObject): Messages {
  const checked: Messages = new Map()
  for (const [userId, byDevice] of Object.entries(messages)) {
    if (!isJsonObject(byDevice)) throw badJson(`messages.${userId} is not a JSON object`)
    const contents = new Map<string, JsonObject>()
    for (const [deviceId, content] of Object.entries(byDevice)) {
      if (!isJsonObject(content)) throw badJson(`messages.${userId}.${deviceId} is not an object`)
      contents.set(deviceId, content)
    }
    if (isUserId(userId)) checked.set(userId, contents)
  }
  return checked
}
