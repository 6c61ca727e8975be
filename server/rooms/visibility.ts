/** Who may look into a room, and how far. */
import {
  selectMembership,
  selectMembershipHistory,
  selectStateEventAt,
  selectStateHistory,
} from '../../db/room-state.ts'
import { selectForgotten } from '../../db/rooms.ts'
import type { Db } from '../../db/transaction.ts'
import { forbidden } from '../matrix/errors.ts'
import { type Range, readableRanges } from '../matrix/readable-ranges.ts'
import { parsePdu } from './stored-event.ts'

/** @throws 403 M_FORBIDDEN, also for a room that does not exist */
export async function assertJoined(db: Db, roomId: string, userId: string): Promise<void> {
  const current = await selectMembership(db, roomId, userId)
  if (current?.membership !== 'join') throw forbidden(`You are not in ${roomId}`)
}

/**
 * Up to which position (inclusive) the user may read the room's state: up to `now` for those who
 * are in it and for everybody where it is world readable, up to their departure for those who
 * left. Who was never in, or has forgotten the room, may not.
 *
 * @throws 403 M_FORBIDDEN, also for a room that does not exist
 */
export async function readableUpTo(
  db: Db,
  roomId: string,
  userId: string,
  now: number,
): Promise<number> {
  const current = await selectMembership(db, roomId, userId)
  if (current?.membership === 'join') return now
  const visibility = await selectStateEventAt(db, roomId, ['m.room.history_visibility', ''], now)
  if (visibility && parsePdu(visibility).content.history_visibility === 'world_readable') return now
  if (current && !(await hasForgotten(db, roomId, userId))) {
    const history = await selectMembershipHistory(db, roomId, userId)
    const lastJoin = history.findLast(row => row.membership === 'join')
    if (lastJoin) return lastJoin.until_position ?? now
  }
  throw forbidden(`You are not in ${roomId}`)
}

/** The user has left the room, has asked to hear no more of it, and has not been asked back. */
export async function hasForgotten(db: Db, roomId: string, userId: string): Promise<boolean> {
  const upTo = (await selectForgotten(db, userId, roomId)).get(roomId)
  if (upTo === undefined) return false
  const current = await selectMembership(db, roomId, userId)
  return current !== undefined && current.position <= upTo
}

/** The parts of the timeline, up to `upTo` (inclusive), that the user may read. */
export async function selectReadableRanges(
  db: Db,
  roomId: string,
  userId: string,
  upTo: number,
): Promise<Range[]> {
  const memberships = await selectMembershipHistory(db, roomId, userId)
  const visibilities = await selectStateHistory(db, roomId, ['m.room.history_visibility', ''])
  return readableRanges(
    visibilities.map(row => ({
      position: row.position,
      value: String(parsePdu(row).content.history_visibility),
    })),
    memberships.map(row => ({ position: row.position, value: row.membership })),
    upTo,
  )
}
