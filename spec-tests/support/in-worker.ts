/** What environment.mjs loads once in each worker: the built server, and the specification's schemas. */
export * as hourglass from '../../server/testing/ours.ts'
export { conformance } from './conformance.ts'
