/**
 * A real server for a test file: HTTP on a free port, a real database, and a clock that the test
 * holds. A schema of its own on PGlite, or, with HOURGLASS_TEST_DATABASE_URL, on that PostgreSQL.
 */
import { setImmediate } from 'node:timers/promises'
import type * as testing from '../../server/testing/ours.ts'
import { Client } from './client.ts'

declare global {
  /** The built server: see environment.mjs. */
  var hourglass: typeof testing
}

/** What somebody else's test has in its hands. */
export type { Homeserver, TestUser } from '../../server/testing/ours.ts'
export type ServerOptions = Omit<testing.HomeserverOptions, 'databaseUrl'>

export class TestServer {
  readonly #homeserver: testing.Homeserver
  #users = 0

  private constructor(homeserver: testing.Homeserver) {
    this.#homeserver = homeserver
  }

  static async start(options: ServerOptions = {}): Promise<TestServer> {
    const databaseUrl = process.env.HOURGLASS_TEST_DATABASE_URL
    return new TestServer(await hourglass.Homeserver.start({ ...options, databaseUrl }))
  }

  get baseUrl(): string {
    return this.#homeserver.baseUrl
  }

  /** Where TLS is spoken, with the option `tls.port`. */
  get tlsUrl(): string {
    return this.#homeserver.tlsUrl
  }

  /** Stop the server and start it again on the same data, `downMs` later by its clock. */
  restart(downMs = 0): Promise<void> {
    return this.#homeserver.restart(downMs)
  }

  /** As after SIGKILL: nothing is finished, or said. */
  crash(): Promise<void> {
    return this.#homeserver.crash()
  }

  /** A second scheduler for what is scheduled now, as if another process had the same database. */
  wakeSecondScheduler(): Promise<void> {
    return this.#homeserver.wakeSecondScheduler()
  }

  /** Stop for good, and remove the data. Fails if the server has left a timer or a waiter behind. */
  stop(): Promise<void> {
    return this.#homeserver.stop()
  }

  /** The server's time, Unix ms. */
  now(): number {
    return this.#homeserver.now()
  }

  /** Move the server's time on, and wait until everything that fell due has been decided. */
  async advance(ms: number): Promise<void> {
    await this.#homeserver.advance(ms)
  }

  /** Let something go wrong: what, for whom, where and how often. */
  fault(options: Parameters<testing.Homeserver['fault']>[0]): testing.Fault {
    return this.#homeserver.fault(options)
  }

  /** Those that are set, and what they have struck. */
  get faults(): testing.Faults {
    return this.#homeserver.faults
  }

  /** Until what is being done in the background is done. */
  idle(): Promise<void> {
    return this.#homeserver.idle()
  }

  /** How many requests are held in a long poll. */
  waiting(): number {
    return this.#homeserver.waiting()
  }

  /** Until that many requests are held in a long poll. */
  async untilWaiting(count: number): Promise<void> {
    while (this.waiting() !== count) await setImmediate()
  }

  /** Let a room grow: by members, messages, changes of state or what is scheduled, like the last of each. */
  enlarge(roomId: string, by: Parameters<testing.Homeserver['enlarge']>[1]): Promise<void> {
    return this.#homeserver.enlarge(roomId, by)
  }

  /** How much of the tables a request reads. */
  rowsRead(request: () => Promise<unknown>, densities?: readonly number[]) {
    return this.#homeserver.rowsRead(request, densities)
  }

  /** What a request looks through, where it should look something up. */
  walks(request: () => Promise<unknown>) {
    return this.#homeserver.walks(request)
  }

  /** What a request, and all that it brings about, asks the database: BEGIN and COMMIT, too. */
  statements(request: () => Promise<unknown>): Promise<string[]> {
    return this.#homeserver.statements(request)
  }

  /** How many rows each table has: what is refused must leave them as they were. */
  rowCounts(): Promise<Record<string, number>> {
    return this.#homeserver.rowCounts()
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

  /** A new administrator, logged in. */
  async admin(name = 'admin'): Promise<Client> {
    this.#users += 1
    const client = this.anonymous()
    await client.registerAdmin(`${name}-${this.#users}`)
    return client
  }
}

/** A method of a path that the specification has and this server does not serve. */
export const isUnserved: typeof testing.isUnserved = (path, method) =>
  hourglass.isUnserved(path, method)

/** Every endpoint that the server has: method, paths, who may call it, what it reads. */
export function allEndpoints(): readonly Omit<(typeof testing.endpoints)[number], 'run'>[] {
  return hourglass.endpoints
}

export function startServer(options: ServerOptions = {}): Promise<TestServer> {
  return TestServer.start(options)
}
