/**
 * Joining, inviting, leaving, kicking, banning, knocking, forgetting. Whether it is permitted is
 * for matrix/auth-rules-member.ts to say; here is what the API adds to it.
 *
 * Spec: Client-Server API "Room membership"
 */
import { selectUsers } from '../../db/accounts.ts'
import { selectMemberships, selectSomeoneJoined } from '../../db/memberships.ts'
import { selectStateByKeys } from '../../db/room-state.ts'
import { type LockedRoom, lockRoom, upsertForgotten } from '../../db/rooms.ts'
import { type Db, type Tx, transaction } from '../../db/transaction.ts'
import type { Requester } from '../accounts/requester.ts'
import type { Context } from '../context.ts'
import { isJsonObject, type JsonObject } from '../lib/json.ts'
import { forbidden, notFound, unknown } from '../matrix/errors.ts'
import type { AuthEvent, StateLookup } from '../matrix/event.ts'
import { isUserId } from '../matrix/ids.ts'
import { actionLevel, creatorsOf, powerLevelOf } from '../matrix/power-levels.ts'
import type { RoomVersion } from '../matrix/room-versions.ts'
import { appendAll } from './append-event.ts'
import type { EventDraft } from './build-event.ts'
import { resolveRoom } from './directory.ts'
import { followFrom, predecessorIn } from './follow-upgrade.ts'
import { assertMayInvite } from './invite-filter.ts'
import { lockKnownRoom } from './send-event.ts'
import { assertMayRejectInvite } from './state-content.ts'
import { parsePdu, versionOf } from './stored-event.ts'
import { notInRoom } from './visibility.ts'

export type Membership = 'join' | 'invite' | 'leave' | 'ban' | 'knock'

/** A membership that is to be. */
export interface MembershipChange {
  sender: string
  target: string
  membership: Membership
  /** Further content, such as `reason`. */
  extra?: JsonObject
  joinAuthorisedVia?: string | undefined
}

/** Append a membership. */
export async function setMembership(
  ctx: Context,
  tx: Tx,
  room: LockedRoom,
  change: MembershipChange,
): Promise<void> {
  await appendAll(ctx, tx, room, await membershipDrafts(tx, [change]))
}

/** The events, in this order. A join, a knock and an invite show who it is; a departure does not. */
export async function membershipDrafts(
  tx: Tx,
  changes: readonly MembershipChange[],
): Promise<EventDraft[]> {
  const showsWho = ({ membership }: MembershipChange) =>
    membership !== 'leave' && membership !== 'ban'
  const shown = changes.filter(showsWho).map(({ target }) => target)
  const users = await selectUsers(tx, shown)
  const profiles = new Map(
    users.map(({ user_id, displayname, avatar_url }) => [
      user_id,
      { ...(displayname ? { displayname } : {}), ...(avatar_url ? { avatar_url } : {}) },
    ]),
  )
  return changes.map(change => {
    const { sender, target, membership, extra, joinAuthorisedVia } = change
    const profile = showsWho(change) ? profiles.get(target) : {}
    const content = { ...profile, ...extra, membership }
    return { type: 'm.room.member', stateKey: target, sender, content, joinAuthorisedVia }
  })
}

const membershipIn = (state: StateLookup, userId: string) =>
  state('m.room.member', userId)?.content.membership

/**
 * Join a room by id or alias. Who is in it already stays in it, and nothing happens.
 *
 * @param extra the request body; its members go into the membership event
 * @returns the room's id
 * @throws 404 M_NOT_FOUND no such room · 403 M_FORBIDDEN
 * Spec: POST /join/{roomIdOrAlias}
 */
export async function joinRoom(
  ctx: Context,
  requester: Requester,
  roomIdOrAlias: string,
  extra: JsonObject,
): Promise<string> {
  const joined = await transaction(ctx.db, async tx => {
    const roomId = await resolveRoom(tx, roomIdOrAlias)
    const room = await lockRoom(tx, roomId)
    if (!room) throw notFound('There is no such room')
    const { userId } = requester
    const state = await ctx.roomStates.lookUp(tx, room, [
      ['m.room.member', userId],
      ['m.room.guest_access', ''],
    ])
    const create = state('m.room.create', '')
    const joins = { from: create && predecessorIn(create.content), to: roomId }
    const membership = membershipIn(state, userId)
    if (membership === 'join') return joins
    const { third_party_signed: _, ...content } = extra
    const voucher = membership === 'invite' ? undefined : await findVoucher(tx, room, state, userId)
    await setMembership(ctx, tx, room, {
      sender: userId,
      target: userId,
      membership: 'join',
      extra: content,
      joinAuthorisedVia: voucher,
    })
    return joins
  })
  await followFrom(ctx, requester.userId, joined)
  return joined.to
}

/**
 * Somebody who may vouch for a join to a restricted room: this server looks whether the user is in
 * one of the rooms that the join rules name, and puts its name to it as a member who may invite.
 *
 * @returns undefined if the room is not restricted
 * @throws 403 M_FORBIDDEN if the user is in none of those rooms, or nobody here may vouch
 * Spec: "Restricted rooms"; room version 8
 */
