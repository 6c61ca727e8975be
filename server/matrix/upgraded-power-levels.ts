/**
 * Power levels across a room upgrade: what the successor begins with, and what is left of speaking
 * in the room that was replaced.
 *
 * Spec: Client-Server API "Room Upgrades", "Server behaviour"; room version 12 on creators; MSC4289
 */
import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts'
import type { AuthEvent } from './event.ts'
import { creatorsOf, readLevel } from './power-levels.ts'
import type { RoomVersion } from './room-versions.ts'

/**
 * The old room's levels as the new room's version can hold them. Creators of the new room have no
 * entry if they outrank all; creators who outranked all in the old room, and no longer do, get an
 * entry as high as the highest there. Whoever upgrades a room with such creators becomes one of them: where
 * that is new, it takes more than to set any state.
 *
 * @param creators of the new room; the first of them upgrades it
 */
export function levelsOfSuccessor(
  old: { create: AuthEvent; powerLevels: AuthEvent; version: RoomVersion },
  successor: { creators: readonly string[]; version: RoomVersion },
): JsonObject {
  const content: JsonObject = {}
  for (const [key, value] of Object.entries(old.powerLevels.content)) {
    content[key] = isJsonObject(value)
      ? asIntegers(value, old.version)
      : asInteger(value, old.version)
  }
  const users: JsonObject = isJsonObject(content.users) ? content.users : {}
  if (successor.version.privilegedCreators) {
    for (const creator of successor.creators) delete users[creator]
  } else if (old.version.privilegedCreators) {
    const top = highestLevel(content)
    const outranked = [...creatorsOf(old.create, old.version), ...successor.creators.slice(0, 1)]
    for (const creator of outranked) users[creator] = top
  }
  const levels: JsonObject = { ...content, users }
  return successor.version.privilegedCreators && !old.version.privilegedCreators
    ? withGuardedTombstone(levels, successor.version)
    : levels
}

/** What is asked in a new room of those who may replace it. */
const ownerLevel = 150

/** The same levels, the tombstone's above that of other state. */
function withGuardedTombstone(levels: JsonObject, version: RoomVersion): JsonObject {
  const stateLevel = readLevel(levels.state_default, version) ?? 50
  const events = isJsonObject(levels.events) ? levels.events : {}
  const level = readLevel(events['m.room.tombstone'], version) ?? stateLevel
  if (level > stateLevel) return levels
  const raised = Math.min(Math.max(ownerLevel, stateLevel + 1), Number.MAX_SAFE_INTEGER)
  return { ...levels, events: { ...events, 'm.room.tombstone': raised } }
}

/** `" 50 "` is a level up to version 9, and none after it. What is no level stays as it is. */
const asInteger = (value: JsonValue, version: RoomVersion): JsonValue =>
  readLevel(value, version) ?? value

function asIntegers(section: JsonObject, version: RoomVersion): JsonObject {
  const levels = Object.entries(section).map(([key, value]) => [key, asInteger(value, version)])
  return Object.fromEntries(levels)
}

function highestLevel(content: JsonObject): number {
  const sections = Object.values(content).filter(isJsonObject)
  const values = [...Object.values(content), ...sections.flatMap(Object.values)]
  return values.reduce<number>(
    (top, value) => (typeof value === 'number' ? Math.max(top, value) : top),
    100,
  )
}

/**
 * The old room's levels so that from now on only moderators speak and invite there: both levels at
 * least 50, and above `users_default`.
 *
 * @returns undefined if they are as high already
 */
export function levelsOfReplacedRoom(
  powerLevels: JsonObject,
  version: RoomVersion,
): JsonObject | undefined {
  const least = Math.max((readLevel(powerLevels.users_default, version) ?? 0) + 1, 50)
  const raised = Object.fromEntries(
    ['events_default', 'invite'].flatMap(key =>
      (readLevel(powerLevels[key], version) ?? 0) < least ? [[key, least]] : [],
    ),
  )
  return Object.keys(raised).length === 0 ? undefined : { ...powerLevels, ...raised }
}
