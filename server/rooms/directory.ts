/** Aliases and the public room list. */

import { selectStateByKeys } from '../../db/room-state.ts'
import {
  countPublicRooms,
  deleteAlias,
  insertAlias,
  selectAlias,
  selectAliasesOf,
  selectPublicRooms,
  selectRoom,
} from '../../db/rooms.ts'
import type { RoomRow } from '../../db/schema.ts'
import { type Db, type Tx, transaction } from '../../db/transaction.ts'
import type { Requester } from '../accounts/requester.ts'
import type { Context } from '../context.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { forbidden, invalidParam, MatrixError, notFound } from '../matrix/errors.ts'
import { domainOf, isRoomAlias } from '../matrix/ids.ts'
import { powerLevelOf, requiredLevel } from '../matrix/power-levels.ts'
import { parsePdu, versionOf } from './stored-event.ts'
import { assertJoined } from './visibility.ts'

/**
 * The room that an id or an alias means.
 *
 * @throws 404 M_NOT_FOUND unknown alias
 */
export async function resolveRoom(db: Db, roomIdOrAlias: string): Promise<string> {
  if (!roomIdOrAlias.startsWith('#')) return roomIdOrAlias
  const alias = await selectAlias(db, roomIdOrAlias)
  if (!alias) throw notFound(`There is no room with the alias ${roomIdOrAlias}`)
  return alias.room_id
}

/**
 * Give a room an alias.
 *
 * @throws 400 M_EXCLUSIVE · 409 M_UNKNOWN if it is taken · 403 M_FORBIDDEN unless the user is in the room ·
 *   400 M_INVALID_PARAM an alias of another server
 * Spec: PUT /directory/room/{roomAlias}
 */
export function createAlias(
  ctx: Context,
  requester: Requester,
  request: { alias: string; roomId: string },
): Promise<void> {
  if (domainOf(request.alias) !== ctx.config.server_name) {
    throw invalidParam('Aliases are made on the server that they name')
  }
  ctx.appServices.assertMayManageAlias(request.alias, requester.appService)
  return transaction(ctx.db, async tx => {
    await assertJoined(tx, request.roomId, requester.userId)
    const outcome = await insertAlias(tx, {
      room_alias: request.alias,
      room_id: request.roomId,
      creator: requester.userId,
      created_ts: ctx.clock.now(),
    })
    if (outcome === 'taken') throw new MatrixError(409, 'M_UNKNOWN', 'That alias is taken')
  })
}

/**
 * Take an alias away from its room.
 *
 * @throws 400 M_EXCLUSIVE · 404 M_NOT_FOUND · 403 M_FORBIDDEN unless the user made it or may set the room's
 *   canonical alias
 * Spec: DELETE /directory/room/{roomAlias}
 */
export function removeAlias(ctx: Context, requester: Requester, roomAlias: string): Promise<void> {
  return transaction(ctx.db, async tx => {
    ctx.appServices.assertMayManageAlias(roomAlias, requester.appService)
    const alias = await selectAlias(tx, roomAlias)
    if (!alias) throw notFound('There is no such alias')
    if (alias.creator !== requester.userId && !requester.appService) {
      const { level, required } = await levelsForAliases(tx, alias.room_id, requester.userId)
      if (level < required) throw forbidden('The alias was made by somebody else')
    }
    await deleteAlias(tx, roomAlias)
  })
}

async function levelsForAliases(tx: Tx, roomId: string, userId: string) {
  const rows = await selectStateByKeys(tx, roomId, [
    ['m.room.create', ''],
    ['m.room.power_levels', ''],
    ['m.room.member', userId],
  ])
  const event = (type: string) => {
    const row = rows.find(candidate => candidate.type === type)
    return row && parsePdu(row)
  }
  const create = event('m.room.create')
  const powerLevels = event('m.room.power_levels')
  const isJoined = event('m.room.member')?.content.membership === 'join'
  const room = await selectRoom(tx, roomId)
  if (!room || !create || !isJoined) return { level: -1, required: 0 }
  const version = versionOf(room)
  return {
    level: powerLevelOf(userId, create, powerLevels, version),
    required: requiredLevel(
      { type: 'm.room.canonical_alias', state_key: '' },
      powerLevels,
      version,
    ),
  }
}

