import { endpoints } from '../client-api/index.ts'
import { unservedPaths } from './unserved-paths.ts'

/** What a path is but for the names of its parameters. */
const shape = (path: string) => path.replace(/:\w+/g, ':')

test('nothing that is served stands among what is not', () => {
  const served = new Set(
    endpoints.flatMap(({ method, paths }) => paths.map(path => `${method} ${shape(path)}`)),
  )
  const unserved = Object.entries(unservedPaths).flatMap(([path, methods]) =>
    methods.map(method => `${method} ${shape(path)}`),
  )
  expect(unserved.filter(one => served.has(one))).toEqual([])
})
