/**
 * May this event be part of this room? The authorisation rules of room versions 1 to 12, in order.
 *
 * Numbers are those of the version named beside them. Left to federation: what concerns the list of
 * `auth_events` (v11 2.1 to 2.3, v12 3) and the server's signature; here the state is the room's.
 *
 * Spec: "Authorization rules" of each room version.
 */

import { memberAllowed } from './auth-rules-member.ts'
import { powerLevelsAllowed } from './auth-rules-power-levels.ts'
import {
  type AuthOptions,
  allow,
  type RoomState,
  refuse,
  type Verdict,
} from './auth-rules-terms.ts'
import type { AuthEvent, StateLookup } from './event.ts'
import { domainOf, isUserId } from './ids.ts'
import { ownerOf } from './owned-state.ts'
import { actionLevel, powerLevelOf, requiredLevel } from './power-levels.ts'
import { type RoomVersion, roomVersions } from './room-versions.ts'

export type { AuthOptions, Verdict } from './auth-rules-terms.ts'

/**
 * Apply the rules to an event, given the state of the room before it.
 *
 * @param state for an `m.room.create` the empty state: a room has one, and it is the first event
 */
export function isAllowed(
  event: AuthEvent,
  state: StateLookup,
  version: RoomVersion,
  options: AuthOptions = {},
): Verdict {
  // v11 1: m.room.create.
  if (event.type === 'm.room.create') return createAllowed(event, state, version)

  // v11 2.4: no m.room.create among the auth events → reject.
  const create = state('m.room.create', '')
  if (!create) return refuse('The room has no m.room.create event')
  // v12 2: the room id is not that of an accepted m.room.create → reject.
  if (version.roomIdIsCreateHash && !isRoomOf(create, event.room_id)) {
    return refuse(`${event.room_id} is not the room that the create event makes`)
  }
  // v11 3: m.federate is false and the sender is of another server than the creator → reject.
  if (create.content['m.federate'] === false && !sameDomain(event.sender, create.sender)) {
    return refuse(`This room is only for users of ${domainOf(create.sender)}`)
  }
  // v1 4 (to v5): m.room.aliases.
  if (event.type === 'm.room.aliases' && version.specialCasesAliases) return aliasesAllowed(event)

  const powerLevels = state('m.room.power_levels', '')
  const room: RoomState = { state, create, powerLevels, version }
  // v11 4: m.room.member.
  if (event.type === 'm.room.member') return memberAllowed(event, room, options)

  // v11 5: the sender has not joined → reject.
  if (state('m.room.member', event.sender)?.content.membership !== 'join') {
    return refuse(`${event.sender} is not in the room`)
  }
  const senderLevel = powerLevelOf(event.sender, create, powerLevels, version)
  // v11 6.1: m.room.third_party_invite → allow if and only if the sender reaches the invite level.
  if (event.type === 'm.room.third_party_invite') {
    const inviteLevel = actionLevel('invite', powerLevels, version)
    return senderLevel >= inviteLevel ? allow : tooLow(senderLevel, inviteLevel, 'invite')
  }
  // v11 7: the required power level is greater than the sender's → reject.
  const required = requiredLevel(event, powerLevels, version)
  if (required > senderLevel) return tooLow(senderLevel, required, `send ${event.type}`)
  const owner = ownerUnder(event, version)
  // MSC3757 8.1.1 and 8.1.2: no user ID before the first _, or too much behind it → reject.
  if (owner === undefined) return refuse(`${event.state_key} does not begin with a user ID`)
  if (owner !== event.sender) {
    // v11 8: a state_key that starts with @ and is not the sender → reject.
    // MSC3757 8.1.3: … and the sender does not stand above whom it begins with → reject.
    const ownerLevel = powerLevelOf(owner, create, powerLevels, version)
    if (!version.ownedState || senderLevel <= ownerLevel) {
      return refuse(`${event.sender} may not set the state of ${owner}`)
    }
  }
  // v11 9: m.room.power_levels.
  if (event.type === 'm.room.power_levels') return powerLevelsAllowed(event, room)
  // v1 11 (to v2): m.room.redaction.
  if (event.type === 'm.room.redaction' && version.authorisesRedactions) {
    return redactionAllowed(event, room)
  }
  // v11 10: otherwise, allow.
  return allow
}

