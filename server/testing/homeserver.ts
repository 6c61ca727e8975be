/** A real homeserver inside a test: HTTP on a free port, a private database, a clock to hold. */
import { existsSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { copyInto } from '../../db/copying.ts'
import type { Database } from '../../db/database.ts'
import { countRows } from '../../db/testing/behind-the-curtain.ts'
import {
  multiplyChanges,
  multiplyMembers,
  multiplyMessages,
  multiplyScheduled,
  settleLargeRooms,
} from '../../db/testing/large-rooms.ts'
import { type RowsRead, rowsRead } from '../../db/testing/rows-read.ts'
import { statementsOf } from '../../db/testing/statements.ts'
import { type Walk, walksOf } from '../../db/testing/walks.ts'
import { type Config, parseConfig } from '../config.ts'
import { Scheduler } from '../delayed-events/scheduler.ts'
import type { Company } from '../lab/company.ts'
import type { Fault, FaultOptions } from '../lab/fault.ts'
import type { Faults } from '../lab/faults.ts'
import type { Fired } from '../lab/fired.ts'
import { Lab } from '../lab/lab.ts'
import { untilQuiet } from '../lab/quiet.ts'
import type { Snapshot } from '../lab/snapshot.ts'
import { resetServer, restoreSnapshot, takeSnapshot, useSnapshot } from '../lab/snapshots.ts'
import { advance } from '../lab/time.ts'
import { makeUsers } from '../lab/users.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { type LabClock, labClock } from '../lib/lab-clock.ts'
import { makeLog } from '../lib/log.ts'
import { Serving } from '../serving.ts'
import type * as contract from './contract.ts'
import type { HomeserverOptions, TestUser } from './contract.ts'
import { type Duration, toMs } from './duration.ts'
import { makeStorage, type Storage } from './storage.ts'

/** A moment far from now, so that a forgotten look at the machine's clock shows. */
const startOfTime = Date.UTC(2030, 0, 1)

/** With what our own tests look at besides. */
export class Homeserver implements contract.Homeserver {
  readonly #options: HomeserverOptions
  readonly #storage: Storage
  readonly #clock: LabClock | undefined
  readonly #serving: Serving
  #secondScheduler: Scheduler | undefined
  #stopping: Promise<void> | undefined

  private constructor(
    options: HomeserverOptions,
    own: { storage: Storage; clock: LabClock | undefined; serving: Serving },
  ) {
    this.#options = options
    this.#storage = own.storage
    this.#clock = own.clock
    this.#serving = own.serving
  }

  static start(options: HomeserverOptions = {}): Promise<Homeserver> {
    return Homeserver.filled(options)
  }

  /** @param fill put rows into the empty database, and files into its folder, before anybody looks */
  private static async filled(
    options: HomeserverOptions,
    fill?: (db: Database, dataDir: string) => Promise<void>,
  ): Promise<Homeserver> {
    const { startAt = startOfTime } = options
    if (!Number.isSafeInteger(startAt) || startAt < 0) {
      throw new RangeError(`startAt: ${startAt} is no Unix time in milliseconds`)
    }
    const storage = await makeStorage(options.databaseUrl)
    try {
      const config = configOf(options, storage)
      const clock = options.realTime ? undefined : labClock(startAt)
      const database = { ...storage.database, maxConnections: config.database_connections }
      const lab = clock ? { clock, lab: new Lab(clock) } : {}
      const given = { ...lab, log: makeLog(config.log_level), database }
      const serving = await Serving.start(config, given, {
        fill: async db => {
          await fill?.(db, storage.dataDir)
        },
      })
      return new Homeserver(options, { storage, clock, serving })
    } catch (error) {
      await storage.remove()
      throw error
    }
  }

  get baseUrl(): string {
    return this.#serving.urls[0] ?? ''
  }

  get tlsUrl(): string {
    const [, tls] = this.#serving.urls
    if (tls === undefined) throw new Error('the server does not speak TLS')
    return tls
  }

  async user(name: string): Promise<TestUser> {
    const [user] = await makeUsers(this.#lab, [name])
    if (!user) throw new Error('no user was made')
    return {
      userId: user.user_id,
      accessToken: user.access_token,
      deviceId: user.device_id,
      baseUrl: this.baseUrl,
    }
  }

  get clock(): Clock {
    return this.#clock ?? systemClock
  }

  accompany(company: Company): void {
    this.#lab.company.add(company)
  }

  now(): number {
    return this.#clock?.now() ?? systemClock.now()
  }

  async advance(duration: Duration): Promise<Fired[]> {
    return (await advance(this.#lab, toMs(duration))).fired
  }

  async snapshot(): Promise<Snapshot> {
    return takeSnapshot(this.#lab)
  }

  async restore(snapshot: Snapshot): Promise<void> {
    await restoreSnapshot(this.#lab, snapshot.id)
  }

  async reset(): Promise<void> {
    return resetServer(this.#lab)
  }

  async fork(from?: Snapshot): Promise<Homeserver> {
    const { config = {} } = this.#options
    const ports = { port: 0, ...(config.tls ? { tls: { ...config.tls, port: 0 } } : {}) }
    const put = (snapshot: Snapshot) => {
      const options = {
        ...this.#options,
        config: { ...config, ...ports },
        startAt: snapshot.now,
      }
      return Homeserver.filled(options, async (db, dataDir) => {
        await copyInto(db, snapshot.id)
        const media = join(this.#storage.dataDir, 'media')
        if (existsSync(media)) await cp(media, join(dataDir, 'media'), { recursive: true })
      })
    }
    return useSnapshot(this.#lab, from?.id, put)
  }

  async restart(down: Duration = 0): Promise<void> {
    const ms = toMs(down)
    if (this.#secondScheduler) await this.#stopSecondScheduler()
    await this.#serving.restart(() => this.#passTime(ms))
  }

  async crash(down: Duration = 0): Promise<void> {
    const ms = toMs(down)
    if (this.#secondScheduler) await this.#stopSecondScheduler()
    await this.#serving.crash(() => this.#passTime(ms))
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  fault(options: FaultOptions): Fault {
    return this.faults.add(options)
  }

  get faults(): Faults {
    return this.#lab.faults
  }

  async idle(): Promise<void> {
    await untilQuiet(this.#serving.context)
  }

  /** A second scheduler for what is scheduled now, as if another process had the same database. */
  async wakeSecondScheduler(): Promise<void> {
    this.#secondScheduler ??= new Scheduler()
    await this.#secondScheduler.start(this.#serving.context)
  }

  waiting(): number {
    return this.#serving.context.notifier.waiting()
  }

  /**
   * Let a room grow: by members or messages like its last one, by changes of its last piece of state, or
   * by what others schedule like the last that was scheduled for it.
   */
  async enlarge(
    roomId: string,
    by: { members?: number; messages?: number; changes?: number; scheduled?: number },
  ): Promise<void> {
    const { db } = this.#serving.context
    if (by.members !== undefined) await multiplyMembers(db, roomId, by.members)
    if (by.messages !== undefined) await multiplyMessages(db, roomId, by.messages)
    if (by.changes !== undefined) await multiplyChanges(db, roomId, by.changes)
    if (by.scheduled !== undefined) await multiplyScheduled(db, roomId, by.scheduled)
    await settleLargeRooms(db)
    await this.restart()
  }

  /** How much of the tables a request reads. */
  rowsRead(request: () => Promise<unknown>, densities?: readonly number[]): Promise<RowsRead> {
    return rowsRead(this.#serving.context.db, request, densities)
  }

  /** What a request looks through, where it should look something up. */
  walks(request: () => Promise<unknown>): Promise<Walk[]> {
    return walksOf(this.#serving.context.db, request)
  }

  /** What a request, and all that it brings about, asks the database: BEGIN and COMMIT, too. */
  async statements(request: () => Promise<unknown>): Promise<string[]> {
    await this.idle()
    const statements = await statementsOf(async () => {
      await request()
      await this.idle()
    })
    return statements.map(({ text }) => text)
  }

  /** How many rows each table has: what is refused must leave them as they were. */
  async rowCounts(): Promise<Record<string, number>> {
    return countRows(this.#serving.context.db)
  }

  get #lab(): Lab {
    const { lab } = this.#serving.context
    if (!(lab instanceof Lab)) throw new Error('this server runs in real time')
    return lab
  }

  async #passTime(ms: number): Promise<void> {
    await this.#clock?.advance(ms, async () => {
      for (const one of this.#lab.company) await one.idle()
    })
  }

  /** Not waited for where there is none: who has asked for something first comes first. */
  async #stopSecondScheduler(): Promise<void> {
    const scheduler = this.#secondScheduler
    this.#secondScheduler = undefined
    await scheduler?.stop()
  }

  async #stop(): Promise<void> {
    if (this.#secondScheduler) await this.#stopSecondScheduler()
    await this.#serving.stop()
    const timers = this.#clock?.pendingTimers() ?? 0
    const waiting = this.waiting()
    await this.#storage.remove()
    if (timers > 0) throw new Error(`${timers} timers were left behind`)
    if (waiting > 0) throw new Error(`${waiting} waiters were left behind`)
  }
}

function configOf(options: HomeserverOptions, storage: Storage): Config {
  return parseConfig(
    {
      profile: 'test',
      server_name: 'hs1',
      port: 0,
      database_connections: 8,
      log_level: 'error',
      data_dir: storage.dataDir,
      ...options.config,
    },
    'the test',
  )
}
