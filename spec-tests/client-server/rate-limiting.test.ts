import type { Answer, Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

const v3 = '/_matrix/client/v3'
const small = { per_second: 0.1, burst_count: 3 }

let server: TestServer
let alice: Client
let room: string
beforeAll(async () => {
  server = await startServer({
    config: {
      trusted_proxies: ['10.0.0.0/8', '127.0.0.1'],
      rate_limits: {
        enabled: true,
        messages: small,
        rooms: { per_second: 0, burst_count: 1 },
        joins: small,
        invites: small,
        logins: small,
        logins_by_account: { per_second: 0.1, burst_count: 2 },
        registrations: small,
        other: { per_second: 1, burst_count: 3 },
      },
    },
  })
})
beforeEach(async () => {
  await server.advance(3_600_000)
  alice = await server.user('alice')
  room = await alice.createRoom({ preset: 'public_chat' })
})
afterAll(() => server.stop())

const from = (address: string) => ({ headers: { 'X-Forwarded-For': address } })

const login = (address: string, user = alice.userId, password = alice.password) =>
  server.anonymous().request('POST', `${v3}/login`, {
    body: { type: 'm.login.password', identifier: { type: 'm.id.user', user }, password },
    ...from(address),
  })

let names = 0
const register = (address: string) =>
  server.anonymous().request('POST', `${v3}/register`, {
    body: { auth: { type: 'm.login.dummy' }, username: `many-${++names}`, password: 'x' },
    ...from(address),
  })

/** Every request that the limit counts; each is good. */
const counted: [string, (n: number) => Promise<Answer>][] = [
  ['PUT …/send', n => put('send', 'm.test', `${n}`)],
  ['PUT …/state', n => put('state', 'm.test', `${n}`)],
  ['POST …/join', () => post(alice.roomPath(room, 'join'))],
  ['POST /join', () => post(`${v3}/join/${encodeURIComponent(room)}`)],
  ['POST …/invite', n => post(alice.roomPath(room, 'invite'), { user_id: `@u${n}:hs1` })],
]
const put = (...parts: string[]) =>
  alice.request('PUT', alice.roomPath(room, ...parts), { body: {} })
const post = (path: string, body: JsonObject = {}) => alice.request('POST', path, { body })

describe('Rate limiting', () => {
  test.each(counted)(
    '%s: one too many is 429, writes nothing, and may be tried again',
    async (_, ask) => {
      for (let n = 0; n < 3; n++) expect((await ask(n)).status).not.toBe(429)
      const before = await server.rowCounts()
      const refused = await ask(3)
      expect(refused.status).toBe(429)
      expect(refused.body).toEqual({
        errcode: 'M_LIMIT_EXCEEDED',
        error: expect.any(String),
        retry_after_ms: 10_000,
      })
      expect(refused.headers.get('Retry-After')).toBe('10')
      expect(await server.rowCounts()).toEqual(before)
      await server.advance(9_999)
      const early = await ask(3)
      expect([early.body.retry_after_ms, early.headers.get('Retry-After')]).toEqual([1, '1'])
      await server.advance(1)
      expect((await ask(3)).status).not.toBe(429)
    },
  )

  test('counts each user alone, whatever the address', async () => {
    const bob = await server.user('bob')
    await bob.join(room)
    for (let n = 0; n < 3; n++) await alice.setState(room, 'm.test', `${n}`, {})
    expect((await put('state', 'm.test', 'x')).status).toBe(429)
    const path = bob.roomPath(room, 'send', 'm.test', '1')
    expect((await bob.request('PUT', path, { body: {} })).status).toBe(200)
  })

  test('a transaction id that was used is answered, and counts nothing', async () => {
    const first = await put('send', 'm.test', 'again')
    for (let n = 0; n < 10; n++)
      expect((await put('send', 'm.test', 'again')).body).toEqual(first.body)
    await put('send', 'm.test', '2')
    await put('send', 'm.test', '3')
    expect((await put('send', 'm.test', '4')).status).toBe(429)
    expect((await put('send', 'm.test', 'again')).body).toEqual(first.body)
  })

  test('is refused before the body is read', async () => {
    for (let n = 0; n < 3; n++) await put('send', 'm.test', `${n}`)
    const path = alice.roomPath(room, 'send', 'm.test', 'x')
    expect((await alice.request('PUT', path, { body: 'no JSON' })).status).toBe(429)
  })

  test('whoami and the like share a limit by user', async () => {
    for (let n = 0; n < 3; n++) await alice.ok('GET', `${v3}/account/whoami`)
    expect((await alice.request('GET', `${v3}/capabilities`)).body.retry_after_ms).toBe(1_000)
  })

  test('0 a second is no limit; what has none goes on', async () => {
    for (let n = 0; n < 10; n++) await alice.createRoom()
    for (let n = 0; n < 10; n++) await alice.sync()
  })
})

describe('Rate limiting of who has no token', () => {
  test('registering counts by address', async () => {
    for (let n = 0; n < 3; n++) expect((await register('192.0.2.1')).status).toBe(200)
    const before = await server.rowCounts()
    expect((await register('192.0.2.1')).body).toMatchObject({ retry_after_ms: 10_000 })
    expect(await server.rowCounts()).toEqual(before)
    expect((await register('192.0.2.2')).status).toBe(200)
  })

  test('logging in counts by address', async () => {
    for (let n = 0; n < 3; n++) expect((await login('192.0.2.3', `@no${n}:hs1`)).status).toBe(403)
    expect((await login('192.0.2.3')).status).toBe(429)
    expect((await login('192.0.2.4')).status).toBe(200)
  })

  test('guesses at one password count by account, from wherever', async () => {
    expect((await login('192.0.2.5', alice.userId, 'wrong')).status).toBe(403)
    expect((await login('192.0.2.6', alice.userId.replace('@a', '@A'), 'no')).status).toBe(403)
    expect((await login('192.0.2.7')).body).toMatchObject({ retry_after_ms: 10_000 })
    await server.advance(10_000)
    expect((await login('192.0.2.8')).status).toBe(200)
  })

  test('of X-Forwarded-For, only what trusted proxies have written is believed', async () => {
    for (let n = 0; n < 3; n++) await register(`203.0.113.${n}, 192.0.2.9, 10.0.0.${n}`)
    expect((await register('192.0.2.9')).status).toBe(429)
    expect((await register('203.0.113.1')).status).toBe(200)
  })
})

test('without trusted proxies nobody can choose an address', async () => {
  const open = await startServer({
    config: { rate_limits: { enabled: true, registrations: small } },
  })
  try {
    const ask = (n: number) =>
      open.anonymous().request('GET', `${v3}/register/available`, {
        query: { username: 'x' },
        ...from(`192.0.2.${n}`),
      })
    for (let n = 0; n < 3; n++) expect((await ask(n)).status).toBe(200)
    expect((await ask(4)).status).toBe(429)
  } finally {
    await open.stop()
  }
})
