/** "Time means all of it": whatever the server does by time, the laboratory moves. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { TestAppService } from '../support/app-service.ts'
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

const v3 = '/_matrix/client/v3'

let server: TestServer
let alice: Client
let bob: Client
let room: string
beforeAll(async () => {
  server = await startServer({
    config: {
      lab: true,
      access_token_lifetime_ms: 60_000,
      uia_session_lifetime_ms: 120_000,
      delayed_events: { finalised_kept_ms: 600_000 },
      push: { allow_private_addresses: true },
      rate_limits: { enabled: true, rooms: { per_second: 0.1, burst_count: 4 } },
    },
  })
  alice = await server.user('alice')
  bob = await server.user('bob')
  room = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(room)
})
afterAll(() => server.stop())

const advance = (ms: number) =>
  server.anonymous().ok('POST', '/_hourglass/lab/v1/clock/advance', { body: { ms } })
const typing = async () => {
  const { rooms } = (await bob.sync()) as unknown as {
    rooms: { join: Record<string, { ephemeral: { events: JsonObject[] } }> }
  }
  const events = rooms.join[room]?.ephemeral.events ?? []
  return events.find(event => event.type === 'm.typing')?.content
}
const delay = (text: string, delayMs: number) =>
  alice.delay(room, delayMs, 'm.room.message', { msgtype: 'm.text', body: text })

test('delayed events', async () => {
  const delayId = await delay('a day later', 86_400_000)
  expect(await advance(86_399_999)).toMatchObject({ fired: [] })
  expect(await advance(1)).toMatchObject({ fired: [{ delay_id: delayId, outcome: 'sent' }] })
})

test('long polls of /sync', async () => {
  const { next_batch: since } = await bob.sync({ set_presence: 'offline' })
  const poll = bob.sync({ since, timeout: 30_000, set_presence: 'offline' })
  await server.untilWaiting(1)
  await advance(29_999)
  expect(server.waiting()).toBe(1)
  await advance(1)
  expect(server.waiting()).toBe(0)
  await poll
})

test('typing', async () => {
  const path = `${v3}/rooms/${encodeURIComponent(room)}/typing/${encodeURIComponent(alice.userId)}`
  await alice.ok('PUT', path, { body: { typing: true, timeout: 20_000 } })
  await advance(19_999)
  expect(await typing()).toEqual({ user_ids: [alice.userId] })
  await advance(1)
  expect((await typing()) ?? { user_ids: [] }).toEqual({ user_ids: [] })
})

test('presence', async () => {
  const path = `${v3}/presence/${encodeURIComponent(alice.userId)}/status`
  await alice.sync()
  await advance(59_999)
  expect(await bob.ok('GET', path)).toMatchObject({ presence: 'online' })
  await advance(1)
  expect(await bob.ok('GET', path)).toMatchObject({ presence: 'offline' })
})

test('access tokens', async () => {
  const phone = alice.sibling()
  await phone.login({ refresh_token: true })
  const status = async () => (await phone.request('GET', `${v3}/account/whoami`)).status
  await advance(59_999)
  expect(await status()).toBe(200)
  await advance(1)
  expect(await status()).toBe(401)
})

test('user-interactive authentication', async () => {
  const change = (auth?: JsonObject) =>
    bob.request('POST', `${v3}/account/password`, {
      body: { new_password: bob.password, logout_devices: false, ...(auth ? { auth } : {}) },
    })
  const proof = (session: string): JsonObject => ({
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user: bob.userId },
    password: bob.password,
    session,
  })
  const [inTime, late] = [(await change()).body.session, (await change()).body.session]
  await advance(119_999)
  expect((await change(proof(String(inTime)))).status).toBe(200)
  await advance(1)
  expect((await change(proof(String(late)))).status).not.toBe(200)
})

test('OpenID', async () => {
  const path = `${v3}/user/${encodeURIComponent(alice.userId)}/openid/request_token`
  const ticket = await alice.ok('POST', path, { body: {} })
  const query = { access_token: String(ticket.access_token) }
  const ask = async () => {
    const userInfo = '/_matrix/federation/v1/openid/userinfo'
    return (await server.anonymous().request('GET', userInfo, { query })).status
  }
  await advance(Number(ticket.expires_in) * 1_000 - 1)
  expect(await ask()).toBe(200)
  await advance(1)
  expect(await ask()).toBe(401)
})

test('rate limits', async () => {
  const make = () => bob.request('POST', `${v3}/createRoom`, { body: {} })
  for (let i = 0; i < 4; i++) expect((await make()).status).toBe(200)
  const refused = await make()
  expect(refused).toMatchObject({ status: 429, body: { errcode: 'M_LIMIT_EXCEEDED' } })
  await advance(Number(refused.body.retry_after_ms) - 1)
  expect((await make()).status).toBe(429)
  await advance(1)
  expect((await make()).status).toBe(200)
})

test('what is forgotten', async () => {
  const delayId = await delay('soon over', 1_000)
  await advance(1_000)
  const isKnown = async () => JSON.stringify(await alice.finalised()).includes(delayId)
  await advance(599_999)
  expect(await isKnown()).toBe(true)
  // Hourly, whatever is older than ten minutes.
  await advance(3_600_000)
  expect(await isKnown()).toBe(false)
})

describe('retries', () => {
  /** Somebody who is told of things, and answers as it is told. */
  let told: string[]
  let status: number
  let gateway: Server
  beforeAll(async () => {
    told = []
    gateway = createServer((request, response) => {
      told.push(request.url ?? '')
      request.resume()
      request.on('end', () => response.writeHead(status).end('{}'))
    })
    await new Promise<void>(resolve => gateway.listen(0, '127.0.0.1', resolve))
  })
  afterAll(() => {
    gateway.closeAllConnections()
    gateway.close()
  })

  const setPusher = (client: Client, port: number) =>
    client.ok('POST', `${v3}/pushers/set`, {
      body: {
        ...{ app_id: 'app', pushkey: 'key', kind: 'http', lang: 'en' },
        ...{ app_display_name: 'App', device_display_name: 'Phone' },
        data: { url: `http://127.0.0.1:${port}/_matrix/push/v1/notify` },
      },
    })

  test('to push gateways', async () => {
    const { port } = gateway.address() as AddressInfo
    status = 500
    await setPusher(bob, port)
    await alice.send(room, 'm.room.message', { msgtype: 'm.text', body: 'bob: hello' })
    await server.idle()
    expect(told).toHaveLength(1)
    // After one second, and then after two.
    await advance(999)
    expect(told).toHaveLength(1)
    await advance(1)
    expect(told).toHaveLength(2)
    status = 200
    await advance(2_000)
    expect(told).toHaveLength(3)
    await advance(60_000)
    expect(told).toHaveLength(3)
  })
  test('to application services', async () => {
    const namespaces = { rooms: [{ exclusive: false, regex: '.*' }] }
    const bridge = await TestAppService.start('bridge', { namespaces })
    const server = await startServer({ config: { app_service_config_files: [bridge.file] } })
    const charlie = await server.user('charlie')
    const room = await charlie.createRoom()
    await server.idle()
    const attempts = () => bridge.heard.filter(({ path }) => path.includes('/transactions/')).length
    const before = attempts()
    bridge.answer = () => ({ status: 500 })
    const eventId = await charlie.send(room, 'm.room.message', { msgtype: 'm.text', body: 'hello' })
    await server.idle()
    expect(attempts()).toBe(before + 1)
    // After one second, and then after two.
    await server.advance(999)
    expect(attempts()).toBe(before + 1)
    await server.advance(1)
    expect(attempts()).toBe(before + 2)
    bridge.answer = () => ({ status: 200 })
    await server.advance(1_999)
    expect(attempts()).toBe(before + 2)
    await server.advance(1)
    expect(attempts()).toBe(before + 3)
    expect(bridge.events().at(-1)?.event_id).toBe(eventId)
    await server.advance(60_000)
    expect(attempts()).toBe(before + 3)
    await server.stop()
    await bridge.stop()
  })

  // Whoever is silent is waited for a moment in the machine's time: at each attempt, not at each step.
  test('to those who never answer', async () => {
    const namespaces = { rooms: [{ exclusive: false, regex: '.*' }] }
    const bridge = await TestAppService.start('silent', { namespaces })
    const server = await startServer({
      config: {
        app_service_config_files: [bridge.file],
        push: { allow_private_addresses: true },
      },
    })
    const charlie = await server.user('charlie')
    const dora = await server.user('dora')
    const room = await charlie.createRoom({ preset: 'public_chat' })
    await dora.join(room)
    const asked: Record<string, number[]> = { gateway: [], bridge: [] }
    const silent = createServer(request => {
      request.resume()
      asked.gateway?.push(server.now() - start)
    })
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const { port } = silent.address() as AddressInfo
    await setPusher(dora, port)
    await server.idle()
    const start = server.now()
    bridge.answer = () => {
      asked.bridge?.push(server.now() - start)
      return new Promise(() => undefined)
    }
    await charlie.say(room, 'dora: hello')
    for (let s = 1; s <= 70; s++) await charlie.delay(room, s * 1_000, 'm.test', {})
    await server.advance(70_000)
    expect(await charlie.scheduled()).toEqual([])
    // After 30 s each attempt is over; the next is one second later, and then two.
    expect(asked).toEqual({ gateway: [0, 31_000, 63_000], bridge: [0, 31_000, 63_000] })
    silent.closeAllConnections()
    silent.close()
    await server.stop()
    await bridge.stop()
  })
})
