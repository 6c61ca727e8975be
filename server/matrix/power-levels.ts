/**
 * Power levels with their defaults: who has which, and which is needed for what.
 *
 * Spec: Client-Server API `m.room.power_levels`; Server-Server API "Definitions"; "Deprecated event
 * content schemas" of room versions 1 to 9; room version 12 "Authorization rules", the notes.
 */
import { isJsonObject, type JsonValue } from '../lib/json.ts'
import type { AuthEvent } from './event.ts'
import type { RoomVersion } from './room-versions.ts'

/** What has a level of its own beside the events: the "invite level" and its brothers. */
export type LevelledAction = 'invite' | 'kick' | 'ban' | 'redact'

const actionDefaults: Record<LevelledAction, number> = { invite: 0, kick: 50, ban: 50, redact: 50 }

/**
 * One level as it stands in a power levels event.
 *
 * Versions 1 to 9 also accept `" +050 "`. Fractions and what lies beyond ±(2^53 − 1) are no levels.
 *
 * @returns undefined if it is absent or not a level
 */
export function readLevel(value: JsonValue | undefined, version: RoomVersion): number | undefined {
  const isWrittenOut =
    typeof value === 'string' && !version.integerPowerLevels && /^\s*[+-]?\d+\s*$/.test(value)
  const level = isWrittenOut ? Number(value) : value
  return typeof level === 'number' && Number.isSafeInteger(level) ? level : undefined
}

/**
 * The creators of a room.
 *
 * v1 to v10: `content.creator`. v11: the sender of the create event. v12: that sender, and then the
 * `additional_creators`. The first one is always the one who makes the first join.
 */
export function creatorsOf(create: AuthEvent, version: RoomVersion): string[] {
  const { creator, additional_creators } = create.content
  if (version.creatorInContent) return [typeof creator === 'string' ? creator : create.sender]
  if (!version.privilegedCreators || !Array.isArray(additional_creators)) return [create.sender]
  const others = additional_creators.filter(other => typeof other === 'string')
  return [...new Set([create.sender, ...others])]
}

/**
 * A user's power level; `Infinity` for the creators of a version 12 room.
 *
 * @param powerLevels the current `m.room.power_levels`; undefined if the room has none, in which
 *   case the creator has 100 and everyone else 0
 */
export function powerLevelOf(
  userId: string,
  create: AuthEvent,
  powerLevels: AuthEvent | undefined,
  version: RoomVersion,
): number {
  const isCreator = creatorsOf(create, version).includes(userId)
  if (isCreator && version.privilegedCreators) return Number.POSITIVE_INFINITY
  if (!powerLevels) return isCreator ? 100 : 0
  return (
    entryOf(powerLevels, 'users', userId, version) ??
    readLevel(powerLevels.content.users_default, version) ??
    0
  )
}

/**
 * The "required power level" for sending an event: its entry in `events`, else `state_default` or
 * `events_default`. Memberships and third-party invites have rules of their own instead.
 */
export function requiredLevel(
  event: Pick<AuthEvent, 'type' | 'state_key'>,
  powerLevels: AuthEvent | undefined,
  version: RoomVersion,
): number {
  const isState = event.state_key !== undefined
  const fallback = powerLevels?.content[isState ? 'state_default' : 'events_default']
  return (
    entryOf(powerLevels, 'events', event.type, version) ??
    readLevel(fallback, version) ??
    (isState ? 50 : 0)
  )
}

/** The "invite level", "kick level", "ban level" or "redact level". */
export function actionLevel(
  action: LevelledAction,
  powerLevels: AuthEvent | undefined,
  version: RoomVersion,
): number {
  return readLevel(powerLevels?.content[action], version) ?? actionDefaults[action]
}

/** The level that makes a notification of this kind count, such as `room` for `@room`. */
export function notificationLevel(
  kind: string,
  powerLevels: AuthEvent | undefined,
  version: RoomVersion,
): number {
  return entryOf(powerLevels, 'notifications', kind, version) ?? 50
}

/**
 * May this user have that event redacted: it is their own, or they reach the redact level.
 *
 * The room versions also let the server of the original sender redact. That is for servers to say
 * about their own users; here it would let any two local users redact each other.
 *
 * Spec: Client-Server API "Redactions"; room version 3 "Handling redactions".
 */
export function mayRedact(request: {
  redactor: string
  originalSender: string
  create: AuthEvent
  powerLevels: AuthEvent | undefined
  version: RoomVersion
}): boolean {
  const { redactor, originalSender, create, powerLevels, version } = request
  if (redactor === originalSender) return true
  return (
    powerLevelOf(redactor, create, powerLevels, version) >=
    actionLevel('redact', powerLevels, version)
  )
}

/** `Object.hasOwn`, because an event type or a notification may well be called `constructor`. */
function entryOf(
  powerLevels: AuthEvent | undefined,
  section: 'users' | 'events' | 'notifications',
  key: string,
  version: RoomVersion,
): number | undefined {
  const entries = powerLevels?.content[section]
  if (!isJsonObject(entries) || !Object.hasOwn(entries, key)) return undefined
  return readLevel(entries[key], version)
}
