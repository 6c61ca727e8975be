/**
 * Bringing a room, an event or a user to the administrator's notice. Reports are kept, and the log
 * says that there is one; what it says is nobody else's business.
 *
 * Spec: Client-Server API "Reporting content"
 */
import { selectUser } from '../../db/accounts.ts'
import { selectMembership } from '../../db/memberships.ts'
import { insertReport } from '../../db/reports.ts'
import { transaction } from '../../db/transaction.ts'
import { notFound } from '../matrix/errors.ts'
import type { Requester } from '../requester.ts'
import type { Context } from './context.ts'
import { readRoomSummary } from './room-summary.ts'
import { findReadable } from './timeline.ts'

/**
 * One need not be in it: what is bad about a room may be its invites, or why one has left.
 *
 * @throws 404 M_NOT_FOUND unknown, or not for the user to know of, who never had to do with it
 */
export async function reportRoom(
  ctx: Context,
  requester: Requester,
  roomId: string,
  reason: string,
): Promise<void> {
  const membership = await selectMembership(ctx.db, roomId, requester.userId)
  if (!membership) await readRoomSummary(ctx, requester, roomId)
  await keep(ctx, requester, { room_id: roomId }, reason)
}

/** @throws 404 M_NOT_FOUND unknown, in another room, not for the user to see, or they are not in the room */
export async function reportEvent(
  ctx: Context,
  requester: Requester,
  event: { roomId: string; eventId: string },
  reason: string,
): Promise<void> {
  const { sight } = await findReadable(ctx, requester, event.roomId, event.eventId)
  if (sight.memberships.at(-1)?.value !== 'join') {
    throw notFound('There is no such event, or you are not in its room')
  }
  await keep(ctx, requester, { room_id: event.roomId, event_id: event.eventId }, reason)
}

/** @throws 404 M_NOT_FOUND unknown here */
export async function reportUser(
  ctx: Context,
  requester: Requester,
  userId: string,
  reason: string,
): Promise<void> {
  if (!(await selectUser(ctx.db, userId))) throw notFound('There is no such user')
  await keep(ctx, requester, { user_id: userId }, reason)
}

async function keep(
  ctx: Context,
  { userId }: Requester,
  about: { room_id?: string; event_id?: string; user_id?: string },
  reason: string,
): Promise<void> {
  const report = { room_id: null, event_id: null, user_id: null, ...about }
  const reported_ts = ctx.clock.now()
  await transaction(ctx.db, tx =>
    insertReport(tx, { ...report, reporter: userId, reported_ts, reason }),
  )
  ctx.log.warn({ reporter: userId, ...about }, 'something was reported')
}
