/**
 * Joining, inviting, leaving, kicking, banning, knocking, forgetting. Whether it is permitted is
 * for matrix/auth-rules-member.ts to say; here is what the API adds to it.
 *
 * Spec: Client-Server API "Room membership"
 */
import { type ShownProfile, selectUsers } from '../../db/accounts.ts'
import { selectStateByKeys } from '../../db/room-state.ts'
import { type LockedRoom, lockRoom, upsertForgotten } from '../../db/rooms.ts'
import { type Tx, transaction } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import { badState, forbidden, notFound, unknown } from '../matrix/errors.ts'
import type { StateLookup } from '../matrix/event.ts'
import type { Requester } from '../requester.ts'
import { holdOwnProfile } from './account-in-use.ts'
import { appendAll } from './append-event.ts'
import type { EventDraft } from './build-event.ts'
import type { Context } from './context.ts'
import { resolveRoom } from './directory.ts'
import { followFrom, predecessorIn } from './follow-upgrade.ts'
import { assertMayInvite } from './invite-filter.ts'
import { findVoucher } from './restricted-join.ts'
import { lockKnownRoom } from './send-event.ts'
import { assertMayRejectInvite } from './state-content.ts'
import { contentOf } from './stored-event.ts'
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
  /** The target's, where it is known; else it is read. */
  profile?: ShownProfile
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
  const toRead = changes.filter(change => showsWho(change) && !change.profile)
  const users = await selectUsers(
    tx,
    toRead.map(({ target }) => target),
  )
  const profiles = new Map(users.map(user => [user.user_id, user]))
  return changes.map(change => {
    const { sender, target, membership, extra, joinAuthorisedVia } = change
    const profile = showsWho(change) ? (change.profile ?? profiles.get(target)) : undefined
    const content = { ...shownOf(profile), ...extra, membership }
    return { type: 'm.room.member', stateKey: target, sender, content, joinAuthorisedVia }
  })
}

const shownOf = ({ displayname, avatar_url }: Partial<ShownProfile> = {}): JsonObject => ({
  ...(displayname ? { displayname } : {}),
  ...(avatar_url ? { avatar_url } : {}),
})

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
    const profile = await holdOwnProfile(tx, requester.userId)
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
      profile,
    })
    return joins
  })
  await followFrom(ctx, requester.userId, joined)
  return joined.to
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
    const profile = await holdOwnProfile(tx, requester.userId)
    const roomId = await resolveRoom(tx, roomIdOrAlias)
    const room = await lockRoom(tx, roomId)
    if (!room) throw notFound('There is no such room')
    await setMembership(ctx, tx, room, {
      sender: requester.userId,
      target: requester.userId,
      membership: 'knock',
      extra: reasonContent(reason),
      profile,
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

/**
 * As {@link leaveRoom}, for a user who ceases to be: there is no invite that they cannot reject, and who has
 * just been banned, or whose room has just been deleted, is out of it already.
 */
export function leaveForGood(ctx: Context, userId: string, roomId: string): Promise<void> {
  return transaction(ctx.db, async tx => {
    const room = await lockRoom(tx, roomId)
    if (!room) return
    const state = await ctx.roomStates.lookUp(tx, room, [['m.room.member', userId]])
    const isOut = ['leave', 'ban', undefined].some(out => out === membershipIn(state, userId))
    if (!isOut) await depart(ctx, tx, room, userId)
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
 * @throws 403 M_FORBIDDEN, also to kick who is neither joined, invited nor knocking · 403 M_BAD_STATE
 *   to unban who is not banned
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
      const refuse = moderation === 'unban' ? badState : forbidden
      throw refuse(`The membership of ${target} is ${current}`)
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
    const { membership } = contentOf(member)
    if (membership !== 'leave' && membership !== 'ban') throw unknown('Leave the room first')
    await upsertForgotten(tx, userId, roomId, member.position)
  })
}

function reasonContent(reason: string | undefined): JsonObject {
  return reason === undefined ? {} : { reason }
}
