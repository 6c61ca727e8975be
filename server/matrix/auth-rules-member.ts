/**
 * The authorisation rules for `m.room.member`: who may join, invite, leave, kick, ban and knock.
 *
 * Spec: "Authorization rules", rule 4 of room versions 6 to 11, rule 5 of the others.
 */
import { isJsonObject, type JsonObject } from '../lib/json.ts'
import {
  type AuthOptions,
  allow,
  type RoomState,
  refuse,
  type Verdict,
} from './auth-rules-terms.ts'
import type { AuthEvent } from './event.ts'
import { domainOf, isUserId } from './ids.ts'
import { actionLevel, creatorsOf, type LevelledAction, powerLevelOf } from './power-levels.ts'

/** The spec's "target user" is the `state_key`. */
interface Change {
  event: AuthEvent
  target: string
  room: RoomState
  options: AuthOptions
}

/** Rule 4 of v11; the rules before it have been passed. */
export function memberAllowed(event: AuthEvent, room: RoomState, options: AuthOptions): Verdict {
  const { membership, join_authorised_via_users_server } = event.content
  const target = event.state_key
  // v11 4.1: no state_key, or no membership in content → reject.
  if (target === undefined || typeof membership !== 'string') {
    return refuse('m.room.member must have a state_key and a membership')
  }
  // v8 4.2.1 (on): the server of join_authorised_via_users_server has not signed → reject.
  if (room.version.allowsRestrictedJoin && join_authorised_via_users_server !== undefined) {
    if (!isVouchedFor(event, join_authorised_via_users_server, options)) {
      return refuse('The server that authorised the join has not signed it')
    }
  }
  const change: Change = { event, target, room, options }
  if (membership === 'join') return joinAllowed(change)
  if (membership === 'invite') return inviteAllowed(change)
  if (membership === 'leave') return leaveAllowed(change)
  if (membership === 'ban') return banAllowed(change)
  if (membership === 'knock' && room.version.allowsKnocking) return knockAllowed(change)
  // v11 4.8: the membership is unknown → reject.
  return refuse(`This room has no membership "${membership}"`)
}

function joinAllowed({ event, target, room, options }: Change): Verdict {
  const { create, version } = room
  // v11 4.3.1: only the create event comes before, and the state_key is the creator → allow.
  if (options.isFirstAfterCreate && target === creatorsOf(create, version)[0]) return allow
  // v11 4.3.2: the sender is not the state_key → reject.
  if (event.sender !== target) return refuse(`${event.sender} cannot join for ${target}`)
  const current = membershipOf(target, room)
  // v11 4.3.3: the sender is banned → reject.
  if (current === 'ban') return refuse(`${target} is banned from the room`)
  const isInside = current === 'invite' || current === 'join'
  const rule = joinRuleOf(room)
  // v1 5.2.4, v7 4.2.4: invite, and from v7 on knock → allow those invited or joined.
  if ((rule === 'invite' || (rule === 'knock' && version.allowsKnocking)) && isInside) return allow
  // v8 4.3.5: restricted, and from v10 on knock_restricted:
  if (
    (rule === 'restricted' && version.allowsRestrictedJoin) ||
    (rule === 'knock_restricted' && version.allowsKnockRestricted)
  ) {
    // 4.3.5.1: joined or invited → allow.
    if (isInside) return allow
    // 4.3.5.2: the authorising user is not one who could invite → reject. 4.3.5.3: else, allow.
    const authoriser = event.content.join_authorised_via_users_server
    return typeof authoriser === 'string' && mayInvite(authoriser, room)
      ? allow
      : refuse(`Nobody who may invite has authorised ${target} to join`)
  }
  // v11 4.3.6: public → allow. 4.3.7: otherwise, reject.
  return rule === 'public' ? allow : refuse(`${target} is not invited to the room`)
}

function inviteAllowed(change: Change): Verdict {
  const { event, target, room } = change
  // v11 4.4.1: with third_party_invite.
  if (event.content.third_party_invite !== undefined) return thirdPartyInviteAllowed(change)
  // v11 4.4.2: the sender has not joined → reject.
  if (membershipOf(event.sender, room) !== 'join') return notInRoom(event.sender)
  const current = membershipOf(target, room)
  // v11 4.4.3: inviting someone who is already joined or banned → reject.
  if (current === 'join') return refuse(`${target} is already in the room`)
  if (current === 'ban') return refuse(`${target} is banned from the room`)
  // v11 4.4.4: the sender reaches the invite level → allow. 4.4.5: otherwise, reject.
  return reaches(event.sender, 'invite', room) ? allow : tooLow(event.sender, 'invite')
}

