/**
 * The fields of an event that a filter asks for.
 *
 * Spec: Client-Server API "Filtering", `event_fields`
 */
import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts'
import { pathOf } from './push-evaluation.ts'

/**
 * Only what these paths name: `content.body` is the body in the content, `content` all of it.
 * Without paths, the event as it is. What the event does not have is left out.
 */
export function withFields(event: JsonObject, fields: readonly string[] | undefined): JsonObject {
  if (fields === undefined) return event
  const shown: JsonObject = {}
  for (const field of fields) copy(event, shown, pathOf(field))
  return shown
}

function copy(from: JsonObject, to: JsonObject, [key = '', ...rest]: string[]): void {
  if (!Object.hasOwn(from, key)) return
  const value = from[key]
  if (value === undefined) return
  if (rest.length === 0) {
    define(to, key, value)
    return
  }
  if (!isJsonObject(value)) return
  const inner = Object.hasOwn(to, key) ? to[key] : undefined
  // The whole of it has been asked for as well.
  if (inner === value) return
  const target: JsonObject = isJsonObject(inner) ? inner : {}
  copy(value, target, rest)
  if (Object.keys(target).length > 0) define(to, key, target)
}

/** Also for a key like `__proto__`. */
function define(object: JsonObject, key: string, value: JsonValue): void {
  Object.defineProperty(object, key, {
    value,
    enumerable: true,
    writable: true,
    configurable: true,
  })
}
