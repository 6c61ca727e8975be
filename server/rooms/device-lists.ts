/**
 * Telling others that a user's devices or keys have changed. It lives down here because a session
 * that ends concerns it as much as a key that is uploaded.
 *
 * Spec: Client-Server API "Tracking the device list for a user"
 */
import { insertDeviceListChanges } from '../../db/device-lists.ts'
import type { Tx } from '../../db/transaction.ts'
import { devicesTopic, userTopic } from '../stream/notifier.ts'
import type { Context } from './context.ts'
import { roomMateTopics } from './room-mates.ts'

/**
 * Whoever shares a room with the user, and the user, is to ask for the user's keys again.
 *
 * Nobody misses it: who comes to share a room later is told of the user anyway. Only the waking
 * goes by the rooms of this moment; a room that is joined at this very moment hears by its join.
 */
export async function noteDevicesChanged(ctx: Context, tx: Tx, userId: string): Promise<void> {
  const topics = await roomMateTopics(ctx, userId, tx)
  const position = ctx.positions.take(tx, [...topics, devicesTopic])
  await insertDeviceListChanges(tx, [{ position, user_id: userId, seen_by: null }])
}

/** `viewer` alone sees something new on the keys of these users: a signature of their own. */
export async function noteKeysSigned(
  ctx: Context,
  tx: Tx,
  viewer: string,
  userIds: readonly string[],
): Promise<void> {
  const position = ctx.positions.take(tx, [userTopic(viewer), devicesTopic])
  await insertDeviceListChanges(
    tx,
    userIds.map(user_id => ({ position, user_id, seen_by: viewer })),
  )
}
