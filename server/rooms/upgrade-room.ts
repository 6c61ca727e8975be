/**
 * Replacing a room by one of another version: all of it in one transaction, so that there is either
 * a successor that everything leads to, or nothing has happened.
 *
 * Spec: Client-Server API "Room Upgrades"
 */

import { selectBans } from '../../db/memberships.ts'
import { selectStateAt } from '../../db/room-state.ts'
import { type LockedRoom, moveAliases, updateIsPublic } from '../../db/rooms.ts'
import type { EventRow } from '../../db/schema.ts'
import { type Tx, transaction } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import { forbidden, MatrixError, unsupportedRoomVersion } from '../matrix/errors.ts'
import type { Pdu } from '../matrix/event.ts'
import { creatorsOf, powerLevelOf, requiredLevel } from '../matrix/power-levels.ts'
import { type RoomVersion, roomVersions } from '../matrix/room-versions.ts'
import { contentIn } from '../matrix/upgraded-content.ts'
import { levelsOfReplacedRoom, levelsOfSuccessor } from '../matrix/upgraded-power-levels.ts'
import type { Requester } from '../requester.ts'
import { holdOwnProfile } from './account-in-use.ts'
import { appendEvent, appendEvents } from './append-event.ts'
import type { EventDraft } from './build-event.ts'
import type { Context } from './context.ts'
import { defaultPowerLevels } from './create-room.ts'
import { followUpgrade } from './follow-upgrade.ts'
import { additionalCreators, insertNewRoom } from './new-room.ts'
import { lockKnownRoom } from './send-event.ts'
import { contentOf, parsePdu, versionOf } from './stored-event.ts'
import { assertJoined } from './visibility.ts'

export interface Upgrade {
  roomId: string
  newVersion: string
  additionalCreators: readonly string[]
}

/** A room that is to be replaced, with what of its state the successor is made from. */
interface OldRoom {
  room: LockedRoom
  version: RoomVersion
  create: Pdu
  powerLevels: Pdu | undefined
  /** Under the empty state key, by type; but `m.space.child` under all of its keys. */
  state: EventRow[]
}

/** What the specification recommends to carry over, in the order in which it is set. */
const copiedTypes = [
  'm.room.join_rules',
  'm.room.history_visibility',
  'm.room.guest_access',
  'm.room.encryption',
  'm.room.server_acl',
  'm.room.name',
  'm.room.topic',
  'm.room.avatar',
  'm.room.canonical_alias',
]

/**
 * Replace a room by a new one: with its state, its bans, its aliases and its place in the room list.
 * Nobody but the upgrading user is in it yet.
 *
 * @returns the new room's id
 * @throws 400 M_UNSUPPORTED_ROOM_VERSION · 400 M_INVALID_PARAM a creator that is none · 403
 *   M_FORBIDDEN unless the user is in the room and may send its `m.room.tombstone`
 * Spec: POST /rooms/{roomId}/upgrade
 */
export async function upgradeRoom(
  ctx: Context,
  requester: Requester,
  upgrade: Upgrade,
): Promise<string> {
  const { userId } = requester
  const version = roomVersions.get(upgrade.newVersion)
  if (!version) throw unsupportedRoomVersion(upgrade.newVersion)
  const newRoomId = await transaction(ctx.db, async tx => {
    // Before the room, as everybody does.
    await holdOwnProfile(tx, userId)
    const room = await lockKnownRoom(tx, upgrade.roomId)
    await assertJoined(tx, upgrade.roomId, userId)
    const old = await readOldRoom(tx, room)
    assertMayReplace(old, userId)
    const successor = await makeSuccessor(ctx, tx, old, userId, version, upgrade.additionalCreators)
    await moveAliases(tx, room.room_id, successor.room_id)
    if (room.is_public) await updateIsPublic(tx, room.room_id, false)
    await closeOldRoom(ctx, tx, old, userId, successor.room_id)
    return successor.room_id
  })
  await followUpgrade(ctx, userId, newRoomId)
  return newRoomId
}

async function readOldRoom(tx: Tx, room: LockedRoom): Promise<OldRoom> {
  const rows = await selectStateAt(tx, room.room_id, Number.MAX_SAFE_INTEGER, {
    types: [...copiedTypes, 'm.room.create', 'm.room.power_levels', 'm.space.child'],
  })
  const state = rows.filter(row => row.state_key === '' || row.type === 'm.space.child')
  const pdu = (type: string) => {
    const row = state.find(candidate => candidate.type === type)
    return row && { ...parsePdu(row), event_id: row.event_id }
  }
  const create = pdu('m.room.create')
  if (!create) throw new Error('a room without a create event')
  const version = versionOf(room)
  return { room, version, create, powerLevels: pdu('m.room.power_levels'), state }
}

/** The rules would refuse the tombstone in the end; asked first, no room is made in vain. */
function assertMayReplace({ create, powerLevels, version }: OldRoom, userId: string): void {
  const tombstone = { type: 'm.room.tombstone', state_key: '' }
  const required = requiredLevel(tombstone, powerLevels, version)
  if (powerLevelOf(userId, create, powerLevels, version) < required) {
    throw forbidden('You may not upgrade this room')
  }
}

