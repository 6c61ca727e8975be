/**
 * What a client needs to name a room and to say how many are in it, without knowing its members.
 *
 * Spec: GET /sync "RoomSummary"
 */
import { selectHeroes, selectStateByKeys } from '../../db/room-state.ts'
import { selectRoom } from '../../db/rooms.ts'
import type { Context } from '../context.ts'
import type { JsonObject } from '../lib/json.ts'
import { parsePdu } from '../rooms/stored-event.ts'

const heroCount = 5

/** What the summary is made of: it is told again when any of it has changed. */
export const summarisedTypes = ['m.room.member', 'm.room.name', 'm.room.canonical_alias']

/** @returns what goes on the wire, and the heroes, whose memberships have to come along */
export async function roomSummary(
  ctx: Context,
  roomId: string,
  userId: string,
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
  const heroes = isNamed ? [] : await heroesOf(ctx, roomId, userId)
  return {
    wire: {
      ...(isNamed ? {} : { 'm.heroes': heroes }),
      'm.joined_member_count': room?.joined_members ?? 0,
      'm.invited_member_count': room?.invited_members ?? 0,
    },
    heroes,
  }
}

/** Those who have gone stand in only where nobody else is left. */
export async function heroesOf(ctx: Context, roomId: string, userId: string): Promise<string[]> {
  const present = await selectHeroes(ctx.db, roomId, userId, 'present', heroCount)
  return present.length > 0 ? present : selectHeroes(ctx.db, roomId, userId, 'gone', heroCount)
}
