import type { JsonObject, JsonValue } from '../lib/json.ts'
import {
  assertCanonical,
  canonicalEventJson,
  canonicalJson,
  canonicalJsonLenient,
} from './canonical-json.ts'
import { type RoomVersion, roomVersions } from './room-versions.ts'

const badJson = expect.objectContaining({ status: 400, errcode: 'M_BAD_JSON' })

describe('canonicalJson', () => {
  test.each([
    ['{}', '{}'],
    ['{ "one": 1, "two": "Two" }', '{"one":1,"two":"Two"}'],
    ['{ "b": "2", "a": "1" }', '{"a":"1","b":"2"}'],
    ['{"b":"2","a":"1"}', '{"a":"1","b":"2"}'],
    [
      `{"auth": {"success": true, "mxid": "@john.doe:example.com", "profile": {
        "display_name": "John Doe", "three_pids": [
          {"medium": "email", "address": "john.doe@example.org"},
          {"medium": "msisdn", "address": "123456789"}]}}}`,
      '{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe",' +
        '"three_pids":[{"address":"john.doe@example.org","medium":"email"},' +
        '{"address":"123456789","medium":"msisdn"}]},"success":true}}',
    ],
    ['{"a": "日本語"}', '{"a":"日本語"}'],
    ['{"本": 2, "日": 1}', '{"日":1,"本":2}'],
    [String.raw`{"a": "\u65E5"}`, '{"a":"日"}'],
    ['{"a": null}', '{"a":null}'],
    ['{"a": -0, "b": 1e10}', '{"a":0,"b":10000000000}'],
  ])('the example of the specification: %s', (given, expected) => {
    expect(canonicalJson(JSON.parse(given))).toBe(expected)
  })

  test.each([
    ['integer-like keys', '{"9":1,"10":2,"a":{"2":1,"1":2}}', '{"10":2,"9":1,"a":{"1":2,"2":1}}'],
    ['a __proto__ key', '{"b":1,"__proto__":{"d":1,"c":2}}', '{"__proto__":{"c":2,"d":1},"b":1}'],
    ['a __proto__ key in a list', '[{"__proto__":1}]', '[{"__proto__":1}]'],
    ['keys named like methods', '{"toString":1,"toJSON":2}', '{"toJSON":2,"toString":1}'],
    ['an empty key', '{"a":1,"":2}', '{"":2,"a":1}'],
    ['a key that starts another', '{"ab":1,"a":2}', '{"a":2,"ab":1}'],
    ['-0 beside an awkward key', '{"1":-0}', '{"1":0}'],
    ['no value at all but itself', '"x"', '"x"'],
  ])('%s', (_name, given, expected) => {
    expect(canonicalJson(JSON.parse(given))).toBe(expected)
  })

  test('keys are ordered by code point, not by UTF-16 unit', () => {
    const value = { '\u{1f600}': 1, '\uffff': 2, '\ue000': 3, '\ud7ff': 4, '\u{1f601}': 5 }
    expect(canonicalJson(value)).toBe(
      '{"\ud7ff":4,"\ue000":3,"\uffff":2,"\u{1f600}":1,"\u{1f601}":5}',
    )
  })

  test.each([
    ['by the fast writer', (json: string) => `{"a":${json}}`],
    ['by the ordered writer', (json: string) => `{"1":${json}}`],
  ])('the shortest escapes, %s', (_name, wrap) => {
    for (let code = 0; code < 0x100; code++) {
      const char = String.fromCharCode(code)
      expect(canonicalJson(JSON.parse(wrap(JSON.stringify(char))))).toBe(
        wrap(`"${shortestEscape(code)}"`),
      )
    }
    for (const char of ['\u2028', '\u2029', '\ufeff', '\u{10ffff}']) {
      expect(canonicalJson(JSON.parse(wrap(JSON.stringify(char))))).toBe(wrap(`"${char}"`))
    }
  })

  test('members that are undefined are left out', () => {
    const value = { b: 1, a: undefined, '0': undefined } as unknown as JsonValue
    expect(canonicalJson(value)).toBe('{"b":1}')
  })

  test('the value is left as it was', () => {
    const value: JsonObject = { b: [{ d: 1, c: 2 }], a: 1 }
    canonicalJson(value)
    expect(JSON.stringify(value)).toBe('{"b":[{"d":1,"c":2}],"a":1}')
  })

  test('a thousand pseudo-random values come out as from a plain recursive writer', () => {
    const next = pseudoRandom(1)
    for (let i = 0; i < 1000; i++) {
      const value = anyValue(next, 4)
      expect(canonicalJson(value)).toBe(plainWriter(value))
      expect(canonicalJsonLenient(value)).toBe(plainWriter(value))
    }
  })
})

