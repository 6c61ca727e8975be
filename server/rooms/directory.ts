/** Aliases. */

import { selectStateByKeys } from '../../db/room-state.ts'
import {
  deleteAlias,
  insertAlias,
  type LockedRoom,
  lockRoom,
  selectAlias,
  selectAliases,
  selectAliasesOf,
  selectRoom,
} from '../../db/rooms.ts'
import { type Db, type Tx, transaction } from '../../db/transaction.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { forbidden, invalidParam, MatrixError, notFound } from '../matrix/errors.ts'
import { domainOf, isRoomAlias } from '../matrix/ids.ts'
import { powerLevelOf, requiredLevel } from '../matrix/power-levels.ts'
import type { Requester } from '../requester.ts'
import { appendEvents } from './append-event.ts'
import type { Context } from './context.ts'
import { contentOf, parsePdu, versionOf } from './stored-event.ts'
import { assertJoined, assertStays } from './visibility.ts'

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
    await assertStays(tx, request.roomId)
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
  const { userId } = requester
  return transaction(ctx.db, async tx => {
    ctx.appServices.assertMayManageAlias(roomAlias, requester.appService)
    const known = await selectAlias(tx, roomAlias)
    // Locked first: nobody makes it the canonical alias while it goes. Then looked at again.
    const room = known && (await lockRoom(tx, known.room_id))
    const alias = room && (await selectAlias(tx, roomAlias))
    if (!alias || alias.room_id !== room.room_id) throw notFound('There is no such alias')
    if (alias.creator !== userId && !requester.appService) {
      const isPermitted = await mayNameRoom(tx, alias.room_id, userId)
      if (!isPermitted) throw forbidden('The alias was made by somebody else')
    }
    await deleteAlias(tx, roomAlias)
    await forgetCanonicalAlias(ctx, tx, room, { sender: userId, roomAlias })
  })
}

/** The room is no longer called by an alias that is gone, if who removes it may say so. */
async function forgetCanonicalAlias(
  ctx: Context,
  tx: Tx,
  room: LockedRoom,
  { sender, roomAlias }: { sender: string; roomAlias: string },
): Promise<void> {
  const type = 'm.room.canonical_alias'
  const [row] = await selectStateByKeys(tx, room.room_id, [[type, '']])
  const { alias, alt_aliases: others, ...content } = row ? contentOf(row) : {}
  const named = Array.isArray(others) ? others : []
  if (alias !== roomAlias && !named.includes(roomAlias)) return
  const kept = named.filter(other => other !== roomAlias)
  if (alias !== undefined && alias !== roomAlias) content.alias = alias
  if (kept.length > 0) content.alt_aliases = kept
  await appendEvents(ctx, tx, [{ room, draft: { type, stateKey: '', sender, content } }])
}

/** Whether the user is in the room and may set its canonical alias. */
export async function mayNameRoom(tx: Tx, roomId: string, userId: string): Promise<boolean> {
  const rows = await selectStateByKeys(tx, roomId, [
    ['m.room.create', ''],
    ['m.room.power_levels', ''],
    ['m.room.member', userId],
  ])
  const event = (type: string) => {
    const row = rows.find(candidate => candidate.type === type)
    return row && { ...parsePdu(row), event_id: row.event_id }
  }
  const [create, powerLevels] = [event('m.room.create'), event('m.room.power_levels')]
  const isJoined = event('m.room.member')?.content.membership === 'join'
  const room = await selectRoom(tx, roomId)
  if (!room || !create || !isJoined) return false
  const version = versionOf(room)
  const naming = { type: 'm.room.canonical_alias', state_key: '' }
  const level = powerLevelOf(userId, create, powerLevels, version)
  return level >= requiredLevel(naming, powerLevels, version)
}

/** Those that a canonical alias names and that lead to the room. */
export async function selectOwnAliases(
  tx: Tx,
  roomId: string,
  content: JsonObject,
): Promise<Set<string>> {
  const named = namedIn(content).filter(one => typeof one === 'string' && isRoomAlias(one))
  const rows = await selectAliases(tx, named as string[])
  return new Set(rows.filter(row => row.room_id === roomId).map(row => row.room_alias))
}

/**
 * A canonical alias must lead to the room that it is set in.
 *
 * @param own the aliases that do
 * @throws 400 M_INVALID_PARAM not an alias · 400 M_BAD_ALIAS unknown, or of another room
 */
export function assertOwnAliases(content: JsonObject, own: ReadonlySet<string>): void {
  const { alt_aliases: altAliases = [] } = content
  if (!Array.isArray(altAliases)) throw invalidParam('alt_aliases must be a list')
  for (const one of namedIn(content)) {
    if (typeof one !== 'string' || !isRoomAlias(one)) throw invalidParam('That is not an alias')
    if (!own.has(one)) {
      throw new MatrixError(400, 'M_BAD_ALIAS', `${one} does not lead to this room`)
    }
  }
}

function namedIn({ alias, alt_aliases: altAliases }: JsonObject): JsonValue[] {
  const isNamed = alias !== undefined && alias !== null && alias !== ''
  return [...(Array.isArray(altAliases) ? altAliases : []), ...(isNamed ? [alias] : [])]
}

/**
 * The aliases of a room, for who is in it, and for everybody while all the world may read it.
 *
 * @throws 403 M_FORBIDDEN, also for a room that does not exist
 * Spec: GET /rooms/{roomId}/aliases
 */
export async function listAliases(
  ctx: Context,
  requester: Requester,
  roomId: string,
): Promise<string[]> {
  const [visibility] = await selectStateByKeys(ctx.db, roomId, [['m.room.history_visibility', '']])
  const isOpen = visibility && contentOf(visibility).history_visibility === 'world_readable'
  if (!isOpen) await assertJoined(ctx.db, roomId, requester.userId)
  return (await selectAliasesOf(ctx.db, roomId)).map(row => row.room_alias)
}
