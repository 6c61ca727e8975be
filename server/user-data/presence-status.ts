/** Saying how one is, and asking how others are. The state itself is in presence.ts. */
import { selectUser } from '../../db/accounts.ts'
import { selectSharingRoomAt } from '../../db/room-mates.ts'
import type { JsonObject } from '../lib/json.ts'
import { forbidden, notFound } from '../matrix/errors.ts'
import { roomMateTopics } from '../rooms/room-mates.ts'
import type { Context } from './context.ts'
import type { PresenceState } from './presence.ts'

/**
 * Set a user's presence, and wake them and their room-mates if that is news.
 *
 * @param statusMessage undefined keeps the present one, null removes it
 * @throws 403 M_USER_SUSPENDED a message of who is
 * Spec: PUT /presence/{userId}/status
 */
export async function setPresence(
  ctx: Context,
  userId: string,
  presence: PresenceState,
  statusMessage?: string | null,
): Promise<void> {
  if (statusMessage) ctx.restrictions.assertNotSuspended(userId)
  const topics = await roomMateTopics(ctx, userId)
  ctx.presence.set(userId, presence, statusMessage, topics)
}

/**
 * How a user is, for themselves and for those who share a room with them.
 *
 * @throws 404 M_NOT_FOUND unknown user · 403 M_FORBIDDEN no common room
 * Spec: GET /presence/{userId}/status
 */
export async function presenceOf(
  ctx: Context,
  requesterId: string,
  userId: string,
): Promise<JsonObject> {
  if (userId !== requesterId) {
    if (!(await selectUser(ctx.db, userId))) throw notFound('There is no such user')
    const now = ctx.positions.settled()
    const sharing = await selectSharingRoomAt(ctx.db, requesterId, [userId], now)
    if (sharing.length === 0) throw forbidden('You share no room with that user')
  }
  return ctx.presence.of(userId)
}
