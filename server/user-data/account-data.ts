/** Account data: what users keep for themselves, and all their devices hear of. */
import { selectAccountData, upsertAccountData } from '../../db/account-data.ts'
import { transaction } from '../../db/transaction.ts'
import type { Context } from '../context.ts'
import type { JsonObject } from '../lib/json.ts'
import { MatrixError, notFound } from '../matrix/errors.ts'
import { defaultPushRules } from '../matrix/push-rules.ts'
import { userTopic } from '../stream/notifier.ts'

/** Global account data has the empty `roomId`. */
export interface AccountDataKey {
  userId: string
  roomId: string
  type: string
}

/** The server's own: clients change them through other endpoints. */
const managedTypes = new Set(['m.fully_read', 'm.push_rules'])

/**
 * Write a piece of account data over what was there, and wake its user.
 *
 * @throws 405 M_BAD_JSON the type is the server's to write
 * Spec: PUT /user/{userId}/account_data/{type} and its namesake for rooms
 */
export async function setAccountData(
  ctx: Context,
  { userId, roomId, type }: AccountDataKey,
  content: JsonObject,
): Promise<void> {
  if (managedTypes.has(type)) {
    throw new MatrixError(405, 'M_BAD_JSON', `${type} cannot be set through this endpoint`)
  }
  await transaction(ctx.db, tx =>
    upsertAccountData(tx, {
      user_id: userId,
      room_id: roomId,
      type,
      content: JSON.stringify(content),
      position: ctx.positions.take(tx, [userTopic(userId)]),
    }),
  )
}

/**
 * @throws 404 M_NOT_FOUND
 * Spec: GET /user/{userId}/account_data/{type} and its namesake for rooms
 */
export async function accountData(
  ctx: Context,
  { userId, roomId, type }: AccountDataKey,
): Promise<JsonObject> {
  if (type === 'm.push_rules' && roomId === '') return { global: defaultPushRules(userId) }
  const content = await selectAccountData(ctx.db, { user_id: userId, room_id: roomId, type })
  if (content === undefined) throw notFound(`There is no account data of type ${type}`)
  return JSON.parse(content) as JsonObject
}
