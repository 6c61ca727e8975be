/** What `hourglass/testing` offers, and what our own spec-tests are made with. */
export { endpoints } from '../client-api/index.ts'
export { isUnserved } from '../http/unserved-paths.ts'
export type { Fault, FaultOptions, Faults, Strike } from '../lab/faults.ts'
export type { Fired } from '../lab/fired.ts'
export { labEndpoints } from '../lab/index.ts'
export type { Snapshot } from '../lab/snapshots.ts'
export type { Duration } from './duration.ts'
export {
  Homeserver,
  type HomeserverOptions,
  startHomeserver,
  type TestUser,
} from './homeserver.ts'
export { keepSharedDatabase, stopSharedDatabase } from './storage.ts'
