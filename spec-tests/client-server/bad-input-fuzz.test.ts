import { Attacker } from '../support/attack.ts'
import { Fuzz, seedOf } from '../support/fuzz.ts'
import { GoodRequests } from '../support/good-requests.ts'
import { closeConnections, sendRaw } from '../support/raw-http.ts'
import { allEndpoints, startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let good: GoodRequests
let attacker: Attacker
beforeAll(async () => {
  server = await startServer()
  good = await GoodRequests.make(server)
  attacker = new Attacker(server, good)
})
beforeEach(() => good.repair())
afterAll(async () => {
  closeConnections()
  await server.stop()
})

const requestsPerEndpoint = 100
// Other requests on PostgreSQL than on PGlite: together as many as if each were asked all of them.
const engine = process.env.HOURGLASS_TEST_DATABASE_URL ? 'PostgreSQL' : 'PGlite'
// Out of the name: an endpoint is sent the same, whichever others there come to be.
const cases = allEndpoints().map(endpoint => {
  const name = `${endpoint.method} ${endpoint.paths[0]}`
  return { name, seed: seedOf(`${name} ${engine}`), endpoint }
})

describe('Whatever is sent, every answer is in order', () => {
  test.each(cases)('$name (seed $seed)', async ({ endpoint, seed }) => {
    const fuzz = new Fuzz(seed)
    for (let sent = 0; sent < requestsPerEndpoint; sent += 50) {
      const attacks = Array.from({ length: 50 }, () => fuzz.attack(good, endpoint))
      expect(await attacker.survive(attacks)).toEqual([])
      await good.repair()
    }
  })
})

test('and the server still works', async () => {
  const get = (path: string) =>
    sendRaw(server.baseUrl, {
      method: 'GET',
      path: `/_matrix/client/${path}`,
      token: good.token,
    })
  for (const path of ['v3/sync', 'v3/sync?full_state=true', 'v3/publicRooms', 'v3/joined_rooms']) {
    expect({ path, status: (await get(path)).status }).toEqual({ path, status: 200 })
  }
  const { body } = await get('v3/joined_rooms')
  for (const room of body.joined_rooms) {
    for (const part of ['state', 'members', 'joined_members', 'messages?limit=1000', 'aliases']) {
      const answer = await get(`v3/rooms/${encodeURIComponent(room)}/${part}`)
      expect({ room, part, status: answer.status }).toEqual({ room, part, status: 200 })
    }
  }
})

test('and whatever was scheduled is decided when it is due', async () => {
  await server.advance(86_400_000)
  const path = '/_matrix/client/unstable/org.matrix.msc4140/delayed_events'
  const { body } = await sendRaw(server.baseUrl, { method: 'GET', path, token: good.token })
  expect(body.scheduled).toEqual([])
})
