/**
 * A wire to PGlite that is none: what the driver would send to a PostgreSQL server goes to PostgreSQL
 * in this process. So both engines have one driver, with one way of reading types and
 * reporting errors; and a query is one call, and its statement is prepared once, where PGlite's own
 * `query` makes five calls and prepares it each time: measured, 93 µs of a processor against 654.
 */
import { Duplex } from 'node:stream'
import type { Engine } from './pglite-engine.ts'

/** AuthenticationOk and ReadyForQuery: there is nobody to let in, and no settings to agree on. */
const greeting = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x5a, 0, 0, 0, 5, 0x49])

/** The first byte of the driver's messages that wait for an answer, and of its last. */
const query = 'Q'.charCodeAt(0)
const sync = 'S'.charCodeAt(0)
const terminate = 'X'.charCodeAt(0)

export class PgliteSocket extends Duplex {
  readonly #engine: Engine
  /** Messages of which PostgreSQL may keep the answers until the next Sync. */
  #pending: Buffer[] = []
  /** What ends with a Sync, and is to go in this turn of the event loop. */
  #ready: Buffer[] = []
  #isGreeted = false

  constructor(engine: Engine) {
    super()
    this.#engine = engine
  }

  connect(): this {
    queueMicrotask(() => this.emit('connect'))
    return this
  }

  /** One message a chunk: that is how the driver writes. */
  override _write(message: Buffer, _encoding: string, done: (error?: Error) => void): void {
    try {
      this.#take(message)
      done()
    } catch (error) {
      done(error as Error)
    }
  }

  override _read(): void {
    // What PostgreSQL answers is there at once, and is pushed at once.
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  #take(message: Buffer): void {
    if (!this.#isGreeted) {
      this.#isGreeted = true
      this.push(greeting)
      return
    }
    this.#pending.push(message)
    switch (message[0]) {
      case query:
      case sync:
        if (this.#ready.length === 0) process.nextTick(() => this.#ask())
        this.#ready.push(Buffer.concat(this.#pending))
        this.#pending = []
        return
      case terminate:
        this.push(null)
    }
  }

  /** What was written in one turn goes in one piece: between threads each is a journey. */
  #ask(): void {
    const messages = this.#ready
    this.#ready = []
    this.#engine.ask(messages, answer => void this.push(answer))
  }
}
