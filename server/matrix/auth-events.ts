/**
 * Which state an event must cite as its `auth_events`.
 *
 * Spec: Server-Server API "Auth events selection"; room version 12 "Authorization rules".
 */
import { isJsonObject } from '../lib/json.ts'
import type { AuthEvent } from './event.ts'
import type { RoomVersion } from './room-versions.ts'

/** The (type, state_key) under which a room keeps one event of its state. */
export type StateKey = [type: string, stateKey: string]

/**
 * The keys of the state to cite, without repetitions. What the room does not have is left out by
 * the caller; so is the event itself when it replaces one of them.
 */
export function authEventKeys(event: AuthEvent, version: RoomVersion): StateKey[] {
  if (event.type === 'm.room.create') return []
  const members = [event.sender]
  const keys: StateKey[] = []
  // v12: the room id already stands for the create event, which must not be cited.
  if (!version.roomIdIsCreateHash) keys.push(['m.room.create', ''])
  keys.push(['m.room.power_levels', ''])
  if (event.type === 'm.room.member') {
    const { membership, third_party_invite, join_authorised_via_users_server } = event.content
    // The target's membership.
    if (event.state_key !== undefined) members.push(event.state_key)
    // A join or an invite depends on the join rules, and so does a knock, where there are knocks.
    if (
      membership === 'join' ||
      membership === 'invite' ||
      (membership === 'knock' && version.allowsKnocking)
    ) {
      keys.push(['m.room.join_rules', ''])
    }
    // An invite that answers a third-party invite: the one with the token.
    const token = membership === 'invite' ? tokenOf(third_party_invite) : undefined
    if (token !== undefined) keys.push(['m.room.third_party_invite', token])
    // Restricted rooms: the membership of the user who vouches for the join.
    if (version.allowsRestrictedJoin && typeof join_authorised_via_users_server === 'string') {
      members.push(join_authorised_via_users_server)
    }
  }
  const memberKeys = [...new Set(members)].map((userId): StateKey => ['m.room.member', userId])
  return [...keys, ...memberKeys]
}

function tokenOf(thirdPartyInvite: unknown): string | undefined {
  if (!isJsonObject(thirdPartyInvite) || !isJsonObject(thirdPartyInvite.signed)) return undefined
  const { token } = thirdPartyInvite.signed
  return typeof token === 'string' ? token : undefined
}
