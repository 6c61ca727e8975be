/** One run: load, kill, start again, ask again, wait until all is quiet, compare; and once more. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from '../../spec-tests/support/client.ts'
import { killPrograms, makeStorageOn } from '../../spec-tests/support/program.ts'
import { Follower } from './follower.ts'
import { askAgain, type Item, makeItems, type Room, run } from './load.ts'
import { look } from './look.ts'
import { anywhere, enumerated, type Kill } from './plan.ts'
import { type Random, seeded } from './random.ts'
import { type Sabotage, sabotages } from './sabotages.ts'
import { ServerProcess } from './server-process.ts'
import { type Engine, paths, type Reached, textOf } from './steps.ts'
import { type Breach, breachesIn } from './verdict.ts'

export interface Options {
  engine: Engine
  /** Of the PostgreSQL server. */
  databaseUrl: string | undefined
  kills: number
  seed: number
  /** One of `sabotages`: the run ends when it has been seen. */
  sabotage?: string | undefined
  log: (line: string) => void
}

export interface Result {
  kills: number
  scheduled: number
  sent: number
  answers: number
  unanswered: number
  /** How many steps there are to be killed at, and those of them that were not. */
  steps: number
  missed: string[]
  breaches: Breach[]
}

/** Quick to start, and nothing in the way of many requests. */
const settings = ['profile: test', 'log_level: error']

/** After so many tries, a step that was seen once is held to be out of reach. */
const tries = 5

export async function torture(options: Options): Promise<Result> {
  const url = options.engine === 'postgres' ? options.databaseUrl : undefined
  const storage = await makeStorageOn(url, settings)
  try {
    return await new Run(options, storage).run()
  } finally {
    killPrograms()
    await storage.remove()
  }
}

