/** `hourglass/testing`. Its types lead to `contract.ts` and no further. */
import type { Homeserver, HomeserverOptions } from './contract.ts'
import { Homeserver as Own } from './homeserver.ts'
import * as storage from './storage.ts'

export type { Company } from '../lab/company.ts'
export type { Fault, FaultKind, FaultOptions, Scope, Strike } from '../lab/fault.ts'
export type { Fired } from '../lab/fired.ts'
export type { Snapshot } from '../lab/snapshot.ts'
export type { Faults, Homeserver, HomeserverOptions, TestUser } from './contract.ts'
export type { Duration } from './duration.ts'

/**
 * Start a server that is ready when this returns. The clock stands still until it is moved.
 *
 * @throws ConfigError · DatabaseUnavailable · CannotListen · RangeError `startAt` is no time
 */
export function startHomeserver(options: HomeserverOptions = {}): Promise<Homeserver> {
  return Own.start(options)
}

/**
 * Let the embedded database, and spare schemas on a PostgreSQL server, live as long as the process:
 * one test file comes after the other.
 */
export const keepSharedDatabase: () => void = storage.keepSharedDatabase

/** Stop what servers have shared; whoever uses it must have stopped before. */
export const stopSharedDatabase: () => Promise<void> = storage.stopSharedDatabase
