/** Messages to this device. They come again until a `since` acknowledges them. */
import { selectToDevice } from '../../db/to-device.ts'
import type { Requester } from '../accounts/requester.ts'
import type { Context } from '../context.ts'
import type { JsonObject } from '../lib/json.ts'
import type { Window } from './build-sync.ts'

/** All of them: `next_batch` will acknowledge all, so none may be left out. */
export async function toDeviceSection(
  ctx: Context,
  requester: Requester,
  { since, upTo }: Window,
): Promise<JsonObject[]> {
  const { userId, deviceId } = requester
  const all = Number.MAX_SAFE_INTEGER
  const rows = await selectToDevice(ctx.db, userId, deviceId, since ?? 0, upTo, all)
  return rows.map(row => JSON.parse(row.message) as JsonObject)
}
