/** `hourglass/testing`: what a test has in its hands. */
export type { Fault, FaultOptions, Faults, Strike } from '../lab/faults.ts'
export type { Fired } from '../lab/fired.ts'
export type { Snapshot } from '../lab/snapshots.ts'
export type { Duration } from './duration.ts'
export {
  Homeserver,
  type HomeserverOptions,
  startHomeserver,
  type TestUser,
} from './homeserver.ts'
export { keepSharedDatabase, stopSharedDatabase } from './storage.ts'
