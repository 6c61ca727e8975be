/** A real homeserver inside a test: HTTP on a free port, a private database, a clock to hold. */
import { countRows } from '../../db/testing.ts'
import { parseConfig } from '../config.ts'
import { Scheduler } from '../delayed-events/scheduler.ts'
import type { Fault, FaultOptions, Faults } from '../lab/faults.ts'
import type { Fired } from '../lab/fired.ts'
import { Lab } from '../lab/lab.ts'
import { untilQuiet } from '../lab/quiet.ts'
import { advance } from '../lab/time.ts'
import { systemClock } from '../lib/clock.ts'
import { type LabClock, labClock } from '../lib/lab-clock.ts'
import { makeLog } from '../lib/log.ts'
import { Serving } from '../serving.ts'
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
  readonly #clock: LabClock | undefined
  #serving: Serving | undefined
  #secondScheduler: Scheduler | undefined

  private constructor(options: HomeserverOptions, storage: Storage) {
    this.#options = options
    this.#storage = storage
    this.#clock = options.realTime ? undefined : labClock(startOfTime)
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
    const [plain] = this.#running().urls
    if (plain === undefined) throw new Error('the server is not running')
    return plain
  }

  /** Where TLS is spoken, with the option `tls.port`. */
  get tlsUrl(): string {
    const [, tls] = this.#running().urls
    if (tls === undefined) throw new Error('the server does not speak TLS')
    return tls
  }

  #running(): Serving {
    if (!this.#serving) throw new Error('the server is not running')
    return this.#serving
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
    const clock = this.#clock
    this.#serving = await Serving.start(config, {
      ...(clock ? { clock, lab: new Lab(clock) } : {}),
      log: makeLog(config.log_level),
      database: { ...this.#storage.database, maxConnections: config.database_connections },
    })
  }

  /** Stop the server and start it again on the same data, `downMs` later by its clock. */
  async restart(downMs = 0): Promise<void> {
    await this.#stopServer()
    await this.#clock?.advance(downMs, async () => undefined)
    await this.#start()
  }

  async #stopServer(): Promise<void> {
    await this.#secondScheduler?.stop()
    this.#secondScheduler = undefined
    await this.#serving?.stop()
  }

  /** A second scheduler for what is scheduled now, as if another process had the same database. */
  async wakeSecondScheduler(): Promise<void> {
    this.#secondScheduler ??= new Scheduler()
    await this.#secondScheduler.start(this.#running().context)
  }

  /** Stop for good, and remove the data. Fails if the server has left a timer or a waiter behind. */
  async stop(): Promise<void> {
    await this.#stopServer()
    const timers = this.#clock?.pendingTimers() ?? 0
    const waiting = this.#serving?.context.notifier.waiting() ?? 0
    await this.#storage.remove()
    if (timers > 0) throw new Error(`${timers} timers were left behind`)
    if (waiting > 0) throw new Error(`${waiting} waiters were left behind`)
  }

  /** The server's time, Unix ms. */
  now(): number {
    return this.#clock?.now() ?? systemClock.now()
  }

  /**
   * Move the server's time on, and wait until everything that fell due has been decided.
   *
   * @returns what became of delayed events meanwhile, in the order in which it did
   */
  async advance(ms: number): Promise<Fired[]> {
    const { lab } = this.#running().context
    if (!lab) throw new Error('this server runs in real time')
    return (await advance(lab, ms)).fired
  }

  /**
   * Let something go wrong: what, for whom, where and how often.
   *
   * @throws MatrixError there is no such endpoint
   */
  fault(options: FaultOptions): Fault {
    return this.faults.add(options)
  }

  /** Those that are set, and what they have struck. */
  get faults(): Faults {
    const { lab } = this.#running().context
    if (!lab) throw new Error('this server runs in real time')
    return lab.faults
  }

  /** Until what is being done in the background is done. */
  async idle(): Promise<void> {
    await untilQuiet(this.#running().context)
  }

  /** How many requests are held in a long poll. */
  waiting(): number {
    return this.#serving?.context.notifier.waiting() ?? 0
  }

  /** How many rows each table has: what is refused must leave them as they were. */
  async rowCounts(): Promise<Record<string, number>> {
    return countRows(this.#running().context.db)
  }
}
