/** Messages to this device. They come again until a `since` acknowledges them. */
import { selectToDevice } from '../../db/to-device.ts'
import type { JsonObject } from '../lib/json.ts'
import type { Requester } from '../requester.ts'
import { userTopic } from '../stream/notifier.ts'
import type { Context } from './context.ts'
import type { Window } from './window.ts'

/** So many messages are handed over at once: a device may have been away for long. */
const most = 100

/**
 * The messages of the window, and where the answer has to end: `next_batch` acknowledges all that
 * come before it, so the whole answer ends where they end.
 *
 * An initial sync does not end early: whoever begins wants to know how things are now.
 */
export async function toDeviceSection(
  ctx: Context,
  { userId, deviceId }: Requester,
  { since, upTo }: Window,
): Promise<{ events: JsonObject[]; upTo: number }> {
  if (since !== undefined && !ctx.notifier.hasMoved(userTopic(userId), since)) {
    return { events: [], upTo }
  }
  const limit = since === undefined ? Number.MAX_SAFE_INTEGER : most + 1
  const rows = await selectToDevice(ctx.db, userId, deviceId, since ?? 0, upTo, limit)
  const handedOver = rows.length < limit ? rows : rows.slice(0, most)
  return {
    events: handedOver.map(row => JSON.parse(row.message) as JsonObject),
    upTo: rows.length < limit ? upTo : (handedOver.at(-1)?.position ?? upTo),
  }
}