/**
 * A canonical alias must lead to the room that it is set in.
 *
 * @throws 400 M_INVALID_PARAM not an alias · 400 M_BAD_ALIAS unknown, or of another room
 */
export async function checkAliasEvent(
  tx: Tx,
  roomId: string,
  draft: { content: JsonObject },
): Promise<void> {
  const { alias, alt_aliases: altAliases = [] } = draft.content
  if (!Array.isArray(altAliases)) throw invalidParam('alt_aliases must be a list')
  const named: JsonValue[] = [...altAliases]
  if (alias !== undefined && alias !== null && alias !== '') named.push(alias)
  for (const one of new Set(named)) {
    if (typeof one !== 'string' || !isRoomAlias(one)) throw invalidParam('That is not an alias')
    const found = await selectAlias(tx, one)
    if (found?.room_id !== roomId) {
      throw new MatrixError(400, 'M_BAD_ALIAS', `${one} does not lead to this room`)
    }
  }
}

/** @throws 403 M_FORBIDDEN unless the user is in the room */
export async function listAliases(
  ctx: Context,
  requester: Requester,
  roomId: string,
): Promise<string[]> {
  await assertJoined(ctx.db, roomId, requester.userId)
  return (await selectAliasesOf(ctx.db, roomId)).map(row => row.room_alias)
}

const defaultPageSize = 100

/**
 * A page of the public room list, largest rooms first.
 *
 * @param page `since` is the `next_batch` of the page before
 * @throws 400 M_INVALID_PARAM a `since` that is none
 * Spec: GET /publicRooms
 */
export async function listPublicRooms(
  ctx: Context,
  page: { limit?: number | undefined; since?: string | undefined },
): Promise<JsonObject> {
  const limit = Math.min(page.limit ?? defaultPageSize, 1_000)
  const rooms = await selectPublicRooms(ctx.db, { limit: limit + 1, after: readSince(page.since) })
  const shown = rooms.slice(0, limit)
  const last = shown.at(-1)
  return {
    chunk: await Promise.all(shown.map(room => publicRoom(ctx.db, room))),
    total_room_count_estimate: await countPublicRooms(ctx.db),
    ...(rooms.length > limit && last
      ? { next_batch: `p${last.joined_members}_${last.room_id}` }
      : {}),
  }
}

function readSince(since: string | undefined) {
  if (since === undefined) return undefined
  const match = /^p(\d{1,9})_(!.+)$/.exec(since)
  if (!match?.[2]) throw invalidParam('since is not a next_batch of this list')
  return { joinedMembers: Number(match[1]), roomId: match[2] }
}

/** What is told of a room to those who may find it. */
export async function publicRoom(db: Db, room: RoomRow): Promise<JsonObject> {
  const rows = await selectStateByKeys(db, room.room_id, [
    ['m.room.create', ''],
    ['m.room.name', ''],
    ['m.room.topic', ''],
    ['m.room.avatar', ''],
    ['m.room.canonical_alias', ''],
    ['m.room.join_rules', ''],
    ['m.room.history_visibility', ''],
    ['m.room.guest_access', ''],
  ])
  const content = (type: string) => {
    const row = rows.find(candidate => candidate.type === type)
    return row ? parsePdu(row).content : {}
  }
  const texts: [string, JsonValue | undefined][] = [
    ['name', content('m.room.name').name],
    ['topic', content('m.room.topic').topic],
    ['avatar_url', content('m.room.avatar').url],
    ['canonical_alias', content('m.room.canonical_alias').alias],
    ['join_rule', content('m.room.join_rules').join_rule],
    ['room_type', content('m.room.create').type],
  ]
  return {
    room_id: room.room_id,
    num_joined_members: room.joined_members,
    world_readable: content('m.room.history_visibility').history_visibility === 'world_readable',
    guest_can_join: content('m.room.guest_access').guest_access === 'can_join',
    ...Object.fromEntries(texts.filter(([, value]) => typeof value === 'string' && value !== '')),
  } as JsonObject
}
