import { endpoints } from '../client-api/index.ts'
import { unservedPaths } from './unserved-paths.ts'

/** What a path is but for the names of its parameters. */
const shape = (path: string) => path.replace(/:\w+/g, ':')

test('nothing that is served stands among what is not', () => {
  const served = new Set(endpoints.flatMap(endpoint => endpoint.paths.map(shape)))
  expect(Object.keys(unservedPaths).filter(path => served.has(shape(path)))).toEqual([])
})
