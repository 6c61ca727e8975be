/**
 * What a test has in its hands, and no more: a program that uses it is compiled without looking at
 * anything that it is made of.
 */
import type { Company } from '../lab/company.ts'
import type { Fault, FaultOptions, Strike } from '../lab/fault.ts'
import type { Fired } from '../lab/fired.ts'
import type { Snapshot } from '../lab/snapshot.ts'
import type { Clock } from '../lib/clock.ts'
import type { Duration } from './duration.ts'

export interface HomeserverOptions {
  /** The machine's clock instead of one that the test moves. */
  realTime?: boolean
  /** What the clock says at first, Unix ms. Default: the beginning of 2030. */
  startAt?: number
  /** Options as in the config file. */
  config?: Record<string, unknown>
  /** A PostgreSQL server to use, in a schema of its own, instead of the embedded database. */
  databaseUrl?: string | undefined
}

/** Somebody who is logged in. */
export interface TestUser {
  userId: string
  accessToken: string
  deviceId: string
  /** Of the server, for the client that is to be made of this. */
  baseUrl: string
}

/** What is to go wrong, and what has gone wrong. */
export interface Faults {
  /** @throws MatrixError it is no fault, there is no such endpoint, or nothing of this kind can happen there */
  add(options: FaultOptions): Fault
  /** @returns whether there was one */
  remove(id: string): boolean
  /** No more faults, and no record of those that struck. Whoever is held by one goes on. */
  clear(): void
  /** In the order in which they were added; also those that will not strike any more. */
  list(): readonly Fault[]
  /** Oldest first. */
  strikes(): readonly Strike[]
}

/** A real homeserver inside a test: HTTP on a free port, a private database, a clock to hold. */
export interface Homeserver extends AsyncDisposable {
  /** Stays the same until `stop`. */
  readonly baseUrl: string

  /** Where TLS is spoken, with the option `tls.port`. */
  readonly tlsUrl: string

  /** Log a new device of this user in; the user is made where there is none of that name. */
  user(name: string): Promise<TestUser>

  /** The clock that this server goes by, for a client in the same process. */
  readonly clock: Clock

  /** Before time moves on, wait for this, too, until it has nothing more to do at its moment. */
  accompany(company: Company): void

  /** The server's time, Unix ms. */
  now(): number

  /**
   * Move the server's time on. All that falls due on the way is done in order, each at its moment,
   * and `/sync` tells of it when this returns.
   *
   * @returns what became of delayed events meanwhile, in the order in which it did
   * @throws RangeError it is no span of whole milliseconds, or more than a year and a day
   */
  advance(duration: Duration): Promise<Fired[]>

  /** Put everything aside as it is now, with the time; until `stop`. */
  snapshot(): Promise<Snapshot>

  /** Make everything what it was, and the time what it was; who waits in a long poll is let go. */
  restore(snapshot: Snapshot): Promise<void>

  /** Empty the server. The time stays. */
  reset(): Promise<void>

  /**
   * Another server, in the same state and with the same time, that lives on by itself, on free ports.
   */
  fork(from?: Snapshot): Promise<Homeserver>

  /** Stop in good order, and start again on the same data, `down` later by the server's clock. */
  restart(down?: Duration): Promise<void>

  /**
   * End as a process that is killed, and start again, `down` later. Nobody is answered, every
   * connection is cut, and what is not committed is undone.
   */
  crash(down?: Duration): Promise<void>

  /**
   * Stop for good, and remove the data. Runs once.
   *
   * @throws Error the server has left a timer or a waiter behind
   */
  stop(): Promise<void>

  /**
   * Let something go wrong: what, for whom, where and how often.
   *
   * @throws MatrixError as `faults.add`
   */
  fault(options: FaultOptions): Fault

  /** Those that are set, and what they have struck. */
  readonly faults: Faults

  /** Until what is being done in the background is done. */
  idle(): Promise<void>

  /** How many requests are held in a long poll. */
  waiting(): number
}
