/**
 * What a client needs to name rooms and to say how many are in them, without knowing their members.
 *
 * Spec: GET /sync "RoomSummary"
 */

import { selectHeroes } from '../../db/memberships.ts'
import { selectStateOfRooms } from '../../db/room-state.ts'
import { selectRooms } from '../../db/rooms.ts'
import type { RoomRow } from '../../db/schema.ts'
import type { JsonObject } from '../lib/json.ts'
import { contentOf } from '../rooms/stored-event.ts'
import type { Context } from './context.ts'

const heroCount = 5

/** What the summary is made of: it is told again when any of it has changed. */
export const summarisedTypes = ['m.room.member', 'm.room.name', 'm.room.canonical_alias']

/** What goes on the wire, and the heroes, whose memberships have to come along. */
interface RoomSummary {
  wire: JsonObject
  heroes: readonly string[]
}

/** By room; the user is in all of them. */
export async function roomSummaries(
  ctx: Context,
  roomIds: readonly string[],
  userId: string,
): Promise<Map<string, RoomSummary>> {
  const naming = ['m.room.name', 'm.room.canonical_alias'] as const
  const [rooms, names] = await Promise.all([
    selectRooms(ctx.db, roomIds),
    selectStateOfRooms(
      ctx.db,
      roomIds.flatMap(room_id => naming.map(type => ({ room_id, type, state_key: '' }))),
    ),
  ])
  const named = new Set(
    names.flatMap(row => {
      const { name, alias } = contentOf(row)
      return name || alias ? [row.room_id] : []
    }),
  )
  const isAlone = (room: RoomRow) => room.joined_members + room.invited_members <= 1
  const alone = new Set(rooms.filter(isAlone).map(room => room.room_id))
  // Only a room without a name is called after its members.
  const nameless = roomIds.filter(roomId => !named.has(roomId))
  const heroes = await heroesOf(ctx, nameless, userId, alone)
  return new Map(
    rooms.map(room => {
      const ofRoom = heroes.get(room.room_id) ?? []
      const wire = {
        ...(named.has(room.room_id) ? {} : { 'm.heroes': ofRoom }),
        'm.joined_member_count': room.joined_members,
        'm.invited_member_count': room.invited_members,
      }
      return [room.room_id, { wire, heroes: ofRoom }]
    }),
  )
}

/**
 * By room. Those who have gone stand in only where nobody else is left.
 *
 * @param alone rooms of which it is known that nobody else is left
 */
export async function heroesOf(
  ctx: Context,
  roomIds: readonly string[],
  userId: string,
  alone: ReadonlySet<string> = new Set(),
): Promise<Map<string, string[]>> {
  const heroes = new Map<string, string[]>()
  for (const membership of ['present', 'gone'] as const) {
    const open = roomIds.filter(
      roomId => !heroes.has(roomId) && !(membership === 'present' && alone.has(roomId)),
    )
    for (const row of await selectHeroes(ctx.db, open, userId, membership, heroCount)) {
      const ofRoom = heroes.get(row.room_id)
      if (ofRoom) ofRoom.push(row.state_key)
      else heroes.set(row.room_id, [row.state_key])
    }
  }
  return heroes
}
