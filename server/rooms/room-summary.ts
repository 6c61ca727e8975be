/**
 * What somebody may know of a room before they are in it.
 *
 * Spec: GET /room_summary/{roomIdOrAlias}; MSC3266
 */

import { selectMembership } from '../../db/memberships.ts'
import { selectStateByKeys } from '../../db/room-state.ts'
import { selectRoom } from '../../db/rooms.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { notFound } from '../matrix/errors.ts'
import type { Requester } from '../requester.ts'
import type { Context } from './context.ts'
import { resolveRoom } from './directory.ts'
import { publicRoom } from './public-rooms.ts'
import { isInOneOf } from './restricted-join.ts'
import { contentOf } from './stored-event.ts'
import { allowedRooms } from './visible-rooms.ts'

/** Whoever may come in without being asked may see where. */
const openJoinRules: readonly (JsonValue | undefined)[] = ['public', 'knock', 'knock_restricted']

/**
 * @param requester undefined: somebody without a token
 * @throws 404 M_NOT_FOUND unknown, or not for them to know of
 */
export async function readRoomSummary(
  ctx: Context,
  requester: Requester | undefined,
  roomIdOrAlias: string,
): Promise<JsonObject> {
  const roomId = await resolveRoom(ctx.db, roomIdOrAlias)
  const room = await selectRoom(ctx.db, roomId)
  if (!room) throw unknownRoom(roomIdOrAlias)
  const summary = await publicRoom(ctx.db, room)
  const rows = await selectStateByKeys(ctx.db, roomId, [
    ['m.room.join_rules', ''],
    ['m.room.encryption', ''],
  ])
  const content = (type: string) => {
    const row = rows.find(candidate => candidate.type === type)
    return row ? contentOf(row) : {}
  }
  const joinRules = content('m.room.join_rules')
  const { join_rule: joinRule, allow } = joinRules
  const { algorithm } = content('m.room.encryption')
  const conditions = Array.isArray(allow) ? allow : []
  const isRestricted = joinRule === 'restricted' || joinRule === 'knock_restricted'
  const membership =
    requester && (await selectMembership(ctx.db, roomId, requester.userId))?.membership

  const isOpen = openJoinRules.includes(joinRule) || summary.world_readable === true
  const isInvolved = membership !== undefined && ['join', 'invite', 'knock'].includes(membership)
  const isLetIn =
    isRestricted &&
    requester !== undefined &&
    (await isInOneOf(ctx.db, conditions, requester.userId))
  if (!isOpen && !isInvolved && !isLetIn) throw unknownRoom(roomIdOrAlias)

  return {
    ...summary,
    room_version: room.version,
    // MSC3266, of before it was accepted, for matrix-rust-sdk.
    'im.nheko.summary.room_version': room.version,
    ...(typeof algorithm === 'string'
      ? { encryption: algorithm, 'im.nheko.summary.encryption': algorithm }
      : {}),
    ...(isRestricted ? { allowed_room_ids: allowedRooms(room, joinRules) } : {}),
    ...(requester ? { membership: membership ?? 'leave' } : {}),
  }
}

const unknownRoom = (roomIdOrAlias: string) =>
  notFound(`There is no room ${roomIdOrAlias}, or it is not for you to see`)
