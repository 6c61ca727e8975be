/** Who may look into a room, and how far. */

import { type MembershipRow, selectMembership } from '../../db/memberships.ts'
import { selectForgotten, selectRoomsToStay } from '../../db/rooms.ts'
import type { EventRow } from '../../db/schema.ts'
import { selectSeen } from '../../db/seen.ts'
import { selectStickyPositions } from '../../db/sticky-events.ts'
import type { Db, Tx } from '../../db/transaction.ts'
import { groupBy } from '../lib/group-by.ts'
import { forbidden, type MatrixError } from '../matrix/errors.ts'
import {
  type Change,
  type Range,
  readableRanges,
  withPositions,
} from '../matrix/readable-ranges.ts'
import { isForgotten, isGone } from './forgotten.ts'
import { contentOf } from './stored-event.ts'

/** The one refusal for a room that does not exist and for one that is not for the user to see. */
export const notInRoom = (roomId: string): MatrixError => forbidden(`You are not in ${roomId}`)

/** @throws 403 M_FORBIDDEN, also for a room that does not exist */
export async function assertJoined(db: Db, roomId: string, userId: string): Promise<void> {
  const current = await selectMembership(db, roomId, userId)
  if (current?.membership !== 'join') throw notInRoom(roomId)
}

/**
 * For who writes something that hangs on the room: it is not deleted before the transaction ends.
 *
 * @throws 403 M_FORBIDDEN it has just been
 */
export async function assertStays(tx: Tx, roomId: string): Promise<void> {
  if (!(await selectRoomsToStay(tx, [roomId])).has(roomId)) throw notInRoom(roomId)
}

/** What one user may see of one room. */
export interface Sight {
  roomId: string
  /** How far was looked; inclusive. */
  upTo: number
  /**
   * The parts of the timeline that they may read. Of a room that they have left, have asked to hear no more
   * of, and have not been asked back to, those that a stranger may read.
   */
  ranges: Range[]
  /** Every membership that they have had in it, oldest first. */
  memberships: readonly Change[]
  /**
   * Up to where (inclusive) they may read the room's state: `upTo` for those who are in it and for
   * everybody where it is world readable, their departure for those who left. Undefined for who was
   * never in, or has forgotten the room.
   */
  stateUpTo: number | undefined
}

/**
 * What the user sees of these rooms, up to `upTo` (inclusive), and no further than the rooms had come at
 * that moment: in a room events are committed in their order, so who is sent away while they read sees
 * nothing that was said after that. One for each, in their order.
 */
export async function selectSights(
  db: Db,
  roomIds: readonly string[],
  userId: string,
  upTo: number,
): Promise<Sight[]> {
  const upToOf = (end: number | undefined) => Math.min(upTo, end ?? upTo)
  return look(db, roomIds, userId, { upToOf, mindsForgetting: true })
}

/** {@link selectSights} of one room. */
export async function selectSight(
  db: Db,
  roomId: string,
  userId: string,
  upTo: number,
): Promise<Sight> {
  return onlyOf(await selectSights(db, [roomId], userId, upTo))
}

/**
 * {@link selectSight} up to a position that has settled: nothing comes at or before it any more. Forgotten
 * or not: how one came to leave a room is told all the same.
 */
export async function selectSettledSight(
  db: Db,
  roomId: string,
  userId: string,
  upTo: number,
): Promise<Sight> {
  return onlyOf(await look(db, [roomId], userId, { upToOf: () => upTo, mindsForgetting: false }))
}

function onlyOf([sight]: readonly Sight[]): Sight {
  if (!sight) throw new Error('a room was asked for and none was given')
  return sight
}

interface Looking {
  /** How far, by the room's latest event. */
  upToOf: (end: number | undefined) => number
  mindsForgetting: boolean
}