describe('what has no canonical form', () => {
  test.each([
    ['a fraction', 1.5],
    ['2^53', 2 ** 53],
    ['-2^53', -(2 ** 53)],
    ['a lone high surrogate', '\ud83d'],
    ['a lone low surrogate', 'a\ude00b'],
    ['surrogates in the wrong order', '\ude00\ud83d'],
    ['a lone surrogate in a key', { 'x\ud83d': 1 }],
    ['infinity', Number.POSITIVE_INFINITY],
    ['NaN', Number.NaN],
    ['undefined', undefined],
    ['undefined in a list', [undefined]],
    ['a bigint', { a: 1n }],
    ['a function', { a: () => 1 }],
  ])('%s is refused, at any depth', (_name, given) => {
    const value = given as JsonValue
    for (const wrapped of [value, [value], { a: [{ b: [value] }] }]) {
      expect(() => canonicalJson(wrapped)).toThrow(badJson)
      expect(() => assertCanonical(wrapped)).toThrow(badJson)
    }
  })

  test.each([2 ** 53 - 1, -(2 ** 53) + 1, 0, -0])('%d is allowed', number => {
    expect(() => assertCanonical({ number })).not.toThrow()
    expect(canonicalJson(number)).toBe(String(number))
  })
})

describe('canonicalJsonLenient', () => {
  test('any finite number is allowed', () => {
    expect(canonicalJsonLenient({ b: 2 ** 53, a: 1.5, c: 1e300, d: -0 })).toBe(
      '{"a":1.5,"b":9007199254740992,"c":1e+300,"d":0}',
    )
  })

  test.each([[Number.POSITIVE_INFINITY], ['\ud83d'], [{ '\ud83d': 1 }]])('%j is not', value => {
    expect(() => canonicalJsonLenient(value)).toThrow(badJson)
  })
})

test.each([...roomVersions.values()])('canonicalEventJson in room version $id', version => {
  const write = () => canonicalEventJson({ a: 1.5 }, version)
  if (isLenient(version)) expect(write()).toBe('{"a":1.5}')
  else expect(write).toThrow(badJson)
})

const isLenient = ({ id }: RoomVersion) => ['1', '2', '3', '4', '5'].includes(id)

/** The grammar's `char` for one code unit. */
function shortestEscape(code: number): string {
  const short = new Map([
    [0x08, '\\b'],
    [0x09, '\\t'],
    [0x0a, '\\n'],
    [0x0c, '\\f'],
    [0x0d, '\\r'],
    [0x22, '\\"'],
    [0x5c, '\\\\'],
  ]).get(code)
  if (short !== undefined) return short
  return code < 0x20 ? `\\u00${code.toString(16).padStart(2, '0')}` : String.fromCharCode(code)
}

/** Independent of the package: Python's `sort_keys` orders by code point. */
function plainWriter(value: JsonValue): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(plainWriter).join(',')}]`
  const points = (key: string) => [...key].map(char => char.codePointAt(0) ?? 0)
  const compare = (left: number[], right: number[]): number => {
    const at = left.findIndex((point, i) => point !== right[i])
    if (at < 0) return left.length - right.length
    return (left[at] ?? 0) - (right[at] ?? -1)
  }
  const keys = Object.keys(value).sort((a, b) => compare(points(a), points(b)))
  return `{${keys.map(key => `${JSON.stringify(key)}:${plainWriter(value[key] ?? null)}`).join(',')}}`
}

/** A linear congruential generator: the same values in every run. */
function pseudoRandom(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

function anyValue(next: (below: number) => number, depth: number): JsonValue {
  const letters = ['a', 'b', '0', '7', '_', 'é', '\uffff', '\u{1f600}', '"', '\n', '\u007f']
  const text = () => Array.from({ length: next(4) }, () => letters[next(letters.length)]).join('')
  switch (next(depth > 0 ? 6 : 4)) {
    case 0:
      return next(2 ** 31) - 2 ** 30
    case 1:
      return text()
    case 2:
      return next(2) === 0
    case 3:
      return null
    case 4:
      return Array.from({ length: next(4) }, () => anyValue(next, depth - 1))
    default:
      return Object.fromEntries(
        Array.from({ length: next(6) }, () => [
          next(20) === 0 ? '__proto__' : text(),
          anyValue(next, depth - 1),
        ]),
      )
  }
}