async function findVoucher(
  tx: Tx,
  room: LockedRoom,
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
  // The room is locked: what is in its state is what holds.
  const members = await selectStateByKeys(
    tx,
    room.room_id,
    candidates.map(candidate => ['m.room.member', candidate] as const),
  )
  const voucher = members.find(member => parsePdu(member).content.membership === 'join')
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

/**
 * Ask to be let in.
 *
 * @throws 404 M_NOT_FOUND · 403 M_FORBIDDEN
 * Spec: POST /knock/{roomIdOrAlias}
 */
export function knockOnRoom(
  ctx: Context,
  requester: Requester,
  roomIdOrAlias: string,
  reason: string | undefined,
): Promise<string> {
  return transaction(ctx.db, async tx => {
    const roomId = await resolveRoom(tx, roomIdOrAlias)
    const room = await lockRoom(tx, roomId)
    if (!room) throw notFound('There is no such room')
    await setMembership(ctx, tx, room, {
      sender: requester.userId,
      target: requester.userId,
      membership: 'knock',
      extra: reasonContent(reason),
    })
    return roomId
  })
}

/**
 * Leave a room, or reject an invite, or withdraw a knock. Leaving again does nothing.
 *
 * @throws 403 M_FORBIDDEN if the user has nothing to do with the room · 403
 *   M_CANNOT_LEAVE_SERVER_NOTICE_ROOM an invite of the server itself
 * Spec: POST /rooms/{roomId}/leave
 */
export function leaveRoom(
  ctx: Context,
  requester: Requester,
  roomId: string,
  reason?: string,
): Promise<void> {
  return transaction(ctx.db, async tx => {
    const room = await lockKnownRoom(tx, roomId)
    await assertMayRejectInvite(tx, room, requester.userId)
    await depart(ctx, tx, room, requester.userId, reason)
  })
}

/** As {@link leaveRoom}, for a user who ceases to be: there is no invite that they cannot reject. */
export function leaveForGood(ctx: Context, userId: string, roomId: string): Promise<void> {
  return transaction(ctx.db, async tx => {
    await depart(ctx, tx, await lockKnownRoom(tx, roomId), userId)
  })
}

async function depart(
  ctx: Context,
  tx: Tx,
  room: LockedRoom,
  userId: string,
  reason?: string,
): Promise<void> {
  const state = await ctx.roomStates.lookUp(tx, room, [['m.room.member', userId]])
  if (membershipIn(state, userId) === 'leave') return
  await setMembership(ctx, tx, room, {
    sender: userId,
    target: userId,
    membership: 'leave',
    extra: reasonContent(reason),
  })
}

/**
 * What one user may do to another's membership: what it becomes, and what it has to be before.
 * A kick and an unban are both a `leave`; undefined leaves it to the room's rules.
 */
const moderations = {
  invite: { membership: 'invite', from: undefined },
  kick: { membership: 'leave', from: ['join', 'invite', 'knock'] },
  ban: { membership: 'ban', from: undefined },
  unban: { membership: 'leave', from: ['ban'] },
} satisfies Record<string, { membership: Membership; from: string[] | undefined }>

export type Moderation = keyof typeof moderations

/**
 * Invite, kick, ban or unban somebody.
 *
 * @throws 403 M_FORBIDDEN, also to kick who is neither joined, invited nor knocking, and to unban
 *   who is not banned
 * Spec: POST /rooms/{roomId}/invite, /kick, /ban, /unban
 */
export function moderate(
  ctx: Context,
  requester: Requester,
  moderation: Moderation,
  request: { roomId: string; target: string; reason: string | undefined },
): Promise<void> {
  const { roomId, target, reason } = request
  const { membership, from } = moderations[moderation]
  return transaction(ctx.db, async tx => {
    const room = await lockKnownRoom(tx, roomId)
    const state = await ctx.roomStates.lookUp(tx, room, [
      ['m.room.member', requester.userId],
      ['m.room.member', target],
    ])
    if (membershipIn(state, requester.userId) !== 'join') throw notInRoom(roomId)
    const current = membershipIn(state, target) ?? 'none'
    if (from && !from.includes(String(current))) {
      throw forbidden(`The membership of ${target} is ${current}`)
    }
    if (membership === 'invite') await assertMayInvite(tx, requester.userId, target)
    const extra = reasonContent(reason)
    await setMembership(ctx, tx, room, { sender: requester.userId, target, membership, extra })
  })
}

/**
 * Hear no more of a room that one has left.
 *
 * @throws 400 M_UNKNOWN while the user is in it · 403 M_FORBIDDEN if they never were
 * Spec: POST /rooms/{roomId}/forget
 */
export function forgetRoom(ctx: Context, requester: Requester, roomId: string): Promise<void> {
  return transaction(ctx.db, async tx => {
    await lockKnownRoom(tx, roomId)
    const { userId } = requester
    const [member] = await selectStateByKeys(tx, roomId, [['m.room.member', userId]])
    if (!member) throw forbidden(`You were never in ${roomId}`)
    const { membership } = parsePdu(member).content
    if (membership !== 'leave' && membership !== 'ban') throw unknown('Leave the room first')
    await upsertForgotten(tx, userId, roomId, member.position)
  })
}

function reasonContent(reason: string | undefined): JsonObject {
  return reason === undefined ? {} : { reason }
}
