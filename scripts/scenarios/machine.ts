/**
 * A laptop for a real client in this process: its time is the server's, and it can sleep, wake and
 * die. What the client runs, and all that comes of it, is told apart by its asynchronous context:
 * there, and nowhere else, `setTimeout` and `Date.now` are the laptop's.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Clock, Timer } from '../../server/lib/clock.ts'

const inside = new AsyncLocalStorage<Machine>()

/** A request that the client has made. */
export interface Asked {
  method: string
  /** With the query. */
  path: string
  /** Unix ms, of the server's time. */
  at: number
  /** Undefined: there was no answer, or not yet. */
  status?: number
}

class MachineTimer {
  timer: Timer | undefined
  ref = () => this
  unref = () => this
  hasRef = () => false
}

export class Machine {
  readonly name: string
  /** Everything that its client has asked, oldest first. */
  readonly asked: Asked[] = []
  readonly #clock: Clock
  /** Where the server is. Throws as `fetch` does, if it cannot be reached. */
  readonly #baseUrl: () => string
  readonly #timers = new Set<MachineTimer>()
  /** What would have been run while it slept. */
  #overdue: (() => void)[] = []
  #isAsleep = false
  #isDead = false
  #connections = new AbortController()
  #inFlight = 0

  constructor(name: string, clock: Clock, baseUrl: () => string) {
    this.name = name
    this.#clock = clock
    this.#baseUrl = baseUrl
    takeOverTime()
  }

  /** Run something on it; also all that it leads to is. */
  run<T>(what: () => T): T {
    return inside.run(this, what)
  }

  now(): number {
    return this.#clock.now()
  }

  /** How many requests it has made that are not answered yet. */
  inFlight(): number {
    return this.#inFlight
  }

  /** The lid is closed: nothing runs, and what is sent to it is not read. */
  sleep(): void {
    this.#isAsleep = true
  }

  /** All that should have run runs now. The connections of before are broken. */
  wake(): void {
    this.#isAsleep = false
    this.#connections.abort(new TypeError('the network has changed'))
    this.#connections = new AbortController()
    const overdue = this.#overdue
    this.#overdue = []
    for (const run of overdue) run()
  }

  /** Without a farewell. */
  die(): void {
    this.#isDead = true
    this.#connections.abort()
    for (const { timer } of this.#timers) timer?.cancel()
    this.#timers.clear()
  }

  setTimer(run: () => void, ms: number, isRepeated: boolean): MachineTimer {
    const handle = new MachineTimer()
    const set = () => {
      handle.timer = this.#clock.timer(this.#clock.now() + Math.max(1, ms), ring)
    }
    const ring = () => {
      if (isRepeated) set()
      else this.#timers.delete(handle)
      const go = () => inside.run(this, run)
      if (this.#isAsleep) this.#overdue.push(go)
      else if (!this.#isDead) go()
    }
    if (this.#isDead) return handle
    this.#timers.add(handle)
    set()
    return handle
  }

  clearTimer(handle: MachineTimer): void {
    handle.timer?.cancel()
    this.#timers.delete(handle)
  }

  /** For the client, in the place of `fetch`. */
  readonly fetch: typeof fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input)
    const asked: Asked = {
      method: init?.method ?? 'GET',
      path: url.pathname + url.search,
      at: this.now(),
    }
    this.asked.push(asked)
    this.#inFlight += 1
    const { signal } = this.#connections
    try {
      const signals = init?.signal ? [signal, init.signal] : [signal]
      const request = { ...init, signal: AbortSignal.any(signals) }
      // The wire is not the laptop's: what it measures its own limits by is the time of all.
      const [response, body] = await inside.exit(async () => {
        const answer = await fetch(this.#baseUrl() + asked.path, request)
        return [answer, await answer.text()] as const
      })
      await this.#awake(signal)
      asked.status = response.status
      return new Response(body, { status: response.status, headers: response.headers })
    } finally {
      this.#inFlight -= 1
      if (this.#isDead) await new Promise(() => undefined)
    }
  }

  /** What comes while it sleeps comes to a connection that is broken when it wakes. */
  async #awake(signal: AbortSignal): Promise<void> {
    if (!this.#isAsleep) return
    this.#inFlight -= 1
    await new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }))
    this.#inFlight += 1
    throw signal.reason
  }
}

let isTakenOver = false

/** From now on, what runs on a machine has its time; everybody else has theirs. */
function takeOverTime(): void {
  if (isTakenOver) return
  isTakenOver = true
  const real = { setTimeout, setInterval, clearTimeout, clearInterval, now: Date.now }
  const set =
    (otherwise: typeof setTimeout | typeof setInterval, isRepeated: boolean) =>
    (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
      const machine = inside.getStore()
      return machine
        ? machine.setTimer(() => run(...args), ms, isRepeated)
        : otherwise(run, ms, ...args)
    }
  const clear = (handle: unknown) => {
    if (handle instanceof MachineTimer) inside.getStore()?.clearTimer(handle)
    else real.clearTimeout(handle as NodeJS.Timeout)
  }
  Object.assign(globalThis, {
    setTimeout: set(real.setTimeout, false),
    setInterval: set(real.setInterval, true),
    clearTimeout: clear,
    clearInterval: clear,
  })
  Date.now = () => inside.getStore()?.now() ?? real.now()
  // matrix-js-sdk 43 is made for Node 22, which has it.
  Object.assign(Promise, {
    withResolvers() {
      let resolve: (value: unknown) => void = () => undefined
      let reject: (reason: unknown) => void = () => undefined
      const promise = new Promise((...both) => {
        ;[resolve, reject] = both
      })
      return { promise, resolve, reject }
    },
  })
}
