/** What an event says, as a room of another version can hold it. */
import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts'
import type { RoomVersion } from './room-versions.ts'

/**
 * The same content, its numbers cut to what that version holds: versions 1 to 5 have fractions and
 * beyond ±(2^53 − 1), later ones have not. Cut, because to leave out what says something else besides,
 * such as who is let in or that the room is encrypted, would be the greater loss.
 *
 * @param content nested as deep as a request may be, no deeper
 * Spec: Appendices "Canonical JSON"; room version 6
 */
export function contentIn(version: RoomVersion, content: JsonObject): JsonObject {
  return version.strictCanonicalJson ? objectWithIntegers(content) : content
}

function objectWithIntegers(value: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, withIntegers(member)]),
  )
}

function withIntegers(value: JsonValue): JsonValue {
  if (typeof value === 'number') return nearestInteger(value)
  if (Array.isArray(value)) return value.map(withIntegers)
  return isJsonObject(value) ? objectWithIntegers(value) : value
}

const most = Number.MAX_SAFE_INTEGER
const nearestInteger = (value: number) => Math.min(most, Math.max(-most, Math.trunc(value)))
