/** What our own spec-tests have besides: the list of all that the server answers. */
export { endpoints } from '../client-api/index.ts'
export { isUnserved } from '../http/unserved-paths.ts'
export { labEndpoints } from '../lab/index.ts'
export * from './index.ts'
