/** What `hourglass/testing` offers, and what our own spec-tests are made with. */
export { endpoints } from '../client-api/index.ts'
export { isUnserved } from '../http/unserved-paths.ts'
export type { Fault, FaultOptions, Faults, Strike } from '../lab/faults.ts'
export { Homeserver, type HomeserverOptions } from './homeserver.ts'
export { stopSharedDatabase } from './storage.ts'
