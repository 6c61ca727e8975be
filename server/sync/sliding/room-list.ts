/**
 * The rooms of a user as lists see them: who last had something happening comes first.
 *
 * Spec: MSC4186 "Lists"
 */
import { selectAccountData } from '../../../db/account-data.ts'
import {
  type MembershipRow,
  selectMembershipHistory,
  selectMembershipsBetween,
} from '../../../db/memberships.ts'
import { selectActivity } from '../../../db/room-activity.ts'
import { selectForgotten } from '../../../db/rooms.ts'
import { groupBy } from '../../lib/group-by.ts'
import type { JsonObject } from '../../lib/json.ts'
import { isForgotten, isGone } from '../../rooms/forgotten.ts'
import { selectWelcome } from '../../rooms/invite-filter.ts'
import type { Context } from '../context.ts'
import type { Told } from './connections.ts'

export interface ListedRoom {
  roomId: string
  /** The user's membership. */
  now: MembershipRow
  /** Not joined now, and never before. */
  isFromOutside: boolean
  /** The position of what happened last. */
  activity: number
  /** MSC4186 `bump_stamp`: the position by which clients sort it. */
  bumpStamp: number
  /** By the user's `m.direct`. */
  isDirect: boolean
}

/**
 * Rooms that the user is in, is invited to, knocks on, or was put out of. Of those that they left
 * by themselves, which they know of, only what the connection has been told of.
 *
 * @param ignored whose invites are not shown
 */
export async function listRooms(
  ctx: Context,
  userId: string,
  told: Told,
  upTo: number,
  ignored: ReadonlySet<string>,
): Promise<ListedRoom[]> {
  const memberships = await selectMembershipsBetween(ctx.db, userId, upTo, upTo)
  const present = memberships.filter(row => !isGone(row))
  const gone = await goneRooms(ctx, userId, told, memberships.filter(isGone))
  const joined = present.filter(row => row.membership === 'join')
  const activity = await selectActivity(ctx.db, roomIdsOf(joined), upTo)
  const direct = await directRooms(ctx, userId)
  const inviters = present.flatMap(row => (row.membership === 'invite' ? [row.sender] : []))
  const welcome = await selectWelcome(ctx.db, userId, inviters, ignored)
  const rooms = [
    ...present
      .filter(row => row.membership !== 'invite' || welcome.has(row.sender))
      .map(now => ({ now, isFromOutside: now.membership !== 'join' })),
    ...gone,
  ].map(({ now, isFromOutside }) => ({
    roomId: now.room_id,
    now,
    isFromOutside,
    activity: activity.get(now.room_id)?.position ?? now.position,
    bumpStamp: activity.get(now.room_id)?.bump_position ?? now.position,
    isDirect: direct.has(now.room_id),
  }))
  return rooms.sort((a, b) => b.activity - a.activity)
}

async function goneRooms(
  ctx: Context,
  userId: string,
  told: Told,
  gone: readonly MembershipRow[],
): Promise<Pick<ListedRoom, 'now' | 'isFromOutside'>[]> {
  const candidates = gone.filter(row => row.sender !== userId || told.rooms.has(row.room_id))
  if (candidates.length === 0) return []
  const history = await selectMembershipHistory(ctx.db, roomIdsOf(candidates), userId)
  const byRoom = groupBy(history, row => row.room_id)
  const forgotten = await selectForgotten(ctx.db, userId)
  return candidates.flatMap(now => {
    const rows = byRoom.get(now.room_id) ?? []
    const isFromOutside = !rows.some(row => row.membership === 'join')
    const known = told.rooms.get(now.room_id)
    const forgottenUpTo = forgotten.get(now.room_id)
    // Forgetting does not hide the departure from the user's other devices.
    const isNews = known !== undefined && known.upTo < (forgottenUpTo ?? -1)
    const isPast = isForgotten(rows, forgottenUpTo)
    const isShown = isNews || (!isPast && (known !== undefined || !isFromOutside))
    return isShown ? [{ now, isFromOutside }] : []
  })
}

/** The rooms that the user's `m.direct` names. */
async function directRooms(ctx: Context, userId: string): Promise<Set<string>> {
  const key = { user_id: userId, room_id: '', type: 'm.direct' }
  const content = await selectAccountData(ctx.db, key)
  const lists = Object.values(content === undefined ? {} : (JSON.parse(content) as JsonObject))
  return new Set(
    lists.flatMap(list => (Array.isArray(list) ? list : [])).filter(id => typeof id === 'string'),
  )
}

const roomIdsOf = (rows: readonly MembershipRow[]) => rows.map(row => row.room_id)
