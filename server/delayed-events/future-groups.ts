/**
 * MSC4140's Futures as they were in 2024-06 and 07: each request schedules one event, and says
 * which group it joins. Of a group one is sent.
 */
import { lockUser } from '../../db/accounts.ts'
import { selectMembers } from '../../db/delayed-event-groups.ts'
import { type DelayedEventRow, selectDelayedEvent } from '../../db/delayed-events.ts'
import { lockRoom } from '../../db/rooms.ts'
import type { SecretPower } from '../../db/schema.ts'
import type { Tx } from '../../db/transaction.ts'
import { randomToken } from '../lib/random.ts'
import { invalidParam, MatrixError, notFound } from '../matrix/errors.ts'
import type { Requester } from '../requester.ts'
import type { SendOptions } from '../rooms/build-event.ts'
import type { Context } from './context.ts'
import type { FutureEvent } from './futures.ts'
import { schedule } from './schedule.ts'

export interface Future extends FutureEvent, SendOptions {
  roomId: string
  transactionId: string | undefined
  /** Null: it waits for an action. */
  timeoutMs: number | null
  /** A group of the client's naming; whoever comes first makes it. */
  groupId: string | undefined
  /** The future_id of one that is already scheduled, whose group it joins. */
  parentId: string | undefined
  powers: readonly SecretPower[]
}

const child = 'child'

/**
 * Schedule an event in a group, which is made if it is not there.
 *
 * @throws as schedule · 400 M_FORBIDDEN the group, or the parent, is another user's · 400
 *   M_UNKNOWN_FUTURE_GROUP, M_UNKNOWN_FUTURE_PARENT_FUTURE_ID it waits for an action, and none of
 *   the group has a timeout · 400 M_INVALID_PARAM the group is of another room, or the parent of another
 *   group
 */
export async function scheduleFuture(
  ctx: Context,
  tx: Tx,
  requester: Requester,
  future: Future,
): Promise<{ delayId: string; groupId: string }> {
  const { timeoutMs, parentId, roomId } = future
  await lockUser(tx, requester.userId)
  // A group is of one room and its members change under the room's lock, so it cannot send one of
  // its members while it is given another.
  if (!(await lockRoom(tx, roomId))) throw notFound(`${roomId} is not a room that we know`)
  const parent = parentId === undefined ? undefined : await parentOf(tx, requester, parentId)
  if (parent && future.groupId !== undefined && future.groupId !== parent.group_id) {
    throw invalidParam('The parent is of another group')
  }
  const groupId = parent?.group_id ?? future.groupId ?? `hgg_${randomToken(18)}`
  const members = await selectMembers(tx, groupId)
  if (members.some(member => member.user_id !== requester.userId)) {
    throw new MatrixError(400, 'M_FORBIDDEN', 'That group belongs to another user')
  }
  if (members.some(member => member.room_id !== roomId)) {
    throw invalidParam('That group is of another room')
  }
  if (timeoutMs === null && members.every(({ send_at }) => send_at === null)) {
    throw new MatrixError(400, 'M_UNKNOWN_FUTURE_GROUP', 'None of that group has a timeout')
  }
  const delayId = await schedule(ctx, tx, requester, {
    roomId,
    type: future.type,
    stateKey: future.stateKey,
    content: future.content,
    originServerTs: future.originServerTs,
    stickyDurationMs: future.stickyDurationMs,
    delayMs: timeoutMs,
    cancelPolicy: 'any',
    dialect: 'future',
    groupId,
    ...(parent ? { member: child } : {}),
    transactionId: future.transactionId,
    powers: future.powers,
  })
  return { delayId, groupId }
}

async function parentOf(tx: Tx, requester: Requester, parentId: string): Promise<DelayedEventRow> {
  const parent = await selectDelayedEvent(tx, parentId)
  if (parent && parent.user_id !== requester.userId) {
    throw new MatrixError(400, 'M_FORBIDDEN', 'That future belongs to another user')
  }
  const isTicking = parent?.status === 'scheduled' && parent.send_at !== null
  if (!parent?.group_id || !isTicking || parent.member === child) {
    throw new MatrixError(
      400,
      'M_UNKNOWN_FUTURE_PARENT_FUTURE_ID',
      'That is no future that can be a parent',
    )
  }
  return parent
}
