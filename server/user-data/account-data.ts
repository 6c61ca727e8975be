/** Account data: what users keep for themselves, and all their devices hear of. */
import { selectAccountData, upsertAccountData } from '../../db/account-data.ts'
import { transaction } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import { MatrixError, notFound } from '../matrix/errors.ts'
import { inviteConfigTypes } from '../matrix/invite-permission.ts'
import { pushRulesWith } from '../matrix/push-rules.ts'
import { lockOwnAccount } from '../rooms/account-in-use.ts'
import { selectPushRuleChanges } from '../rooms/recipient.ts'
import { userTopic } from '../stream/notifier.ts'
import type { Context } from './context.ts'

/** Global account data has the empty `roomId`. */
export interface AccountDataKey {
  userId: string
  roomId: string
  type: string
}

/** The server's own: clients change them through other endpoints. */
const managedTypes = new Set(['m.fully_read', 'm.push_rules'])

/** By them, too, users say of what they do not want to hear. */
const hushing = new Set(['m.ignored_user_list', ...inviteConfigTypes])

/**
 * Write a piece of account data over what was there, and wake its user. Empty content removes it:
 * devices hear of the emptiness once, and whoever comes later hears nothing.
 *
 * @throws 405 M_BAD_JSON the type is the server's to write
 * Spec: PUT /user/{userId}/account_data/{type} and its namesake for rooms; MSC3391 for removal
 */
export async function setAccountData(
  ctx: Context,
  { userId, roomId, type }: AccountDataKey,
  content: JsonObject,
): Promise<void> {
  if (managedTypes.has(type)) {
    throw new MatrixError(405, 'M_BAD_JSON', `${type} cannot be set through this endpoint`)
  }
  if (roomId === '' && hushing.has(type)) await ctx.pushDelivery.keepJudged(userId)
  await transaction(ctx.db, async tx => {
    // A tag that is set at the same moment is read and written back under this lock.
    await lockOwnAccount(tx, userId)
    if (type === 'm.ignored_user_list') tx.afterCommit(() => ctx.unread.forgetUser(userId))
    await upsertAccountData(tx, {
      user_id: userId,
      room_id: roomId,
      type,
      content: JSON.stringify(content),
      position: ctx.positions.take(tx, [userTopic(userId)]),
    })
  })
}

/**
 * Remove a piece of account data. What is not there is not written.
 *
 * @throws 405 M_BAD_JSON as {@link setAccountData}
 * Spec: MSC3391
 */
export async function removeAccountData(ctx: Context, key: AccountDataKey): Promise<void> {
  const row = { user_id: key.userId, room_id: key.roomId, type: key.type }
  const isThere = (await selectAccountData(ctx.db, row)) !== undefined
  if (isThere || managedTypes.has(key.type)) await setAccountData(ctx, key, {})
}

/**
 * @throws 404 M_NOT_FOUND
 * Spec: GET /user/{userId}/account_data/{type} and its namesake for rooms
 */
export async function accountData(
  ctx: Context,
  { userId, roomId, type }: AccountDataKey,
): Promise<JsonObject> {
  if (type === 'm.push_rules' && roomId === '') {
    return { global: { ...pushRulesWith(userId, await selectPushRuleChanges(ctx.db, userId)) } }
  }
  const content = await selectAccountData(ctx.db, { user_id: userId, room_id: roomId, type })
  if (content === undefined || content === '{}') {
    throw notFound(`There is no account data of type ${type}`)
  }
  return JSON.parse(content) as JsonObject
}
