/**
 * Redaction: what is left of an event when its content is taken away. Event ids and signatures
 * cover this form, so that they outlive a redaction.
 *
 * Spec: "Redactions" of each room version; they differ at v6, v8, v9 and v11.
 */
import { isJsonObject, type JsonObject } from '../lib/json.ts'
import type { RoomVersion } from './room-versions.ts'

/** Whatever has the two members that decide what is kept. */
export interface Redactable {
  type: string
  content: JsonObject
}

const keptSinceV11 = [
  'event_id',
  'type',
  'room_id',
  'sender',
  'state_key',
  'content',
  'hashes',
  'signatures',
  'depth',
  'prev_events',
  'auth_events',
  'origin_server_ts',
]
const keptUntilV10 = [...keptSinceV11, 'prev_state', 'origin', 'membership']

const keptPowerLevels = [
  'ban',
  'events',
  'events_default',
  'kick',
  'redact',
  'state_default',
  'users',
  'users_default',
]

/**
 * Strip an event to what its room version protects.
 *
 * @returns a new event which shares nested values with the given one; `unsigned` is gone, so the
 *   caller adds `redacted_because`
 */
export function redact<T extends Redactable>(event: T, version: RoomVersion): T {
  const kept = version.updatedRedactionRules ? keptSinceV11 : keptUntilV10
  const members: object = { ...pick(event, kept), content: redactContent(event, version) }
  return members as T
}

function redactContent({ type, content }: Redactable, version: RoomVersion): JsonObject {
  switch (type) {
    case 'm.room.member':
      return redactMember(content, version)
    case 'm.room.create':
      // v11 (MSC2176): the create event keeps everything.
      return version.updatedRedactionRules ? content : pick(content, ['creator'])
    case 'm.room.join_rules':
      return pick(content, version.redactionKeepsAllow ? ['join_rule', 'allow'] : ['join_rule'])
    case 'm.room.power_levels':
      return pick(
        content,
        version.updatedRedactionRules ? [...keptPowerLevels, 'invite'] : keptPowerLevels,
      )
    case 'm.room.history_visibility':
      return pick(content, ['history_visibility'])
    case 'm.room.aliases':
      return pick(content, version.specialCasesAliases ? ['aliases'] : [])
    case 'm.room.redaction':
      return pick(content, version.updatedRedactionRules ? ['redacts'] : [])
    default:
      return {}
  }
}

function redactMember(content: JsonObject, version: RoomVersion): JsonObject {
  const kept = pick(content, ['membership'])
  if (version.redactionKeepsAuthorisedVia) {
    Object.assign(kept, pick(content, ['join_authorised_via_users_server']))
  }
  // v11 (MSC3821): the invite can only be verified with the block that was signed.
  if (version.updatedRedactionRules && isJsonObject(content.third_party_invite)) {
    kept.third_party_invite = pick(content.third_party_invite, ['signed'])
  }
  return kept
}

function pick(object: object, keys: readonly string[]): JsonObject {
  const members = object as JsonObject
  const picked: JsonObject = {}
  for (const key of keys) {
    const value = members[key]
    if (value !== undefined) picked[key] = value
  }
  return picked
}
