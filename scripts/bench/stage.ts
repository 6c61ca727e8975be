/** Where a run takes place: an engine, a fresh place for data, the load, and the ceiling. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Database, DatabaseOptions } from '../../db/database.ts'
import { openDatabase } from '../../db/open.ts'
import {
  describeServer,
  dropSchemas,
  serverProcesses,
} from '../../db/testing/behind-the-curtain.ts'
import {
  Load,
  postgresProcessorMs,
  processorMs,
  type Running,
  type Started,
  startCeiling,
  startHomeserver,
} from './processes.ts'

export type Engine = 'pglite' | 'postgres'

/** One line of the table. */
export interface Row {
  what: string
  value: string
  ceiling: string
  /** Value over ceiling; undefined where the goal is a time. */
  ratio?: number | undefined
  goal: string
  /** Undefined where there is no goal. */
  isMet: boolean | undefined
  latency?: string | undefined
}

/** What every server of a run is started with: nothing that a single machine would trip over. */
const options = `
profile: test
log_level: error
delayed_events:
  max_scheduled_per_user: 100000000
`

/** A place for data that one server after another may use. */
export interface Place {
  start(): Promise<Started>
  /** While no server runs. */
  withDatabase<T>(use: (db: Database) => Promise<T>): Promise<T>
}

export interface StageOptions {
  engine: Engine
  /** Fewer rounds of everything: the table in a minute. */
  isQuick: boolean
  /** Where PostgreSQL is. */
  databaseUrl: string | undefined
  running?: Running | undefined
}

export class Stage {
  readonly engine: Engine
  readonly isQuick: boolean
  #load: Load | undefined
  readonly #databaseUrl: string | undefined
  readonly #running: Running | undefined
  readonly #folder: string
  readonly #schemas: string[] = []
  #ceiling: Promise<Started> | undefined
  #server: Promise<Started> | undefined

  static async set(given: StageOptions): Promise<Stage> {
    return new Stage(given, await mkdtemp(join(tmpdir(), 'hourglass-bench-')))
  }

  private constructor(given: StageOptions, folder: string) {
    this.engine = given.engine
    this.isQuick = given.isQuick
    this.#databaseUrl = given.databaseUrl
    this.#running = given.running
    this.#folder = folder
  }

  /** How long one measurement lasts. */
  get durationMs(): number {
    return this.isQuick ? 500 : 8_000
  }

  /**
   * How often here and the ceiling take turns within as long. A machine that others use becomes slower
   * and quicker from one second to the next; what is compared is what lies side by side.
   */
  get turns(): number {
    return this.isQuick ? 3 : 9
  }

  /**
   * How long the same goes before a measurement, here and at the ceiling alike: what has not been
   * compiled yet is several times slower, and whichever side was colder would look worse.
   */
  get warmUpMs(): number {
    return this.isQuick ? 800 : 8_000
  }

  /** The load, in one process for all of a run. */
  get load(): Load {
    this.#load ??= new Load()
    return this.#load
  }

  /** Which database it is, as far as it matters for speed. */
  async database(): Promise<string> {
    return this.engine === 'postgres' && this.#databaseUrl !== undefined
      ? describeServer(this.#databaseUrl)
      : 'PGlite'
  }

  async ceiling(): Promise<Started> {
    this.#ceiling ??= startCeiling()
    return this.#ceiling
  }

  /** The server of all rows that need nothing of their own before it starts. */
  async server(): Promise<Started> {
    this.#server ??= this.place().then(place => place.start())
    return this.#server
  }

  /**
   * Processor time, in ms, that a server uses while this runs; with PostgreSQL's own, if it is on this
   * machine. What one of its processes did that ended meanwhile is not in it.
   */
  async processorMsOf(server: Started, run: () => Promise<void>): Promise<number> {
    const before = await this.#processorMs(server)
    await run()
    const after = await this.#processorMs(server)
    return [...after].reduce((sum, [pid, ms]) => sum + ms - (before.get(pid) ?? 0), 0)
  }

  async #processorMs(server: Started): Promise<ReadonlyMap<number, number>> {
    const url = this.engine === 'postgres' ? this.#databaseUrl : undefined
    const pids = url === undefined ? [] : await serverProcesses(url)
    const used = pids.map(async pid => [pid, await postgresProcessorMs(pid)] as const)
    return new Map([[server.pid, await processorMs(server.pid)], ...(await Promise.all(used))])
  }

  async place(): Promise<Place> {
    const name = `bench_${randomBytes(6).toString('hex')}`
    const dataDir = join(this.#folder, name)
    const config = `${dataDir}.yaml`
    const database: DatabaseOptions = { dataDir }
    const flags = ['--config', config, '--data-dir', dataDir]
    let yaml = options
    if (this.engine === 'postgres') {
      if (this.#databaseUrl === undefined) throw new Error('set DATABASE_URL to a PostgreSQL')
      this.#schemas.push(name)
      yaml += `database_schema: ${name}\n`
      database.url = this.#databaseUrl
      database.schema = name
      flags.push('--database-url', this.#databaseUrl)
    }
    await writeFile(config, yaml)
    return {
      start: () => startHomeserver(flags, this.#running),
      async withDatabase(use) {
        const db = await openDatabase(database)
        try {
          return await use(db)
        } finally {
          await db.close()
        }
      },
    }
  }

  async strike(): Promise<void> {
    this.#load?.stop()
    await (await this.#ceiling)?.stop()
    await (await this.#server)?.stop()
    await rm(this.#folder, { recursive: true, force: true })
    if (this.#databaseUrl !== undefined) await dropSchemas(this.#databaseUrl, this.#schemas)
  }
}

export const rate = (perSecond: number) => `${Math.round(perSecond).toLocaleString('en')}/s`
export const millis = (ms: number) => `${ms.toFixed(ms < 10 ? 1 : 0)} ms`
export const percentiles = ({ p50Ms, p99Ms }: { p50Ms: number; p99Ms: number }) =>
  `p50 ${millis(p50Ms)}, p99 ${millis(p99Ms)}`

/** The middle one of an odd number. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

/** In ms. */
export async function timeOf(run: () => Promise<void>): Promise<number> {
  const startedAt = performance.now()
  await run()
  return performance.now() - startedAt
}
