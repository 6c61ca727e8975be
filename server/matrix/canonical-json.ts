/**
 * Canonical JSON: the one spelling of a value that is hashed and signed. Wrong bytes here mean wrong
 * event ids for ever, so this is the only door to the package `canonical-json`.
 *
 * Its default writer is twice as fast as its ordered writer, but copies members into fresh objects:
 * integer-like keys jump to the front and `__proto__` is lost; and it orders by UTF-16 unit, not by
 * code point. None of that can happen without an awkward key, and the check that the value is
 * canonical sees every key anyway. So the check chooses the writer.
 *
 * Spec: Appendices "Canonical JSON"
 */
import stringify from 'canonical-json'
import type { JsonValue } from '../lib/json.ts'
import { badJson } from './errors.ts'
import type { RoomVersion } from './room-versions.ts'

declare global {
  /** ES2024; Node has it since version 20. */
  interface String {
    isWellFormed(): boolean
  }
}

/**
 * Write a value as canonical JSON.
 *
 * Members that are `undefined` are left out. Nesting costs stack: check the depth of foreign JSON
 * first (`isDeeperThan`).
 *
 * @throws 400 M_BAD_JSON for what `assertCanonical` refuses
 */
export function canonicalJson(value: JsonValue): string {
  return write(value, inspect(value, Number.isSafeInteger))
}

/**
 * Write a value as canonical JSON, but allow any finite number.
 *
 * Only for events of room versions 1 to 5. Numbers outside the canonical range are written as
 * JavaScript writes them, which may not be how their sender wrote them.
 *
 * @throws 400 M_BAD_JSON for lone surrogates and infinite numbers
 */
export function canonicalJsonLenient(value: JsonValue): string {
  return write(value, inspect(value, Number.isFinite))
}

/** Write an event, or part of one, as its room version demands: v1 to v5 lenient, v6 on strict. */
export function canonicalEventJson(event: object, version: RoomVersion): string {
  const value = event as JsonValue
  return version.strictCanonicalJson ? canonicalJson(value) : canonicalJsonLenient(value)
}

/**
 * Refuse a value that has no canonical form: numbers must be integers within ±(2⁵³ − 1), strings
 * and keys must not hold lone surrogates.
 *
 * @throws 400 M_BAD_JSON
 */
export function assertCanonical(value: JsonValue): void {
  inspect(value, Number.isSafeInteger)
}

/** As {@link assertCanonical}, but what an event's room version allows: v1 to v5 any finite number. */
export function assertCanonicalEvent(event: object, version: RoomVersion): void {
  inspect(event as JsonValue, version.strictCanonicalJson ? Number.isSafeInteger : Number.isFinite)
}

/** Keys that the fast writer would move or lose: integer-like, `__proto__`, beyond U+FFFF. */
const awkwardKey = /^\d|^__proto__$|[\ud800-\udfff]/

/** Check every part of a value; true if no key in it is awkward. */
function inspect(value: JsonValue, isAllowed: (number: number) => boolean): boolean {
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw badJson('A string holds a lone surrogate')
    return true
  }
  if (typeof value === 'number') {
    if (!isAllowed(value)) throw badJson(`Number not allowed in canonical JSON: ${value}`)
    return true
  }
  if (value === null || typeof value === 'boolean') return true
  if (typeof value !== 'object') throw badJson(`Not a JSON value: ${typeof value}`)

  let isPlain = true
  if (Array.isArray(value)) {
    for (const item of value) if (!inspect(item, isAllowed)) isPlain = false
    return isPlain
  }
  for (const key of Object.keys(value)) {
    if (awkwardKey.test(key)) {
      if (!key.isWellFormed()) throw badJson('A key holds a lone surrogate')
      isPlain = false
    }
    const member = value[key]
    if (member !== undefined && !inspect(member, isAllowed)) isPlain = false
  }
  return isPlain
}

function write(value: JsonValue, isPlain: boolean): string {
  // Passing a replacer is what selects the ordered writer.
  const json = isPlain ? stringify(value) : stringify(value, keep, undefined, byCodePoint)
  if (json === undefined) throw badJson('Not a JSON value')
  return json
}

const keep = (_key: string, value: JsonValue) => value

/** Order by Unicode code point; `<` would put U+10000 and above before U+E000. */
function byCodePoint(left: string, right: string): number {
  const length = Math.min(left.length, right.length)
  for (let i = 0; i < length; i++) {
    const difference = rank(left.charCodeAt(i)) - rank(right.charCodeAt(i))
    if (difference !== 0) return difference
  }
  return left.length - right.length
}

/** A UTF-16 unit's place in code point order: surrogates come after U+FFFF. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}
