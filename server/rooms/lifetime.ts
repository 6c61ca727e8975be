/**
 * MSC4140's draft of 2024-05-08: a number as `m.will_expire` is the lifetime of the event; a word
 * says how far it has got. Who asks for a lifetime where nobody will end it is refused, whichever
 * way the event comes: sent as it is, it would stay for good.
 */
import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts'
import { invalidParam } from '../matrix/errors.ts'

export const lifetimeKey = 'm.will_expire'

const words: readonly unknown[] = ['running', 'expired', 'ended', null, undefined]

/** What the content asks for; undefined if it is not to expire. */
export function lifetimeIn(content: JsonObject): JsonValue | undefined {
  const value = content[lifetimeKey]
  return words.includes(value) ? undefined : value
}

/** @throws 400 M_INVALID_PARAM the event is to expire, and nothing here will make it */
export function assertNoLifetime(content: JsonObject): void {
  // The first text of the draft showed it one level down.
  const inner = isJsonObject(content.content) ? content.content : {}
  if (lifetimeIn(content) !== undefined || lifetimeIn(inner) !== undefined) {
    throw invalidParam(`${lifetimeKey} is not understood here, so nothing was sent`)
  }
}
