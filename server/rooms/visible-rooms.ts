/**
 * Which rooms somebody who need not be in them may find, and what they are told of them.
 *
 * Spec: GET /rooms/{roomId}/hierarchy, `rooms`
 */

import { selectMemberships } from '../../db/memberships.ts'
import { selectCurrentState } from '../../db/room-state.ts'
import { selectRooms } from '../../db/rooms.ts'
import type { RoomRow } from '../../db/schema.ts'
import type { Db } from '../../db/transaction.ts'
import { isJsonObject, type JsonObject } from '../lib/json.ts'
import { isRoomId } from '../matrix/ids.ts'
import { publicRooms } from './public-rooms.ts'
import { contentOf, versionOf } from './stored-event.ts'

export interface VisibleRoom {
  roomId: string
  isSpace: boolean
  /** As in the room list, with the room's version, encryption, and whom its join rules let in. */
  summary: JsonObject
}

/**
 * Of these rooms those that the user is in, is invited to, may join, may knock on, or may read.
 *
 * @param roomIds may come from an event: what is no room id is no room
 */
export async function selectVisibleRooms(
  db: Db,
  userId: string,
  roomIds: readonly string[],
): Promise<Map<string, VisibleRoom>> {
  const wanted = roomIds.filter(roomId => isRoomId(roomId) && !roomId.includes('\0'))
  const rooms = await selectRooms(db, wanted)
  const summaries = await publicRooms(db, rooms)
  const contents = new Map<string, JsonObject>()
  for (const row of await selectCurrentState(db, wanted, [
    'm.room.join_rules',
    'm.room.encryption',
  ])) {
    contents.set(`${row.room_id} ${row.type}`, contentOf(row))
  }
  const joinRules = (roomId: string) => contents.get(`${roomId} m.room.join_rules`) ?? {}
  const allowed = new Map(
    rooms.map(room => [room.room_id, allowedRooms(room, joinRules(room.room_id))]),
  )
  const asked = [...wanted, ...[...allowed.values()].flat()]
  const memberships = await selectMemberships(db, userId, asked)

  const visible = new Map<string, VisibleRoom>()
  for (const [index, room] of rooms.entries()) {
    const { room_id: roomId } = room
    const summary = summaries[index] ?? {}
    const lettingIn = allowed.get(roomId) ?? []
    const isLetIn = lettingIn.some(other => memberships.get(other) === 'join')
    const membership = memberships.get(roomId) ?? ''
    const isVisible =
      ['join', 'invite'].includes(membership) ||
      summary.world_readable === true ||
      (membership !== 'ban' && (isLetIn || isOpen(room, joinRules(roomId))))
    if (!isVisible) continue
    const { algorithm } = contents.get(`${roomId} m.room.encryption`) ?? {}
    visible.set(roomId, {
      roomId,
      isSpace: summary.room_type === 'm.space',
      summary: {
        ...summary,
        room_version: room.version,
        ...(typeof algorithm === 'string' ? { encryption: algorithm } : {}),
        ...(isRestricted(joinRules(roomId)) ? { allowed_room_ids: lettingIn } : {}),
      },
    })
  }
  return visible
}

const isRestricted = ({ join_rule: rule }: JsonObject): boolean =>
  rule === 'restricted' || rule === 'knock_restricted'

/** Everybody may come in, or ask to. */
function isOpen(room: RoomRow, { join_rule: rule }: JsonObject): boolean {
  const { allowsKnocking, allowsKnockRestricted } = versionOf(room)
  if (rule === 'public') return true
  return (
    (rule === 'knock' && allowsKnocking) || (rule === 'knock_restricted' && allowsKnockRestricted)
  )
}

/** The rooms whose members may come in. */
export function allowedRooms(room: RoomRow, { join_rule: rule, allow }: JsonObject): string[] {
  const { allowsRestrictedJoin, allowsKnockRestricted } = versionOf(room)
  const isKnown =
    (rule === 'restricted' && allowsRestrictedJoin) ||
    (rule === 'knock_restricted' && allowsKnockRestricted)
  if (!isKnown || !Array.isArray(allow)) return []
  return allow.flatMap(condition =>
    isJsonObject(condition) &&
    condition.type === 'm.room_membership' &&
    typeof condition.room_id === 'string' &&
    isRoomId(condition.room_id) &&
    !condition.room_id.includes('\0')
      ? [condition.room_id]
      : [],
  )
}
