/** Events and rooms for the tests of the protocol rules: a few words each, nothing hidden. */
import type { JsonObject } from '../lib/json.ts'
import type { AuthEvent, StateLookup } from './event.ts'
import { type RoomVersion, roomVersions } from './room-versions.ts'

export const alice = '@alice:hourglass.test'
export const bob = '@bob:hourglass.test'
export const carol = '@carol:hourglass.test'
export const dora = '@dora:elsewhere.test'

export const allVersions: string[] = [...roomVersions.keys()]

export function version(id: string): RoomVersion {
  const found = roomVersions.get(id)
  if (!found) throw new Error(`no room version ${id}`)
  return found
}

const createId = '$MdWhnCgsWOyOQdw1h6RVBiJBFx2wSyrlb8Kg4bCrkrk'

/** The room that `create` makes. */
export const roomIdIn = (id: string) =>
  version(id).roomIdIsCreateHash ? `!${createId.slice(1)}` : '!room:hourglass.test'

export const message = (sender: string, content: JsonObject = { body: 'hi' }): AuthEvent => ({
  type: 'm.room.message',
  sender,
  content,
})

export const stateEvent = (
  sender: string,
  type: string,
  content: JsonObject = {},
  stateKey = '',
): AuthEvent => ({ type, sender, state_key: stateKey, content })

/** A valid create event of alice's. */
export function create(id: string, content: JsonObject = {}): AuthEvent {
  const flags = version(id)
  const creator: JsonObject = flags.creatorInContent ? { creator: alice } : {}
  const event = stateEvent(alice, 'm.room.create', { room_version: id, ...creator, ...content })
  return flags.roomIdIsCreateHash ? event : { ...event, room_id: roomIdIn(id) }
}

export const member = (
  userId: string,
  membership: string,
  sender = userId,
  content: JsonObject = {},
): AuthEvent => stateEvent(sender, 'm.room.member', { membership, ...content }, userId)

export const joined = (...userIds: string[]): AuthEvent[] =>
  userIds.map(userId => member(userId, 'join'))

export const joinRule = (rule: string): AuthEvent =>
  stateEvent(alice, 'm.room.join_rules', { join_rule: rule })

export const powerLevels = (content: JsonObject, sender = alice): AuthEvent =>
  stateEvent(sender, 'm.room.power_levels', content)

/** The state of a room that has just these events; the create event also knows its own id. */
export function stateOf(events: AuthEvent[]): StateLookup {
  return (type, stateKey) => {
    const found = events.findLast(event => event.type === type && event.state_key === stateKey)
    return found && type === 'm.room.create' ? { ...found, event_id: createId } : found
  }
}