async function look(
  db: Db,
  roomIds: readonly string[],
  userId: string,
  { upToOf, mindsForgetting }: Looking,
): Promise<Sight[]> {
  const seen = await selectSeen(db, roomIds, userId)
  const memberships = groupBy(seen.memberships, row => row.room_id)
  const visibilities = groupBy(seen.visibilities, row => row.room_id)
  const ends = new Map(seen.ends.map(end => [end.room_id, end.position]))
  const left = roomIds.filter(roomId => {
    if (!mindsForgetting) return false
    const last = memberships.get(roomId)?.at(-1)
    return last !== undefined && isGone(last)
  })
  const forgotten = left.length > 0 ? await selectForgotten(db, userId, left) : new Map()
  return roomIds.map(roomId =>
    sightOf({
      roomId,
      upTo: upToOf(ends.get(roomId)),
      memberships: memberships.get(roomId) ?? [],
      visibilities: visibilities.get(roomId) ?? [],
      forgottenUpTo: forgotten.get(roomId),
    }),
  )
}

/**
 * {@link selectSight} of a room whose state the user may read.
 *
 * @throws 403 M_FORBIDDEN, also for a room that does not exist
 */
export async function lookInto(
  db: Db,
  roomId: string,
  userId: string,
  upTo: number,
): Promise<Sight & { stateUpTo: number }> {
  const sight = await selectSight(db, roomId, userId, upTo)
  const { stateUpTo } = sight
  if (stateUpTo === undefined) throw notInRoom(roomId)
  return { ...sight, stateUpTo }
}

/** Whom the user ignores is not heard, but what they do to the room is seen. */
export function isHeard(
  { state_key, sender }: Pick<EventRow, 'state_key' | 'sender'>,
  ignored: ReadonlySet<string>,
): boolean {
  return state_key !== null || !ignored.has(sender)
}

/** From the room's first event to its last. */
export function isWhole({ ranges, upTo }: Pick<Sight, 'ranges' | 'upTo'>): boolean {
  const [first] = ranges
  return ranges.length === 1 && first?.from === 0 && first.upTo === upTo
}

/**
 * The same sights for who reads events: whoever is in a room may read what is sticky in it at `now` (Unix
 * ms), whatever else its history visibility keeps from them. MSC4354.
 */
export async function withSticky<One extends Sight>(
  db: Db,
  sights: readonly One[],
  now: number,
): Promise<One[]> {
  const isNarrow = (sight: Sight) => sight.memberships.at(-1)?.value === 'join' && !isWhole(sight)
  const narrow = sights.filter(isNarrow).map(sight => sight.roomId)
  const found = await selectStickyPositions(db, narrow, now)
  const byRoom = groupBy(found, row => row.room_id)
  return sights.map(sight => {
    const positions = (byRoom.get(sight.roomId) ?? []).map(row => row.position)
    const seen = positions.filter(position => position <= sight.upTo)
    return seen.length === 0 ? sight : { ...sight, ranges: withPositions(sight.ranges, seen) }
  })
}

/**
 * What somebody sees of a stretch of a room's timeline, (since, upTo], in which they were a member
 * all the time. Whoever is in the room reads everything, so nothing need be looked up.
 */
export function sightOfStay(roomId: string, since: number, upTo: number): Sight {
  return {
    roomId,
    upTo,
    ranges: [{ from: since + 1, upTo }],
    memberships: [{ position: since, value: 'join' }],
    stateUpTo: upTo,
  }
}

/** A sight, from what has been read: all memberships, all visibilities, oldest first. */
export function sightOf(seen: {
  roomId: string
  upTo: number
  memberships: readonly Pick<MembershipRow, 'position' | 'membership'>[]
  visibilities: readonly { position: number; pdu: string }[]
  forgottenUpTo: number | undefined
}): Sight {
  const { roomId, upTo, forgottenUpTo } = seen
  const memberships = seen.memberships.map(row => ({
    position: row.position,
    value: row.membership,
  }))
  const visibilities = seen.visibilities.map(row => ({
    position: row.position,
    value: String(contentOf(row).history_visibility),
  }))
  const held = (changes: readonly Change[]) =>
    changes.findLast(change => change.position <= upTo)?.value
  const last = memberships.at(-1)
  const isPast = isForgotten(seen.memberships, forgottenUpTo)
  const lastJoin = memberships.findLastIndex(change => change.value === 'join')
  const departure = isPast ? undefined : memberships[lastJoin + 1]?.position
  const isInside = last?.value === 'join' || held(visibilities) === 'world_readable'
  return {
    roomId,
    upTo,
    ranges: readableRanges(visibilities, isPast ? [] : memberships, upTo),
    memberships,
    stateUpTo: isInside ? upTo : lastJoin === -1 ? undefined : departure,
  }
}
