/**
 * Which rooms belong on a list. What a filter does not ask is not read.
 *
 * Spec: MSC4186 "SlidingRoomFilter"
 */
import { selectAccountDataOfType } from '../../../db/account-data.ts'
import { selectCurrentState, selectStateAt } from '../../../db/room-state.ts'
import { isJsonObject, type JsonObject } from '../../lib/json.ts'
import { contentOf } from '../../rooms/stored-event.ts'
import type { Context } from '../context.ts'
import type { ListFilters } from './request.ts'
import type { ListedRoom } from './room-list.ts'

type Test = (room: ListedRoom) => boolean

/** @returns those that pass, in the same order */
export async function filterRooms(
  ctx: Context,
  userId: string,
  rooms: readonly ListedRoom[],
  filters: ListFilters,
  upTo: number,
): Promise<ListedRoom[]> {
  const tests: Test[] = [
    ...byMembership(filters),
    ...(await byState(ctx, rooms, filters, upTo)),
    ...(await byTags(ctx, userId, filters)),
    ...(await bySpaces(ctx, rooms, filters, upTo)),
  ]
  return rooms.filter(room => tests.every(passes => passes(room)))
}

function byMembership({ isDirect, isInvited }: ListFilters): Test[] {
  return [
    ...(isDirect === undefined ? [] : [(room: ListedRoom) => room.isDirect === isDirect]),
    ...(isInvited === undefined
      ? []
      : [(room: ListedRoom) => (room.now.membership === 'invite') === isInvited]),
  ]
}

async function byState(
  ctx: Context,
  rooms: readonly ListedRoom[],
  { isEncrypted, roomTypes, notRoomTypes }: ListFilters,
  upTo: number,
): Promise<Test[]> {
  if (isEncrypted === undefined && !roomTypes && !notRoomTypes) return []
  const ids = rooms.map(room => room.roomId)
  const state = await selectCurrentState(ctx.db, ids, ['m.room.create', 'm.room.encryption'])
  // What came after the user went is not theirs to know.
  const seenUpTo = new Map(
    rooms.map(({ roomId, now }) => [roomId, now.membership === 'join' ? upTo : now.position]),
  )
  const seen = state.filter(row => row.position <= (seenUpTo.get(row.room_id) ?? 0))
  const encrypted = new Set(
    seen.filter(row => row.type === 'm.room.encryption').map(row => row.room_id),
  )
  const types = new Map(
    seen
      .filter(row => row.type === 'm.room.create')
      .map(row => [row.room_id, roomTypeOf(contentOf(row))]),
  )
  const typeOf = (room: ListedRoom) => types.get(room.roomId) ?? null
  return [
    room => isEncrypted === undefined || encrypted.has(room.roomId) === isEncrypted,
    room => !roomTypes || roomTypes.includes(typeOf(room)),
    room => !notRoomTypes?.includes(typeOf(room)),
  ]
}

const roomTypeOf = ({ type }: JsonObject) => (typeof type === 'string' ? type : null)

async function byTags(
  ctx: Context,
  userId: string,
  { tags, notTags }: ListFilters,
): Promise<Test[]> {
  if (!tags && !notTags) return []
  const rows = await selectAccountDataOfType(ctx.db, userId, 'm.tag')
  const byRoom = new Map(
    rows.map(row => {
      const content = JSON.parse(row.content) as JsonObject
      return [row.room_id, isJsonObject(content.tags) ? Object.keys(content.tags) : []]
    }),
  )
  const hasAny = (room: ListedRoom, wanted: readonly string[]) =>
    (byRoom.get(room.roomId) ?? []).some(tag => wanted.includes(tag))
  return [room => !tags || hasAny(room, tags), room => !notTags || !hasAny(room, notTags)]
}

/** Children of spaces that the user is in; spaces within spaces are the client's to name. */
async function bySpaces(
  ctx: Context,
  rooms: readonly ListedRoom[],
  { spaces }: ListFilters,
  upTo: number,
): Promise<Test[]> {
  if (!spaces) return []
  const wanted = new Set(spaces)
  const children = new Set<string | null>()
  for (const { roomId, now } of rooms) {
    if (!wanted.has(roomId) || now.membership !== 'join') continue
    for (const row of await selectStateAt(ctx.db, roomId, upTo, { types: ['m.space.child'] })) {
      // "via … If this is not present, the room is not a child."
      if (Array.isArray(contentOf(row).via)) children.add(row.state_key)
    }
  }
  return [room => children.has(room.roomId)]
}
