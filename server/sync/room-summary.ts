/**
 * What a client needs to name a room and to say how many are in it, without knowing its members.
 *
 * Spec: GET /sync "RoomSummary"
 */
import { selectHeroesAt, selectStateByKeys } from '../../db/room-state.ts'
import { selectRoom } from '../../db/rooms.ts'
import type { Context } from '../context.ts'
import type { JsonObject } from '../lib/json.ts'
import { parsePdu } from '../rooms/stored-event.ts'

const heroCount = 5

/** @returns what goes on the wire, and the heroes, whose memberships have to come along */
export async function roomSummary(
  ctx: Context,
  roomId: string,
  userId: string,
  upTo: number,
): Promise<{ wire: JsonObject; heroes: string[] }> {
  const room = await selectRoom(ctx.db, roomId)
  const names = await selectStateByKeys(ctx.db, roomId, [
    ['m.room.name', ''],
    ['m.room.canonical_alias', ''],
  ])
  const isNamed = names.some(row => {
    const { name, alias } = parsePdu(row).content
    return Boolean(name) || Boolean(alias)
  })
  // Only a room without a name is called after its members.
  const heroes = isNamed ? [] : await selectHeroesAt(ctx.db, roomId, userId, upTo, heroCount)
  const ids = heroes.map(hero => hero.user_id)
  return {
    wire: {
      ...(isNamed ? {} : { 'm.heroes': ids }),
      'm.joined_member_count': room?.joined_members ?? 0,
      'm.invited_member_count': room?.invited_members ?? 0,
    },
    heroes: ids,
  }
}
