/**
 * The authorisation rules for `m.room.power_levels`: nobody lifts anything above themselves, nor
 * moves what already lies above them.
 *
 * Spec: "Authorization rules", rule 9 of room versions 6 to 11, rule 10 of the others.
 */
import { isJsonObject, type JsonObject } from '../lib/json.ts'
import { allow, type RoomState, refuse, type Verdict } from './auth-rules-terms.ts'
import type { AuthEvent } from './event.ts'
import { isUserId } from './ids.ts'
import { creatorsOf, powerLevelOf, readLevel } from './power-levels.ts'
import type { RoomVersion } from './room-versions.ts'

const scalarKeys = [
  'users_default',
  'events_default',
  'state_default',
  'ban',
  'redact',
  'kick',
  'invite',
] as const

/** Rule 9 of v11; the rules before it have been passed. */
export function powerLevelsAllowed(event: AuthEvent, room: RoomState): Verdict {
  const { create, powerLevels: current, version } = room
  const complaint = complaintAboutShape(event.content, version)
  if (complaint) return refuse(complaint)
  // v12 10.4: a creator of the room is in users → reject.
  if (version.privilegedCreators) {
    const users = section(event.content, 'users')
    const creator = creatorsOf(create, version).find(userId => Object.hasOwn(users, userId))
    if (creator) return refuse(`${creator} is a creator of the room and has no power level`)
  }
  // v11 9.4: the room has no power levels yet → allow.
  if (!current) return allow
  return changeAllowed(
    event,
    current,
    powerLevelOf(event.sender, create, current, version),
    version,
  )
}

/**
 * What is wrong with power levels, whoever sets them.
 *
 * Deviation: versions 1 to 9 check the shape of `users` alone. Here the others must be readable,
 * too, because a level that nobody can read would silently become the default.
 */
export function complaintAboutShape(content: JsonObject, version: RoomVersion): string | undefined {
  // v10 9.1: one of the single levels is not an integer → reject.
  for (const key of scalarKeys) {
    if (content[key] !== undefined && readLevel(content[key], version) === undefined) {
      return `${key} must be an integer`
    }
  }
  // v10 9.2: events or notifications is not an object of integers → reject. 9.3: nor is users.
  for (const key of ['events', 'notifications', 'users'] as const) {
    const levels = content[key]
    if (levels === undefined) continue
    if (!isJsonObject(levels)) return `${key} must be an object`
    const isLevel = (value: JsonObject[string]) => readLevel(value, version) !== undefined
    if (!Object.values(levels).every(isLevel)) return `${key} must hold integers`
  }
  // v1 10.1, v10 9.3: a key of users is not a user id → reject.
  const stranger = Object.keys(section(content, 'users')).find(key => !isUserId(key))
  return stranger === undefined ? undefined : 'users must have user IDs as keys'
}

function changeAllowed(
  event: AuthEvent,
  current: AuthEvent,
  senderLevel: number,
  version: RoomVersion,
): Verdict {
  // v11 9.5 to 9.7: for the single levels, and each entry of events and (v6 on) notifications,
  // what is added, changed or removed:
  const limited = [
    ...changes(scalars(current.content), scalars(event.content), version),
    ...changesIn('events', current, event, version),
    ...(version.limitsNotificationsPowerLevels
      ? changesIn('notifications', current, event, version)
      : []),
  ]
  for (const { key, before, after } of limited) {
    // … the current value is greater than the sender's level → reject.
    if (before !== undefined && before > senderLevel) return above(key, before, senderLevel)
    // … the new value is greater than the sender's level → reject.
    if (after !== undefined && after > senderLevel) return above(key, after, senderLevel)
  }
  for (const { key, before, after } of changesIn('users', current, event, version)) {
    // v11 9.8: somebody else's entry was at the sender's level or above it → reject.
    if (key !== event.sender && before !== undefined && before >= senderLevel) {
      return above(key, before, senderLevel)
    }
    // v11 9.9: the new value is greater than the sender's level → reject.
    if (after !== undefined && after > senderLevel) return above(key, after, senderLevel)
  }
  // v11 9.10: otherwise, allow.
  return allow
}

interface Change {
  key: string
  before: number | undefined
  after: number | undefined
}

/** `"50"` and 50 are the same level, hence no change. */
function changes(before: JsonObject, after: JsonObject, version: RoomVersion): Change[] {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)])
  const levelIn = (levels: JsonObject, key: string) =>
    Object.hasOwn(levels, key) ? readLevel(levels[key], version) : undefined
  return [...keys]
    .map(key => ({ key, before: levelIn(before, key), after: levelIn(after, key) }))
    .filter(change => change.before !== change.after)
}

const changesIn = (
  key: 'users' | 'events' | 'notifications',
  current: AuthEvent,
  event: AuthEvent,
  version: RoomVersion,
) => changes(section(current.content, key), section(event.content, key), version)

function section(content: JsonObject, key: 'users' | 'events' | 'notifications'): JsonObject {
  const levels = content[key]
  return isJsonObject(levels) ? levels : {}
}

function scalars(content: JsonObject): JsonObject {
  const single: JsonObject = {}
  for (const key of scalarKeys) {
    const level = content[key]
    if (level !== undefined) single[key] = level
  }
  return single
}

const above = (key: string, level: number, senderLevel: number) =>
  refuse(`Power level ${senderLevel} is too low to change ${key} from or to ${level}`)
