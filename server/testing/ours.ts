/** What our own tests and programs have besides: all of a homeserver, and the list of what it answers. */

import type { HomeserverOptions } from './contract.ts'
import { Homeserver } from './homeserver.ts'

export { endpoints } from '../client-api/index.ts'
export { isUnserved } from '../http/unserved-paths.ts'
export type { Fault } from '../lab/fault.ts'
export type { Faults } from '../lab/faults.ts'
export { labEndpoints } from '../lab/index.ts'
export type { HomeserverOptions, TestUser } from './contract.ts'
export { Homeserver } from './homeserver.ts'
export { keepSharedDatabase, stopSharedDatabase } from './storage.ts'

/** As `hourglass/testing` has it. */
export const startHomeserver = (options: HomeserverOptions = {}): Promise<Homeserver> =>
  Homeserver.start(options)
