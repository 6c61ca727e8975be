import { endpoints } from '../client-api/index.ts'
import { limitOf, rateLimited } from './rate-limited.ts'
import { unservedPaths } from './unserved-paths.ts'

const shape = (path: string) => path.replace(/:\w+/g, ':')
const nameOf = (method: string, path: string) => `${method} ${shape(path)}`

test('what has a limit is served, or is known not to be', () => {
  const served = endpoints.flatMap(({ method, paths }) => paths.map(path => nameOf(method, path)))
  const unserved = Object.entries(unservedPaths).flatMap(([path, methods]) =>
    methods.map(method => nameOf(method, path)),
  )
  const known = new Set([...served, ...unserved])
  const limited = Object.values(rateLimited).flat().map(shape)
  expect(limited.filter(name => !known.has(name))).toEqual([])
  expect(new Set(limited).size).toBe(limited.length)
})

test('delayed events are counted when they are looked up, and by nothing but the core when they are managed', () => {
  const ofDelayedEvents = endpoints.filter(({ paths: [path = ''] }) => /delayed_event/.test(path))
  expect(ofDelayedEvents.length).toBeGreaterThan(5)
  for (const { method, paths } of ofDelayedEvents) {
    const expected = method === 'GET' ? 'delayed_event_lookups' : undefined
    for (const path of paths) expect([path, limitOf(method, path)]).toEqual([path, expected])
  }
})
