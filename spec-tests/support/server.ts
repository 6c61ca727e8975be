/**
 * A real server for a test file: HTTP on a free port, a real database, and a clock that the test
 * holds. PGlite in a temporary folder, or, with HOURGLASS_TEST_DATABASE_URL, a schema of its own on
 * that PostgreSQL.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import pg from 'pg'
import { countRows } from '../../db/testing.ts'
import { endpoints } from '../../server/client-api/index.ts'
import { parseConfig } from '../../server/config.ts'
import { createContext, type RunningContext } from '../../server/context.ts'
import { makeApp } from '../../server/http/app.ts'
import type { Endpoint } from '../../server/http/endpoint.ts'
import { type Listening, listen } from '../../server/http/listen.ts'
import { loadCertificate } from '../../server/http/tls.ts'
import { systemClock, type VirtualClock, virtualClock } from '../../server/lib/clock.ts'
import { makeLog } from '../../server/lib/log.ts'
import { Client } from './client.ts'

export interface ServerOptions {
  /** The machine's clock instead of one that the test moves. */
  realTime?: boolean
  /** Options as in the config file. */
  config?: Record<string, unknown>
}

/** A moment far from now, so that a forgotten look at the machine's clock shows. */
const startOfTime = Date.UTC(2030, 0, 1)

export class TestServer {
  baseUrl = ''
  /** Where TLS is spoken, with the option `tls.port`. */
  tlsUrl = ''
  readonly #options: ServerOptions
  readonly #storage: Record<string, unknown>
  readonly #clock: VirtualClock | undefined
  #context: RunningContext | undefined
  #listening: Listening[] = []
  #users = 0

  private constructor(options: ServerOptions, storage: Record<string, unknown>) {
    this.#options = options
    this.#storage = storage
    this.#clock = options.realTime ? undefined : virtualClock(startOfTime)
  }

  static async start(options: ServerOptions = {}): Promise<TestServer> {
    const server = new TestServer(options, await makeStorage())
    await server.#start()
    return server
  }

  async #start(): Promise<void> {
    const config = parseConfig(
      {
        server_name: 'hs1',
        port: 0,
        password_hash_cost: 1,
        log_level: 'error',
        registration_shared_secret: 'complement',
        // Tests are in a hurry; those of the limits switch them on.
        rate_limits: { enabled: false },
        ...this.#storage,
        ...this.#options.config,
      },
      'the test',
    )
    const clock = this.#clock ?? systemClock
    this.#context = await createContext(config, { clock, log: makeLog(config.log_level) })
    const app = makeApp(this.#context, endpoints)
    const plain = await listen(app, config.host, config.port)
    this.#listening = [plain]
    this.baseUrl = plain.url
    if (config.tls.port === undefined) return
    const certificate = await loadCertificate(config, clock)
    const tls = await listen(app, config.host, config.tls.port, certificate)
    this.#listening.push(tls)
    this.tlsUrl = tls.url
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
    await this.#context?.stop()
  }

  /** Stop for good, and remove the data. Fails if the server has left a timer or a waiter behind. */
  async stop(): Promise<void> {
    await this.#stopServer()
    const timers = this.#clock?.pendingTimers() ?? 0
    const waiting = this.#context?.notifier.waiting() ?? 0
    await removeStorage(this.#storage)
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

  /** Until that many requests are held in a long poll. */
  async untilWaiting(count: number): Promise<void> {
    while (this.waiting() !== count) await setImmediate()
  }

  /** How many rows each table has: what is refused must leave them as they were. */
  async rowCounts(): Promise<Record<string, number>> {
    if (!this.#context) throw new Error('the server is not running')
    return countRows(this.#context.db)
  }

  /** A client without a token. */
  anonymous(): Client {
    return new Client(() => this.baseUrl)
  }

  /** A new user, logged in. */
  async user(name = 'user'): Promise<Client> {
    this.#users += 1
    const client = this.anonymous()
    await client.register(`${name}-${this.#users}`)
    return client
  }
}

export { isUnserved } from '../../server/http/unserved-paths.ts'

/** Every endpoint that the server has: method, paths, who may call it, what it reads. */
export function allEndpoints(): readonly Omit<Endpoint, 'run'>[] {
  return endpoints
}

export function startServer(options: ServerOptions = {}): Promise<TestServer> {
  return TestServer.start(options)
}

async function makeStorage(): Promise<Record<string, unknown>> {
  const url = process.env.HOURGLASS_TEST_DATABASE_URL
  const storage = { data_dir: await mkdtemp(join(tmpdir(), 'hourglass-')) }
  if (url === undefined) return storage
  return {
    ...storage,
    database_url: url,
    database_schema: `test_${randomBytes(8).toString('hex')}`,
    database_connections: 8,
  }
}

async function removeStorage(storage: Record<string, unknown>): Promise<void> {
  await rm(String(storage.data_dir), { recursive: true, force: true })
  if (storage.database_url === undefined) return
  const client = new pg.Client({ connectionString: String(storage.database_url) })
  await client.connect()
  await client.query('SET client_min_messages = error')
  await client.query(`DROP SCHEMA IF EXISTS "${storage.database_schema}" CASCADE`)
  await client.end()
}