/** Whose an event is by its state key, or else its sender's; undefined if that cannot be read. */
function ownerUnder(event: AuthEvent, version: RoomVersion): string | undefined {
  if (!event.state_key?.startsWith('@')) return event.sender
  return version.ownedState ? ownerOf(event.state_key) : event.state_key
}

function createAllowed(event: AuthEvent, state: StateLookup, version: RoomVersion): Verdict {
  const { room_version, creator, additional_creators } = event.content
  // v11 1.1: it has prev_events → reject. A room that has a create event has something before this.
  if (state('m.room.create', '')) return refuse('The room already has a create event')
  if (version.roomIdIsCreateHash) {
    // v12 1.2: it has a room_id → reject.
    if (event.room_id !== undefined) return refuse('The create event must not have a room_id')
  } else if (event.room_id === undefined || !sameDomain(event.room_id, event.sender)) {
    // v11 1.2: the domain of the room_id is not the sender's → reject.
    return refuse(`${event.room_id} is not of ${event.sender}'s server`)
  }
  // v11 1.3: room_version is there and not a recognised version → reject.
  if (
    room_version !== undefined &&
    !(typeof room_version === 'string' && roomVersions.has(room_version))
  ) {
    return refuse('The room version is not known')
  }
  // v1 1.4 (to v10): no creator → reject.
  if (version.creatorInContent && creator === undefined) {
    return refuse('The create event must name a creator')
  }
  // v12 1.4: additional_creators is there and not a list of user ids → reject.
  if (
    version.privilegedCreators &&
    additional_creators !== undefined &&
    !(
      Array.isArray(additional_creators) &&
      additional_creators.every(other => typeof other === 'string' && isUserId(other))
    )
  ) {
    return refuse('additional_creators must be a list of user IDs')
  }
  // v11 1.4: otherwise, allow.
  return allow
}

function aliasesAllowed(event: AuthEvent): Verdict {
  // v1 4.1: no state_key → reject.
  if (event.state_key === undefined) return refuse('m.room.aliases must have a state_key')
  // v1 4.2: the sender's domain is not the state_key → reject.
  if (domainOf(event.sender) !== event.state_key) {
    return refuse(`${event.sender} is not of ${event.state_key}`)
  }
  // v1 4.3: otherwise, allow.
  return allow
}

/**
 * A room of version 1 or 2 whose redaction has no `event_id` yet: it will get one of the sender's
 * server, so the sender's domain is compared instead.
 */
function redactionAllowed(event: AuthEvent, room: RoomState): Verdict {
  const { create, powerLevels, version } = room
  const senderLevel = powerLevelOf(event.sender, create, powerLevels, version)
  const redactLevel = actionLevel('redact', powerLevels, version)
  // v1 11.1: the sender reaches the redact level → allow.
  if (senderLevel >= redactLevel) return allow
  // v1 11.2: the redaction and what it redacts have event ids of one domain → allow.
  if (event.redacts !== undefined && sameDomain(event.redacts, event.event_id ?? event.sender)) {
    return allow
  }
  // v1 11.3: otherwise, reject.
  return tooLow(senderLevel, redactLevel, 'redact events of other servers')
}

function isRoomOf(create: AuthEvent, roomId: string | undefined): boolean {
  const known = create.event_id === undefined ? create.room_id : `!${create.event_id.slice(1)}`
  return roomId !== undefined && roomId === known
}

/** An id without a domain is of no server, not of the same as another without one. */
const sameDomain = (one: string, other: string) =>
  domainOf(one) !== '' && domainOf(one) === domainOf(other)

const tooLow = (level: number, required: number, deed: string) =>
  refuse(`Power level ${level} is too low to ${deed}: ${required} is needed`)
