/**
 * A server that is listening. Its context can be stopped and built anew under it, as the laboratory
 * does when it puts the data back to what they were: the addresses stay, and who calls meanwhile is
 * answered afterwards.
 */
import type { RequestListener, ServerResponse } from 'node:http'
import type { Database } from '../db/database.ts'
import { openDatabase } from '../db/open.ts'
import { endpoints } from './client-api/index.ts'
import { type Config, checkLab, databaseOptions } from './config.ts'
import { createContext, type Given as GivenToContext, type RunningContext } from './context.ts'
import { Acts } from './http/acts.ts'
import { makeApp } from './http/app.ts'
import { type Listening, listen } from './http/listen.ts'
import { loadCertificate } from './http/tls.ts'
import { labPath } from './lab/door.ts'
import { labEndpoints } from './lab/index.ts'
import type { Lab } from './lab/lab.ts'
import { Turns } from './lab/turns.ts'
import { systemClock } from './lib/clock.ts'
import { inTime } from './lib/in-time.ts'
import { Passing } from './lib/passing.ts'

/** So long a request that is running may keep a swap waiting; then it is cut off. */
const patienceMs = 5_000

type Given = GivenToContext & { lab?: Lab }

type Fill = (db: Database) => Promise<void>

interface Running {
  db: Database
  context: RunningContext
  app: RequestListener
  acts: Acts
}

export class Serving {
  readonly #config: Config
  readonly #given: Given
  readonly #listening: Listening[] = []
  /** Those of the laboratory, if there is one: it swaps in a turn that it has already. */
  readonly #turns: Turns
  #running: Running
  /** Those who called while no context was there. */
  #held: Parameters<RequestListener>[] | undefined
  /** What is being answered, without what is asked of the laboratory itself. */
  readonly #answering = new Passing<ServerResponse>()
  #answered: (() => void) | undefined

  /**
   * @param opening the database, if somebody has begun to open it
   * @param fill put rows into it before anybody looks
   * @throws ConfigError · DatabaseUnavailable · CannotListen
   */
  static async start(
    config: Config,
    given: Given = {},
    { opening, fill }: { opening?: Promise<Database>; fill?: Fill | undefined } = {},
  ): Promise<Serving> {
    checkLab(config)
    const db = await (opening ?? open(config, given))
    const serving = new Serving(config, given, await run(config, given, db, fill))
    try {
      await serving.#listen()
      await given.lab?.attach(serving)
      return serving
    } catch (error) {
      await serving.stop()
      throw error
    }
  }

  private constructor(config: Config, given: Given, running: Running) {
    this.#config = config
    this.#given = given
    this.#turns = given.lab?.turns ?? new Turns()
    this.#running = running
  }

  get context(): RunningContext {
    return this.#running.context
  }

  /** Where plain HTTP is spoken, and then where TLS is, if it is. */
  get urls(): readonly string[] {
    return this.#listening.map(one => one.url)
  }

  /**
   * Whoever waits is let go, and answered; then everything is closed. A change that is under way is
   * waited for, and none comes after it.
   */
  stop(): Promise<void> {
    return this.#turns.takeLast(async () => {
      const closed = Promise.all(this.#listening.map(one => one.close()))
      this.context.letGo()
      await closed
      await this.#given.lab?.end()
      await this.#end()
    })
  }

  /** Stop the context, change its data, and build it anew. In a turn of the laboratory. */
  async swap(change: (db: Database) => Promise<void>): Promise<void> {
    await this.#meanwhile(async () => {
      const { db } = this.#running
      await this.#letGo()
      await this.context.stop()
      await change(db)
      this.#running = await run(this.#config, this.#given, db)
    })
  }

  /** Stop as `stop` does, but for the addresses, and start again. */
  restart(meanwhile: () => Promise<void>): Promise<void> {
    return this.#begin(meanwhile, async () => {
      await this.#letGo()
      await this.#end()
    })
  }

  /**
   * End as a process that is killed, and start again: nobody is answered, every connection is cut,
   * what is not committed is undone.
   */
  crash(meanwhile: () => Promise<void>): Promise<void> {
    return this.#begin(meanwhile, async () => {
      const { context, db } = this.#running
      // The dead do not complain.
      const { level } = context.log
      context.log.level = 'silent'
      for (const one of this.#listening) one.cut()
      await db.cut()
      await this.#end().catch(() => undefined)
      context.log.level = level
    })
  }

  /** End, and begin again in a process's place. */
  #begin(meanwhile: () => Promise<void>, end: () => Promise<void>): Promise<void> {
    return this.#turns.take(() =>
      this.#meanwhile(async () => {
        await end()
        await meanwhile()
        this.#running = await run(this.#config, this.#given, await open(this.#config, this.#given))
      }),
    )
  }

  async #end(): Promise<void> {
    try {
      await this.context.stop()
    } finally {
      await this.#running.db.close()
    }
  }

  /** Hold whoever calls, and let them in when it is done. */
  async #meanwhile(change: () => Promise<void>): Promise<void> {
    this.#held = []
    try {
      await change()
    } catch (error) {
      this.#held = undefined
      await Promise.all(this.#listening.map(one => one.close()))
      throw error
    }
    const held = this.#held
    this.#held = undefined
    for (const [request, response] of held) this.#handle(request, response)
  }

  /** Until everybody has been answered who is being answered; not for ever. */
  async #letGo(): Promise<void> {
    this.context.letGo()
    if (await inTime(this.#idle(), patienceMs)) return
    for (const response of this.#answering.all()) response.destroy()
  }

  /** Until all has been done that was asked for, and answered where somebody still hears it. */
  async #idle(): Promise<void> {
    if (this.#answering.size > 0) {
      await new Promise<void>(resolve => {
        this.#answered = resolve
      })
    }
    await this.#running.acts.idle()
  }

  readonly #handle: RequestListener = (request, response) => {
    if (this.#held) {
      this.#held.push([request, response])
      return
    }
    // Who was held may have hung up: nobody would hear that this one has closed.
    if (response.destroyed) return
    if (!request.url?.startsWith(labPath)) {
      const leave = this.#answering.add(response)
      response.on('close', () => {
        leave()
        if (this.#answering.size === 0) this.#answered?.()
      })
    }
    this.#running.app(request, response)
  }

  /** On the plain port last: who looks there whether we have started, finds all of us. */
  async #listen(): Promise<void> {
    const { host, port, tls } = this.#config
    if (tls.port !== undefined) {
      // Whoever looks at it goes by the machine's time, whatever our clock says.
      const certificate = await loadCertificate(this.#config, systemClock)
      this.#listening.push(await listen(this.#handle, host, tls.port, certificate))
    }
    this.#listening.unshift(await listen(this.#handle, host, port))
  }
}

function open(config: Config, given: Given): Promise<Database> {
  return openDatabase(given.database ?? databaseOptions(config))
}

/** @param db is closed if this fails */
async function run(config: Config, given: Given, db: Database, fill?: Fill): Promise<Running> {
  try {
    await fill?.(db)
    const context = await createContext(config, { ...given, db })
    const { lab } = given
    if (lab) db.beforeCommit = tx => lab.beforeCommit(tx)
    const acts = new Acts()
    const around = lab && acts.around(lab.faults.around(context))
    const app = makeApp(context, [...endpoints, ...labEndpoints], around)
    return { db, context, app, acts }
  } catch (error) {
    await db.close()
    throw error
  }
}