async function makeSuccessor(
  ctx: Context,
  tx: Tx,
  old: OldRoom,
  creator: string,
  version: RoomVersion,
  others: readonly string[],
): Promise<LockedRoom> {
  const { type, 'm.federate': federate } = old.create.content
  const { room_id, last_event_id } = old.room
  const content = contentIn(version, {
    room_version: version.id,
    ...(version.creatorInContent ? { creator } : {}),
    ...(version.privilegedCreators ? additionalCreators(creator, others) : {}),
    ...(type === undefined ? {} : { type }),
    ...(federate === undefined ? {} : { 'm.federate': federate }),
    // From version 12 on the id of the room is proof enough, and there is no event to name.
    predecessor: version.privilegedCreators ? { room_id } : { room_id, event_id: last_event_id },
  })
  const isPublic = old.room.is_public
  const { room, first } = await insertNewRoom(ctx, tx, creator, content, { version, isPublic })

  // The levels come last: before there are any, the creator may do everything that is copied.
  const creators = creatorsOf({ type: 'm.room.create', sender: creator, content }, version)
  const carried = [
    ...copiedState(old, creator, version),
    ...(await copiedBans(tx, old, creator, creators)),
  ]
  const levels = powerLevelsDraft(old, creator, { creators, version })
  await appendAsFarAsMayBe(ctx, tx, room, [...first, ...carried, levels], new Set(carried))
  return room
}

/**
 * What is to be carried over is recommended, not demanded: one event that the successor refuses, such
 * as one too large under its new sender's name, stays behind and does not keep the room from moving.
 */
async function appendAsFarAsMayBe(
  ctx: Context,
  tx: Tx,
  room: LockedRoom,
  drafts: readonly EventDraft[],
  dispensable: ReadonlySet<EventDraft>,
): Promise<void> {
  const entries = drafts.map(draft => ({ room, draft }))
  const outcomes = await appendEvents(ctx, tx, entries)
  for (const [i, draft] of drafts.entries()) {
    const outcome = outcomes[i]
    if (!(outcome instanceof MatrixError)) continue
    if (!dispensable.has(draft)) throw outcome
    const { room_id } = room
    ctx.log.info({ room_id, type: draft.type, errcode: outcome.errcode }, 'state stayed behind')
  }
}

function copiedState({ state }: OldRoom, sender: string, version: RoomVersion): EventDraft[] {
  const wanted = [
    ...copiedTypes.flatMap(type => state.filter(row => row.type === type)),
    ...state.filter(row => row.type === 'm.space.child'),
  ]
  return wanted.flatMap(row => {
    const content = contentOf(row)
    // Redacted, or taken back by being emptied: a child without `via` is none.
    if (Object.keys(content).length === 0) return []
    if (row.type === 'm.space.child' && !Array.isArray(content.via)) return []
    const held = contentIn(version, content)
    return [{ type: row.type, stateKey: row.state_key ?? '', sender, content: held }]
  })
}

/** @param creators of the new room, of whom nobody can be banned there */
async function copiedBans(
  tx: Tx,
  { room }: OldRoom,
  sender: string,
  creators: readonly string[],
): Promise<EventDraft[]> {
  const bans = await selectBans(tx, room.room_id)
  return bans.flatMap(row => {
    if (row.state_key === null || creators.includes(row.state_key)) return []
    const { reason } = contentOf(row)
    const content = { membership: 'ban', ...(typeof reason === 'string' ? { reason } : {}) }
    return [{ type: 'm.room.member', stateKey: row.state_key, sender, content }]
  })
}

function powerLevelsDraft(
  { create, powerLevels, version: oldVersion }: OldRoom,
  sender: string,
  successor: { creators: readonly string[]; version: RoomVersion },
): EventDraft {
  const levels = powerLevels
    ? levelsOfSuccessor({ create, powerLevels, version: oldVersion }, successor)
    : defaultPowerLevels(successor.version.id, [sender])
  const content = contentIn(successor.version, levels)
  return { type: 'm.room.power_levels', stateKey: '', sender, content }
}

/** The tombstone, an end to its aliases, and silence; the last two as far as the user may. */
async function closeOldRoom(
  ctx: Context,
  tx: Tx,
  { room, version, powerLevels, state }: OldRoom,
  sender: string,
  successorId: string,
): Promise<void> {
  const draft = (type: string, content: JsonObject) => ({ type, stateKey: '', sender, content })
  const tombstone = { body: 'This room has been replaced', replacement_room: successorId }
  await appendEvent(ctx, tx, room, draft('m.room.tombstone', tombstone))
  const hasAlias = state.some(
    row => row.type === 'm.room.canonical_alias' && Object.keys(contentOf(row)).length > 0,
  )
  const raised = powerLevels && levelsOfReplacedRoom(powerLevels.content, version)
  await appendEvents(ctx, tx, [
    ...(hasAlias ? [{ room, draft: draft('m.room.canonical_alias', {}) }] : []),
    ...(raised ? [{ room, draft: draft('m.room.power_levels', raised) }] : []),
  ])
}
