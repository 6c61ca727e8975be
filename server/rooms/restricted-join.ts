/**
 * Joins to rooms whose join rules let in who is in another room. The server looks, and puts a member's
 * name to it.
 *
 * Spec: "Restricted rooms"; room version 8
 */
import { selectMemberships, selectSomeoneJoined } from '../../db/memberships.ts'
import { selectStateByKeys } from '../../db/room-state.ts'
import type { HeldRoom } from '../../db/rooms.ts'
import type { Db, Tx } from '../../db/transaction.ts'
import { isJsonObject } from '../lib/json.ts'
import { forbidden } from '../matrix/errors.ts'
import type { AuthEvent, StateLookup } from '../matrix/event.ts'
import { isUserId } from '../matrix/ids.ts'
import { actionLevel, creatorsOf, powerLevelOf } from '../matrix/power-levels.ts'
import type { RoomVersion } from '../matrix/room-versions.ts'
import type { EventDraft } from './build-event.ts'
import type { Context } from './context.ts'
import { isJoin } from './judge-event.ts'
import { contentOf, versionOf } from './stored-event.ts'

/**
 * A join that is sent as state, at once or when it is due, is vouched for as one by `/join` is.
 *
 * @returns the draft, unless it is one of somebody who needs a voucher and has one
 * @throws as {@link findVoucher}
 */
export async function vouchedFor(
  ctx: Context,
  tx: Tx,
  room: HeldRoom,
  draft: EventDraft,
): Promise<EventDraft> {
  const { sender } = draft
  if (!isJoin(draft) || draft.stateKey !== sender) return draft
  const state = await ctx.roomStates.lookUp(tx, room, [['m.room.member', sender]])
  const { membership } = state('m.room.member', sender)?.content ?? {}
  if (membership === 'join' || membership === 'invite' || membership === 'ban') return draft
  return { ...draft, joinAuthorisedVia: await findVoucher(tx, room, state, sender) }
}

/**
 * Somebody who may vouch for a join to a restricted room: this server looks whether the user is in
 * one of the rooms that the join rules name, and puts its name to it as a member who may invite.
 *
 * @returns undefined if the room is not restricted
 * @throws 403 M_FORBIDDEN if the user is in none of those rooms, or nobody here may vouch
 */
export async function findVoucher(
  tx: Tx,
  room: HeldRoom,
  state: StateLookup,
  userId: string,
): Promise<string | undefined> {
  const version = versionOf(room)
  if (!version.allowsRestrictedJoin) return undefined
  const { join_rule: joinRule, allow } = state('m.room.join_rules', '')?.content ?? {}
  const isRestricted =
    joinRule === 'restricted' || (joinRule === 'knock_restricted' && version.allowsKnockRestricted)
  if (!isRestricted) return undefined

  const isPermitted = await isInOneOf(tx, Array.isArray(allow) ? allow : [], userId)
  if (!isPermitted) throw forbidden('You are in none of the rooms that let you join this one')

  const create = state('m.room.create', '')
  if (!create) throw new Error('a room without a create event')
  const powerLevels = state('m.room.power_levels', '')
  const required = actionLevel('invite', powerLevels, version)
  const mayInvite = (candidate: string) =>
    powerLevelOf(candidate, create, powerLevels, version) >= required
  // Those of whom the room says something, and one for all of whom it says nothing.
  const named = namedIn(create, powerLevels, version)
  const unnamed = await selectSomeoneJoined(tx, room.room_id, named)
  const candidates = [...named, ...(unnamed === undefined ? [] : [unnamed])].filter(mayInvite)
  // The room is held: what is in its state is what holds.
  const members = await selectStateByKeys(
    tx,
    room.room_id,
    candidates.map(candidate => ['m.room.member', candidate] as const),
  )
  const voucher = members.find(member => contentOf(member).membership === 'join')
  if (!voucher?.state_key) throw forbidden('Nobody in the room may let you in')
  return voucher.state_key
}

/** Whoever created the room, or has a power level of their own. */
function namedIn(create: AuthEvent, powerLevels: AuthEvent | undefined, version: RoomVersion) {
  const users = powerLevels?.content.users
  const named = new Set([
    create.sender,
    ...creatorsOf(create, version),
    ...(isJsonObject(users) ? Object.keys(users) : []),
  ])
  // Old versions let anything stand there.
  return [...named].filter(isUserId)
}

/** Whether the user is in one of the rooms that an `allow` of restricted join rules names. */
export async function isInOneOf(tx: Db, allow: unknown[], userId: string): Promise<boolean> {
  const roomIds = allow.flatMap(condition => {
    if (!isJsonObject(condition) || condition.type !== 'm.room_membership') return []
    const { room_id: roomId } = condition
    return typeof roomId === 'string' && !roomId.includes('\0') ? [roomId] : []
  })
  return [...(await selectMemberships(tx, userId, roomIds)).values()].includes('join')
}