function thirdPartyInviteAllowed({ event, target, room, options }: Change): Verdict {
  // v11 4.4.1.1: the target is banned → reject.
  if (membershipOf(target, room) === 'ban') return refuse(`${target} is banned from the room`)
  const invite = event.content.third_party_invite
  const signed = isJsonObject(invite) ? invite.signed : undefined
  // 4.4.1.2: nothing signed → reject.
  if (!isJsonObject(signed)) return refuse('The third-party invite is not signed')
  const { mxid, token } = signed
  // 4.4.1.3: no mxid or no token → reject.
  if (typeof mxid !== 'string' || typeof token !== 'string') {
    return refuse('The third-party invite lacks its mxid or its token')
  }
  // 4.4.1.4: the mxid is not the state_key → reject.
  if (mxid !== target) return refuse(`The third-party invite is not for ${target}`)
  // 4.4.1.5: the room has no third-party invite with that token → reject.
  const offer = room.state('m.room.third_party_invite', token)
  if (!offer) return refuse('The room has no such third-party invite')
  // 4.4.1.6: its sender is another → reject.
  if (offer.sender !== event.sender) return refuse('The third-party invite is somebody else’s')
  // 4.4.1.7: signed with one of its public keys → allow. 4.4.1.8: otherwise, reject.
  return options.isSignedWithOneOf?.(signed, publicKeysOf(offer.content))
    ? allow
    : refuse('The signature of the third-party invite cannot be verified')
}

function leaveAllowed({ event, target, room }: Change): Verdict {
  const current = membershipOf(target, room)
  // v1 5.4.1, v7 4.4.1: leaving oneself → allow if invited or joined, from v7 on also if knocking.
  if (event.sender === target) {
    return current === 'invite' ||
      current === 'join' ||
      (current === 'knock' && room.version.allowsKnocking)
      ? allow
      : refuse(`${target} has nothing to leave`)
  }
  // v11 4.5.2: the sender has not joined → reject.
  if (membershipOf(event.sender, room) !== 'join') return notInRoom(event.sender)
  // v11 4.5.3: the target is banned and the sender is below the ban level → reject.
  if (current === 'ban' && !reaches(event.sender, 'ban', room)) return tooLow(event.sender, 'unban')
  // v11 4.5.4: at the kick level and above the target → allow. 4.5.5: otherwise, reject.
  return reaches(event.sender, 'kick', room) && outranks(event.sender, target, room)
    ? allow
    : tooLow(event.sender, 'kick')
}

function banAllowed({ event, target, room }: Change): Verdict {
  // v11 4.6.1: the sender has not joined → reject.
  if (membershipOf(event.sender, room) !== 'join') return notInRoom(event.sender)
  // v11 4.6.2: at the ban level and above the target → allow. 4.6.3: otherwise, reject.
  return reaches(event.sender, 'ban', room) && outranks(event.sender, target, room)
    ? allow
    : tooLow(event.sender, 'ban')
}

function knockAllowed({ event, target, room }: Change): Verdict {
  const rule = joinRuleOf(room)
  // v7 4.6.1, v10 4.7.1: the join rule is not knock, nor from v10 on knock_restricted → reject.
  if (rule !== 'knock' && !(rule === 'knock_restricted' && room.version.allowsKnockRestricted)) {
    return refuse('This room does not take knocks')
  }
  // v11 4.7.2: the sender is not the state_key → reject.
  if (event.sender !== target) return refuse(`${event.sender} cannot knock for ${target}`)
  const current = membershipOf(target, room)
  // v11 4.7.3: neither banned nor invited nor joined → allow. 4.7.4: otherwise, reject.
  return current === 'ban' || current === 'invite' || current === 'join'
    ? refuse(`${target} cannot knock with the membership ${current}`)
    : allow
}

/** The sender's server signs the event in any case; about another one we have to ask. */
function isVouchedFor(event: AuthEvent, authoriser: unknown, options: AuthOptions): boolean {
  if (typeof authoriser !== 'string' || !isUserId(authoriser)) return false
  const server = domainOf(authoriser)
  return server === domainOf(event.sender) || options.isSignedBy?.(server) === true
}

/** Both places in which a third-party invite may keep its keys. */
function publicKeysOf(content: JsonObject): string[] {
  const listed = Array.isArray(content.public_keys) ? content.public_keys : []
  return [
    content.public_key,
    ...listed.map(key => (isJsonObject(key) ? key.public_key : undefined)),
  ].filter(key => typeof key === 'string')
}

function membershipOf(userId: string, { state }: RoomState): string {
  const membership = state('m.room.member', userId)?.content.membership
  return typeof membership === 'string' ? membership : 'leave'
}

/** A room without join rules is for the invited. */
function joinRuleOf({ state }: RoomState): string {
  const rule = state('m.room.join_rules', '')?.content.join_rule
  return typeof rule === 'string' ? rule : 'invite'
}

const levelOf = (userId: string, { create, powerLevels, version }: RoomState) =>
  powerLevelOf(userId, create, powerLevels, version)

const reaches = (userId: string, action: LevelledAction, room: RoomState) =>
  levelOf(userId, room) >= actionLevel(action, room.powerLevels, room.version)

const outranks = (userId: string, other: string, room: RoomState) =>
  levelOf(userId, room) > levelOf(other, room)

const mayInvite = (userId: string, room: RoomState) =>
  membershipOf(userId, room) === 'join' && reaches(userId, 'invite', room)

const notInRoom = (userId: string) => refuse(`${userId} is not in the room`)

const tooLow = (userId: string, deed: string) =>
  refuse(`The power level of ${userId} is too low to ${deed}`)
