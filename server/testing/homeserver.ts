/** A real homeserver inside a test: HTTP on a free port, a private database, a clock to hold. */
import { countRows } from '../../db/testing.ts'
import { endpoints } from '../client-api/index.ts'
import { parseConfig } from '../config.ts'
import { createContext, type RunningContext } from '../context.ts'
import { Scheduler } from '../delayed-events/scheduler.ts'
import { makeApp } from '../http/app.ts'
import { type Listening, listen } from '../http/listen.ts'
import { loadCertificate } from '../http/tls.ts'
import { systemClock, type VirtualClock, virtualClock } from '../lib/clock.ts'
import { makeLog } from '../lib/log.ts'
import { makeStorage, type Storage } from './storage.ts'

export interface HomeserverOptions {
  /** The machine's clock instead of one that the test moves. */
  realTime?: boolean
  /** Options as in the config file. */
  config?: Record<string, unknown>
  /** A PostgreSQL server to use instead of the embedded database. */
  databaseUrl?: string | undefined
}

/** A moment far from now, so that a forgotten look at the machine's clock shows. */
const startOfTime = Date.UTC(2030, 0, 1)

export class Homeserver {
  readonly #options: HomeserverOptions
  readonly #storage: Storage
  readonly #clock: VirtualClock | undefined
  #context: RunningContext | undefined
  #listening: Listening[] = []
  #secondScheduler: Scheduler | undefined

  private constructor(options: HomeserverOptions, storage: Storage) {
    this.#options = options
    this.#storage = storage
    this.#clock = options.realTime ? undefined : virtualClock(startOfTime)
  }

  static async start(options: HomeserverOptions = {}): Promise<Homeserver> {
    const server = new Homeserver(options, await makeStorage(options.databaseUrl))
    try {
      await server.#start()
      return server
    } catch (error) {
      await server.#storage.remove()
      throw error
    }
  }

  get baseUrl(): string {
    const [plain] = this.#listening
    if (!plain) throw new Error('the server is not running')
    return plain.url
  }

  /** Where TLS is spoken, with the option `tls.port`. */
  get tlsUrl(): string {
    const [, tls] = this.#listening
    if (!tls) throw new Error('the server does not speak TLS')
    return tls.url
  }

  async #start(): Promise<void> {
    const config = parseConfig(
      {
        profile: 'test',
        server_name: 'hs1',
        port: 0,
        database_connections: 8,
        log_level: 'error',
        data_dir: this.#storage.dataDir,
        ...this.#options.config,
      },
      'the test',
    )
    const clock = this.#clock ?? systemClock
    this.#context = await createContext(config, {
      clock,
      log: makeLog(config.log_level),
      database: { ...this.#storage.database, maxConnections: config.database_connections },
    })
    const app = makeApp(this.#context, endpoints)
    this.#listening = [await listen(app, config.host, config.port)]
    if (config.tls.port === undefined) return
    const certificate = await loadCertificate(config, clock)
    this.#listening.push(await listen(app, config.host, config.tls.port, certificate))
  }

  /** Stop the server and start it again on the same data, `downMs` later by its clock. */
  async restart(downMs = 0): Promise<void> {
    await this.#stopServer()
    await this.#clock?.advance(downMs, async () => undefined)
    await this.#start()
  }

  /** In the order of server/main.ts: whoever waits is let go, and then answered. */
  async #stopServer(): Promise<void> {
    const closed = Promise.all(this.#listening.map(one => one.close()))
    this.#context?.notifier.stop()
    await closed
    await this.#secondScheduler?.stop()
    this.#secondScheduler = undefined
    await this.#context?.stop()
  }

  /** A second scheduler for what is scheduled now, as if another process had the same database. */
  async wakeSecondScheduler(): Promise<void> {
    if (!this.#context) throw new Error('the server is not running')
    this.#secondScheduler ??= new Scheduler()
    await this.#secondScheduler.start(this.#context)
  }

  /** Stop for good, and remove the data. Fails if the server has left a timer or a waiter behind. */
  async stop(): Promise<void> {
    await this.#stopServer()
    const timers = this.#clock?.pendingTimers() ?? 0
    const waiting = this.#context?.notifier.waiting() ?? 0
    await this.#storage.remove()
    if (timers > 0) throw new Error(`${timers} timers were left behind`)
    if (waiting > 0) throw new Error(`${waiting} waiters were left behind`)
  }

  /** The server's time, Unix ms. */
  now(): number {
    return this.#clock?.now() ?? systemClock.now()
  }

  /** Move the server's time on, and wait until everything that fell due has been decided. */
  async advance(ms: number): Promise<void> {
    if (!this.#clock) throw new Error('this server runs in real time')
    await this.#clock.advance(ms, () => this.idle())
  }

  /** Until what is being done in the background is done. */
  async idle(): Promise<void> {
    await this.#context?.scheduler.idle()
    await this.#context?.sweeper.idle()
    await this.#context?.pushDelivery.idle()
  }

  /** How many requests are held in a long poll. */
  waiting(): number {
    return this.#context?.notifier.waiting() ?? 0
  }

  /** How many rows each table has: what is refused must leave them as they were. */
  async rowCounts(): Promise<Record<string, number>> {
    if (!this.#context) throw new Error('the server is not running')
    return countRows(this.#context.db)
  }
}