class Run {
  readonly #options: Options
  readonly #random: Random
  readonly #server: ServerProcess
  readonly #sabotage: Sabotage | undefined
  readonly #reached = new Map<string, Reached>()
  readonly #result: Result = {
    kills: 0,
    scheduled: 0,
    sent: 0,
    answers: 0,
    unanswered: 0,
    steps: 0,
    missed: [],
    breaches: [],
  }
  #rounds = 0
  #reportedAt = 0

  constructor(options: Options, storage: Awaited<ReturnType<typeof makeStorageOn>>) {
    const { engine, sabotage, seed } = options
    this.#options = options
    this.#sabotage = sabotage === undefined ? undefined : sabotages[sabotage]
    this.#random = seeded(seed)
    this.#server = new ServerProcess(storage, engine, sabotage)
  }

  async run(): Promise<Result> {
    // First calmly, to see which steps there are.
    this.#server.onReached = step => void this.#reached.set(`${step.path} ${step.step}`, step)
    await this.#server.start()
    const room = await this.#makeRoom()
    const follower = await Follower.start(room)
    await this.#round(room, follower)
    this.#server.onReached = undefined
    this.#server.order(undefined)

    const plan = this.#plan()
    while (this.#result.kills < this.#options.kills && !this.#isShown()) {
      await this.#killAt(plan.shift() ?? anywhere(this.#random), room, follower)
      this.#progress()
    }
    this.#server.kill()
    return this.#result
  }

  /** One that is enumerated is tried until it is reached; then again with more time to get there. */
  async #killAt(kill: Kill, room: Room, follower: Follower): Promise<void> {
    for (let attempt = 1; attempt <= tries; attempt++) {
      const isReached = await this.#round(room, follower, kill, attempt)
      if (isReached || !kill.isEnumerated) return
    }
    this.#result.missed.push(kill.order ? textOf(kill.order) : '')
  }

  /** Somebody who waits for a thousand wants to see that it goes on. */
  #progress(): void {
    const { kills } = this.#result
    if (kills - this.#reportedAt < 100) return
    this.#reportedAt = kills
    this.#options.log(`${kills} kills, ${this.#result.breaches.length} breaches`)
  }

  #plan(): Kill[] {
    const steps = enumerated([...this.#reached.values()])
    this.#result.steps = steps.length
    if (!this.#sabotage) return steps
    const { order } = this.#sabotage
    return order ? [{ order, afterMs: 0, isAtStart: false, isEnumerated: false }] : []
  }

  /** The self-test has seen what it was to see. */
  #isShown(): boolean {
    return this.#result.breaches.some(({ kind }) => kind === this.#sabotage?.expected)
  }

  async #makeRoom(): Promise<Room> {
    const alice = new Client(() => this.#server.baseUrl)
    const bob = new Client(() => this.#server.baseUrl)
    await alice.register('alice')
    await bob.register('bob')
    const id = await alice.createRoom({
      preset: 'public_chat',
      power_level_content_override: { events: { 'm.torture': 0 } },
    })
    await bob.join(id)
    return { id, alice, bob }
  }

  /** @returns whether the process died where it was to die */
  async #round(room: Room, follower: Follower, kill?: Kill, attempt = 1): Promise<boolean> {
    const random = this.#random
    this.#rounds += 1
    const walked = kill ? [kill.order?.path].filter(path => path !== undefined) : paths
    // Whoever wants to find them overdue must have scheduled them all before.
    const late = { leastMs: 500 * attempt, mostMs: 500 * attempt + 250 }
    const delays = kill?.isAtStart ? late : this.#sabotage?.delays
    const items = makeItems(room, String(this.#rounds), walked, random, delays)
    const { since: from } = follower
    follower.follow()
    const livesBefore = this.#server.lives.length - 1
    // What is to be found overdue is only scheduled.
    const load = Promise.all(
      items.map(item => (kill?.isAtStart ? item.schedule() : run(room, item, random))),
    )
    const isReached = kill ? await this.#killUnder(load, kill, items) : true
    await load
    if (kill) {
      await follower.stop()
      if (!(await this.#server.start())) throw new Error('the server was killed without an order')
      follower.follow()
    }
    await Promise.all(items.map(item => askAgain(room, item, random)))

    const seen = await look(room, items, follower, from, this.#server.lives.slice(livesBefore))
    const breaches = breachesIn(
      items.map(({ entry }) => entry),
      seen,
    )
    const where = kill?.order ? textOf(kill.order) : 'from outside'
    for (const breach of breaches) {
      this.#result.breaches.push(breach)
      this.#options.log(`${breach.kind}: ${breach.text} (killed ${where})`)
    }
    this.#count(items, seen.timeline.length)
    return isReached
  }

  /** Let it die, or kill it, and now and then once more while it starts. */
  async #killUnder(load: Promise<unknown>, kill: Kill, items: readonly Item[]): Promise<boolean> {
    const server = this.#server
    if (kill.isAtStart) {
      await load
      await this.#kill()
      await sleep(Math.max(...items.map(({ entry }) => entry.delayMs)))
      const isReached = !(await server.start(kill.order))
      await this.#kill()
      return isReached
    }
    if (kill.order) server.order(kill.order)
    const death = server.death().then(() => true)
    // Whatever it was to do has been done by now: give up, and kill it from outside.
    const limit = kill.order
      ? load.then(() => sleep(300)).then(() => false)
      : sleep(kill.afterMs).then(() => false)
    const isReached = await Promise.race([death, limit])
    await this.#kill()
    return isReached || !kill.order
  }

  /** From outside, if it is not dead yet. */
  async #kill(): Promise<void> {
    this.#server.kill()
    await this.#server.death()
    this.#result.kills += 1
  }

  #count(items: readonly Item[], events: number): void {
    const asked = items.flatMap(({ entry }) => entry.asked)
    this.#result.scheduled += items.length
    this.#result.sent += events
    this.#result.answers += asked.filter(({ status }) => status !== undefined).length
    this.#result.unanswered += asked.filter(({ status }) => status === undefined).length
  }
}
