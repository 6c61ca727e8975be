/** Who is to be woken when something about a user changes that their room-mates can see. */
import { selectMembershipsBetween } from '../../db/memberships.ts'
import type { Db } from '../../db/transaction.ts'
import { roomTopic, userTopic } from '../stream/notifier.ts'
import type { Context } from './context.ts'

/** The user, and every room that they are in. @param db the open transaction, if there is one */
export async function roomMateTopics(
  ctx: Context,
  userId: string,
  db: Db = ctx.db,
): Promise<string[]> {
  const now = ctx.positions.latest()
  const memberships = await selectMembershipsBetween(db, userId, now, now)
  const joined = memberships.filter(({ membership }) => membership === 'join')
  return [userTopic(userId), ...joined.map(room => roomTopic(room.room_id))]
}
