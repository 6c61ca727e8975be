/**
 * Tags on rooms: account data of the room, changed one tag at a time.
 *
 * Spec: Client-Server API "Room Tagging"
 */
import { selectAccountData, upsertAccountData } from '../../db/account-data.ts'
import { type Db, type Tx, transaction } from '../../db/transaction.ts'
import { isJsonObject, type JsonObject } from '../lib/json.ts'
import { lockOwnAccount } from '../rooms/account-in-use.ts'
import { userTopic } from '../stream/notifier.ts'
import type { Context } from './context.ts'

const type = 'm.tag'

/** `{ tagName: { order? } }`. Spec: GET /user/{userId}/rooms/{roomId}/tags */
export async function tagsOf(db: Db, userId: string, roomId: string): Promise<JsonObject> {
  const content = await selectAccountData(db, { user_id: userId, room_id: roomId, type })
  const { tags } = content === undefined ? {} : (JSON.parse(content) as JsonObject)
  return isJsonObject(tags) ? tags : {}
}

/**
 * Put a tag on a room, or take it off.
 *
 * @param tag undefined takes it off
 * Spec: PUT and DELETE /user/{userId}/rooms/{roomId}/tags/{tag}
 */
export function setTag(
  ctx: Context,
  key: { userId: string; roomId: string; name: string },
  tag: JsonObject | undefined,
): Promise<void> {
  return transaction(ctx.db, tx => setTagWithin(ctx, tx, key, tag))
}

/** As {@link setTag}, inside the caller's transaction. */
export async function setTagWithin(
  ctx: Context,
  tx: Tx,
  { userId, roomId, name }: { userId: string; roomId: string; name: string },
  tag: JsonObject | undefined,
): Promise<void> {
  // Two tags at the same moment must not overwrite each other.
  await lockOwnAccount(tx, userId)
  const { [name]: _, ...others } = await tagsOf(tx, userId, roomId)
  const tags = tag === undefined ? others : { ...others, [name]: tag }
  await upsertAccountData(tx, {
    user_id: userId,
    room_id: roomId,
    type,
    content: JSON.stringify({ tags }),
    position: ctx.positions.take(tx, [userTopic(userId)]),
  })
}
