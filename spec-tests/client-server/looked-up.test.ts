/**
 * What a request asks the database is looked up by an index, from its first column on: no request reads
 * a table or an index from end to end, whatever is in it. How much is read of what was found is for
 * `large-rooms.test.ts`.
 */
import { GoodRequests } from '../support/good-requests.ts'
import { closeConnections, sendRaw } from '../support/raw-http.ts'
import { allEndpoints, startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let good: GoodRequests
beforeAll(async () => {
  server = await startServer()
  good = await GoodRequests.make(server)
})
beforeEach(async () => {
  await good.repair()
  // What is in memory is not asked for.
  await server.restart()
})
afterAll(async () => {
  closeConnections()
  await server.stop()
})

/** Those that are about all that there is: how many rooms are listed, and what administrators see. */
const wholes: Record<string, string[]> = {
  'GET /_matrix/client/v3/publicRooms': ['rooms_directory'],
  'POST /_matrix/client/v3/publicRooms': ['rooms_directory'],
  'GET /_synapse/admin/v2/users': ['users_pkey'],
  'GET /_synapse/admin/v1/rooms': ['rooms'],
  'GET /_hourglass/admin/v1/delayed_events': ['delayed_events_of_user'],
}

const cases = allEndpoints().map(endpoint => ({
  endpoint,
  path: endpoint.paths[0] ?? '',
  name: `${endpoint.method} ${endpoint.paths[0]}`,
}))

test.each(cases)('$name', async ({ endpoint, path, name }) => {
  const request = good.request(endpoint, path)
  const token = request.token && good.token
  const walks = await server.walks(() => sendRaw(server.baseUrl, { ...request, token }))
  // A search is planned for its words, and for how many texts there are.
  const expected = [...(wholes[name] ?? []), 'searchable_texts']
  expect(walks.filter(walk => !expected.includes(walk.name))).toEqual([])
  expect(walks.map(walk => walk.name)).toEqual(expect.arrayContaining(wholes[name] ?? []))
})
