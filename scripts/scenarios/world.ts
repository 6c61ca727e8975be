/** What a scenario plays in: a server whose clock it holds, people, laptops, and a room with a call. */
import { isDeepStrictEqual } from 'node:util'
import type * as testing from '../../server/testing/ours.ts'
import { Client, delayedEvents, type RequestOptions } from '../../spec-tests/support/client.ts'
import type { JsonObject, WireEvent } from '../../spec-tests/support/wire.ts'
import { CallClient } from './call-client.ts'
import { callMember } from './constants.ts'
import { Machine } from './machine.ts'

/** Something that must be seen. */
export interface Check {
  what: string
  held: boolean
  found: string
}

/** One change of a call's membership. */
export interface Membership {
  device: string
  is: 'in' | 'out'
  /** Since the scenario began, ms. */
  at: number
  sender: string
}

/** In the machine's time. Nothing here takes a second; who waits longer waits for nobody. */
const patienceMs = 20_000

export class World {
  readonly server: testing.Homeserver
  /** Unix ms, of the server's time. */
  readonly beganAt: number
  readonly checks: Check[] = []
  readonly #say: (line: string) => void
  readonly #machines: Machine[] = []
  readonly #callers: CallClient[] = []
  #isDown = false

  constructor(server: testing.Homeserver, say: (line: string) => void) {
    this.server = server
    this.beganAt = server.now()
    this.#say = say
    server.accompany({ isIdle: () => this.#isIdle(), idle: () => this.#idle() })
  }

  /** Since the scenario began, ms. */
  get time(): number {
    return this.server.now() - this.beganAt
  }

  /** Tell what happens, with the time. */
  tell(line: string): void {
    this.#say(`${String(this.time).padStart(7)} ms  ${line}`)
  }

  /** What must be seen. */
  see(what: string, found: unknown, expected: unknown): void {
    const held = isDeepStrictEqual(found, expected)
    const text = JSON.stringify(found)
    const check = { what, held, found: held ? text : `${text}, not ${JSON.stringify(expected)}` }
    this.checks.push(check)
    this.#say(`${held ? '         ✓ ' : '         ✗ '} ${what}${held ? '' : `: ${check.found}`}`)
  }

  /** Somebody who says exactly what they are told to, over HTTP. */
  async person(name: string): Promise<Client> {
    const client = new Client(() => this.server.baseUrl)
    await client.register(name)
    return client
  }

  /** Another device of somebody. */
  async deviceOf(person: Client): Promise<Client> {
    const sibling = person.sibling()
    await sibling.login()
    return sibling
  }

  /** A room in which everybody may join the call. */
  async room(creator: Client, ...others: Client[]): Promise<string> {
    const roomId = await creator.createRoom({
      preset: 'public_chat',
      power_level_content_override: { events: { [callMember]: 0 } },
    })
    for (const other of others) await other.join(roomId)
    return roomId
  }

  /** A laptop on which matrix-js-sdk runs as this device. */
  async laptop(name: string, person: Client, roomId: string): Promise<CallClient> {
    const machine = new Machine(name, this.server.clock, () => this.#whereItIs())
    this.#machines.push(machine)
    const { userId, deviceId, token: accessToken = '' } = person
    const user = { userId, deviceId, accessToken }
    const starting = CallClient.start(user, machine, roomId)
    const caller = await this.#while(starting)
    this.#callers.push(caller)
    return caller
  }

  /** The laptop joins the call; its delayed leave is scheduled, and its heartbeat goes. */
  async join(...callers: CallClient[]): Promise<void> {
    await this.#joined(callers, caller => caller.join())
  }

  /** The same, with memberships that are sticky events. */
  async joinSticky(...callers: CallClient[]): Promise<void> {
    await this.#joined(callers, caller => caller.join({ isSticky: true }))
  }

  async #joined(callers: readonly CallClient[], join: (caller: CallClient) => void): Promise<void> {
    for (const caller of callers) join(caller)
    await this.server.advance(100)
    for (const caller of callers) this.tell(`${caller.machine.name} has joined the call`)
  }

  /** Time passes; all that comes of it, on the server and on the laptops, is over when it returns. */
  async pass(ms: number): Promise<void> {
    await this.server.advance(ms)
  }

  /** The server is down for so long: it stops in good order, nobody can reach it, it starts again. */
  async down(ms: number): Promise<void> {
    this.#isDown = true
    await this.server.restart(ms)
    this.#isDown = false
  }

  /** As `fetch` has it, where nobody listens. */
  #whereItIs(): string {
    if (this.#isDown) throw new TypeError('fetch failed')
    return this.server.baseUrl
  }

  /** Every change of the call's membership, in the order of the room. */
  async call(person: Client, roomId: string): Promise<Membership[]> {
    const { chunk } = await person.messages(roomId, { dir: 'f', limit: 1_000 })
    return chunk
      .filter(({ type }) => type === callMember)
      .map(({ content, sender, state_key: key = '', origin_server_ts: ts }: WireEvent) => ({
        device: /_([^_]+)_m\.call$/.exec(key)?.[1] ?? key,
        is: Object.keys(content).length > 0 ? 'in' : 'out',
        at: ts - this.beganAt,
        sender,
      }))
  }

  /** As {@link call}, without those that only renew what was. */
  async turns(person: Client, roomId: string): Promise<string[]> {
    const last = new Map<string, string>()
    return (await this.call(person, roomId)).flatMap(({ device, is }) => {
      if (last.get(device) === is) return []
      last.set(device, is)
      return [`${device} ${is}`]
    })
  }

  /** A service that has been told a delay id, and has no token. */
  service(delayId: string, action: string, options: RequestOptions = {}) {
    const path = `${delayedEvents}/${encodeURIComponent(delayId)}/${action}`
    const nobody = new Client(() => this.server.baseUrl)
    return nobody.request('POST', path, { body: {}, ...options })
  }

  /** Delayed events of somebody that are scheduled. */
  async scheduled(person: Client): Promise<JsonObject[]> {
    return person.scheduled()
  }

  async end(): Promise<void> {
    for (const caller of this.#callers) caller.stop()
    await this.server.stop()
  }

  /** The clock moves on for as long as it takes. */
  async #while<T>(work: Promise<T>): Promise<T> {
    let isDone = false
    const done = work.finally(() => {
      isDone = true
    })
    for (let turns = 0; turns < 100 && !isDone; turns++) {
      await this.#idle()
      if (!isDone) await this.server.advance(100)
    }
    return done
  }

  /** What is asked for and not answered waits at the server for something to happen. */
  #isIdle(): boolean {
    const inFlight = this.#machines.reduce((sum, machine) => sum + machine.inFlight(), 0)
    return inFlight <= this.server.waiting() + this.server.faults.held.waiting()
  }

  /** For several turns of the event loop: a client that has its answer may ask again. */
  async #idle(): Promise<void> {
    const since = process.hrtime.bigint()
    for (let quiet = 0; quiet < 20; quiet = this.#isIdle() ? quiet + 1 : 0) {
      await new Promise(setImmediate)
      if (process.hrtime.bigint() - since > BigInt(patienceMs) * 1_000_000n) {
        throw new Error('a laptop waits for an answer that does not come')
      }
    }
  }
}
