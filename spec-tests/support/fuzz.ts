/** Chance that can be repeated: requests out of a seed. */
import type { Attack } from './attack.ts'
import { bodyMembersOf, type EndpointUnderTest, GoodRequests } from './good-requests.ts'
import { hostileIds, hostileQueryValues, jsonValues, oddBodies, refusedBodies } from './hostile.ts'

/** A seed that hangs on nothing but the text: FNV-1a. */
export function seedOf(text: string): number {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}

/** Numbers from 0 up to 1, the same for the same seed: mulberry32. */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const words = [
  ...['', 'a', 'm.room.member', 'm.room.power_levels', 'm.room.message', 'join', 'ban', 'invite'],
  ...['@alice-1:hs1', '@bob-2:hs1', '!a:hs1', '$a', '#a:hs1', 'm.login.dummy', 'm.login.password'],
  ...['__proto__', 'constructor', 'toString', '\0', '\ud800', '\u{1f4a9}', 'x'.repeat(256), '*'],
]
const keys = [
  ...['type', 'content', 'state_key', 'users', 'events', 'membership', 'user', 'password', 'limit'],
  ...[
    'types',
    'rooms',
    'm.relates_to',
    'rel_type',
    'event_id',
    'redacts',
    'url',
    'signed',
    'token',
  ],
  ...['', '0', '__proto__', 'constructor', '\0', '\u{1f4a9}', '@alice-1:hs1', 'm.room.name'],
]
/** Parts of a path at which a server looks twice. */
const known: Record<string, string[]> = {
  eventType: [
    ...['create', 'member', 'power_levels', 'join_rules', 'history_visibility', 'canonical_alias'],
    ...['third_party_invite', 'redaction', 'aliases', 'encryption', 'tombstone', 'message'],
  ].map(name => `m.room.${name}`),
  stateKey: ['', '@alice-1:hs1', '@bob-2:hs1', '@none:hs1', 'hs1'],
  type: ['m.push_rules', 'm.fully_read', 'm.direct', 'm.ignored_user_list', 'm.tag'],
}
const figures = ['0', '-0', '-1', '1', '50', '101', '1.5', '9007199254740993', '1e30', '1e400']

export class Fuzz {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = numbers(seed)
  }

  /** A request that is out of order in some places, or in none. */
  attack(good: GoodRequests, endpoint: EndpointUnderTest): Attack {
    const path = this.#one(endpoint.paths)
    const spoilt: Record<string, string> = {}
    for (const name of GoodRequests.parametersOf(path)) {
      if (this.#is(0.25)) spoilt[name] = this.#id()
      else if (known[name] && this.#is(0.7)) spoilt[name] = this.#one(known[name])
    }
    const { method, token } = good.request(endpoint, path)
    const body = endpoint.hasBody || this.#is(0.05) ? this.#body(good, endpoint, path) : undefined
    return {
      what: `body ${String(body).slice(0, 2_000)}`,
      request: {
        method: this.#is(0.02) ? this.#one(['PATCH', 'PROPFIND', 'MKCOL']) : method,
        path: `${good.path(path, spoilt)}${this.#query(endpoint)}`,
        token: this.#is(0.03) ? this.#one(['', 'x', "'"]) : token,
        headers: this.#headers(),
        body: method === 'GET' ? undefined : body,
      },
    }
  }

  #is(probability: number): boolean {
    return this.#random() < probability
  }

  #upTo(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  #one<T>(list: readonly T[]): T {
    const item = list[this.#upTo(list.length)]
    if (item === undefined) throw new Error('nothing to choose from')
    return item
  }

  #id(): string {
    if (this.#is(0.5)) return this.#one(Object.values(hostileIds))
    const bytes = Array.from({ length: this.#upTo(12) }, () => this.#upTo(256))
    return bytes.map(byte => `%${byte.toString(16).padStart(2, '0')}`).join('')
  }

  #query(endpoint: EndpointUnderTest): string {
    const names = [...endpoint.queryNames, 'access_token%00', '__proto__', 'filter', 'limit']
    const count = endpoint.queryNames.length > 0 ? this.#upTo(4) : this.#upTo(2)
    const pairs = Array.from({ length: count }, () => {
      const isJson = this.#is(0.3)
      const value = isJson ? encodeURIComponent(this.#json(3)) : this.#one(hostileQueryValues)
      return `${this.#one(names)}=${value.slice(0, 3_000)}`
    })
    return pairs.length === 0 ? '' : `?${pairs.join('&')}`
  }

  #headers(): Record<string, string> {
    if (this.#is(0.9)) return {}
    const name = this.#one([
      'Content-Type',
      'Content-Encoding',
      'Accept',
      'X-Forwarded-For',
      'Host',
    ])
    return { [name]: this.#one(['', 'gzip', 'text/plain; charset=utf-16', '"', 'x'.repeat(2_000)]) }
  }

  #body(good: GoodRequests, endpoint: EndpointUnderTest, path: string): string | Uint8Array {
    if (this.#is(0.05)) return this.#one(Object.values(refusedBodies)).body
    if (this.#is(0.05)) return this.#one(oddBodies)
    if (this.#is(0.05)) return Buffer.from(Array.from({ length: 30 }, () => this.#upTo(256)))
    if (this.#is(0.1)) return this.#json(4)
    const members = new Map(
      Object.entries(good.body(path)).map(([name, value]) => [name, JSON.stringify(value)]),
    )
    const names = [...bodyMembersOf(endpoint), ...members.keys(), ...keys]
    for (let i = this.#upTo(4); i >= 0; i--) members.set(this.#one(names), this.#json(4))
    const text = [...members].map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')
    return `{${text}}`
  }

  /** JSON as text, at most `depth` levels of it. */
  #json(depth: number): string {
    const kind = this.#upTo(depth > 0 ? 6 : 4)
    if (kind === 0) return this.#one(jsonValues)
    if (kind === 1) return this.#one(figures)
    if (kind < 4) return JSON.stringify(this.#one(words))
    const values = Array.from({ length: this.#upTo(4) }, () => this.#json(depth - 1))
    if (kind === 4) return `[${values.join(',')}]`
    return `{${values.map(value => `${JSON.stringify(this.#one(keys))}:${value}`).join(',')}}`
  }
}
