import { TestAppService } from '../support/app-service.ts'
import { type Answer, type Client, delayedEvents } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'

const stable = '/_matrix/client/v1/delayed_events'
const hour = 3_600_000

/** Ask again and again, and give the first answer that is not 2xx; fail if there is none in time. */
async function untilRefused(most: number, ask: (n: number) => Promise<Answer>): Promise<Answer> {
  for (let n = 0; n < most; n++) {
    const answer = await ask(n)
    if (answer.status > 299) return answer
  }
  throw new Error(`${most} times, and was not refused`)
}

/** 429 with both ways to say how long to wait; waiting for them is then enough. */
function expectLimit(answer: Answer, retryAfterMs: number): void {
  expect(answer.body).toMatchObject({ errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: retryAfterMs })
  expect(answer.status).toBe(429)
  expect(answer.headers.get('Retry-After')).toBe(String(Math.ceil(retryAfterMs / 1_000)))
  expect(answer.headers.get('Access-Control-Expose-Headers')).toContain('Retry-After')
}

describe('limits that are small', () => {
  let server: TestServer
  let alice: Client
  let room: string
  let bridge: TestAppService
  beforeAll(async () => {
    bridge = await TestAppService.start('bridge')
    server = await startServer({
      config: {
        app_service_config_files: [bridge.file],
        trusted_proxies: ['loopback'],
        rate_limits: {
          enabled: true,
          messages: { per_second: 0.5, burst_count: 5 },
          delayed_event_scheduling: { per_second: 0.5, burst_count: 8 },
          delayed_event_management: { per_second: 1, burst_count: 4 },
          delayed_event_management_by_user: { per_second: 1, burst_count: 6 },
          delayed_event_misses: { per_second: 1, burst_count: 3 },
          delayed_event_lookups: { per_second: 2, burst_count: 5 },
        },
      },
    })
  })
  beforeEach(async () => {
    await server.advance(hour)
    alice = await server.user('alice')
    room = await alice.createRoom({ preset: 'public_chat' })
  })
  afterAll(async () => {
    await server.stop()
    await bridge.stop()
  })

  const schedule = (txnId: string, user = alice) =>
    user.request('PUT', user.roomPath(room, 'delayed_event', 'm.test', txnId), {
      body: { delay_ms: hour, content: {} },
    })

  /** As one of many clients of a proxy. */
  const manage = (delayId: string, action: string, from: string, token: string | null = null) =>
    alice.request('POST', `${delayedEvents}/${delayId}/${action}`, {
      token,
      headers: { 'X-Forwarded-For': from },
    })

  describe('scheduling', () => {
    test('counts by user; what is refused is not scheduled', async () => {
      const refused = await untilRefused(9, n => schedule(`s${n}`))
      expectLimit(refused, 2_000)
      expect(await alice.scheduled()).toHaveLength(8)

      const bob = await server.user('bob')
      expect((await schedule('s', bob)).status).toBe(200)

      await server.advance(1_999)
      expectLimit(await schedule('s8'), 1)
      await server.advance(1)
      expect((await schedule('s8')).status).toBe(200)
      expect(await alice.scheduled()).toHaveLength(9)
    })

    test('the dialects count together', async () => {
      for (let n = 0; n < 4; n++) await alice.delay(room, hour, 'm.test', {})
      for (let n = 0; n < 4; n++) expect((await schedule(`t${n}`)).status).toBe(200)
      expectLimit(await schedule('t4'), 2_000)
      const path = alice.roomPath(room, 'state', 'm.test', 'x')
      expectLimit(await alice.request('PUT', path, { query: { delay: hour }, body: {} }), 2_000)
    })

    test('the same request again is answered before anything is counted', async () => {
      const first = await schedule('r0')
      await untilRefused(9, n => schedule(`r${n}`))
      const again = await alice.request(
        'PUT',
        alice.roomPath(room, 'delayed_event', 'm.test', 'r0'),
      )
      expect(again.status).toBe(200)
      expect(again.body).toEqual(first.body)
    })
  })

  describe('managing', () => {
    test('counts by delayed event, whoever asks from wherever', async () => {
      const [one, other] = [
        await alice.delay(room, hour, 'm.test', {}),
        await alice.delay(room, hour, 'm.test', {}),
      ]
      const refused = await untilRefused(5, n => manage(one, 'restart', `192.0.2.${n}`))
      expectLimit(refused, 1_000)
      expect((await manage(other, 'restart', '192.0.2.1')).status).toBe(200)
      expectLimit(await manage(one, 'cancel', '192.0.2.99', alice.token ?? null), 1_000)
      expect(await alice.scheduled()).toHaveLength(2)
      await server.advance(1_000)
      expect((await manage(one, 'cancel', '192.0.2.1')).status).toBe(200)
      expect(await alice.scheduled()).toHaveLength(1)
    })

    test('counts by user too where there is a token', async () => {
      const ids: string[] = []
      for (let n = 0; n < 4; n++) ids.push(await alice.delay(room, hour, 'm.test', {}))
      const restart = (n: number) =>
        alice.request('POST', `${stable}/${ids[n % ids.length]}/restart`)
      expectLimit(await untilRefused(7, restart), 1_000)
      // Who has no token is not held up by who has.
      expect((await manage(ids[3] ?? '', 'restart', '192.0.2.1')).status).toBe(200)
    })

    test('never counts by address what exists: one lk-jwt-service serves everybody', async () => {
      const bob = await server.user('bob')
      for (const user of [alice, bob, alice, bob]) {
        const delayId = (await schedule(user.nextTransactionId(), user)).body.delay_id
        for (let n = 0; n < 3; n++) {
          expect((await manage(delayId, 'restart', '198.51.100.1')).status).toBe(200)
        }
        expect((await manage(delayId, 'cancel', '198.51.100.1')).status).toBe(200)
        await server.advance(1_000)
        expect((await manage(delayId, 'restart', '198.51.100.1')).status).toBe(404)
      }
      expect((await manage('gone', 'restart', '198.51.100.1')).status).toBe(404)
    })

    test('counts by address what does not exist', async () => {
      const ask = (n: number) => manage(`guess-${n}`, 'restart', '203.0.113.7')
      for (let n = 0; n < 3; n++) expect((await ask(n)).status).toBe(404)
      expectLimit(await ask(3), 1_000)
      expectLimit(await manage('guess', 'cancel', '203.0.113.7', alice.token ?? null), 1_000)
      expect((await manage('guess', 'cancel', '203.0.113.8')).status).toBe(404)
      // What exists can still be managed from there.
      const delayId = await alice.delay(room, hour, 'm.test', {})
      expect((await manage(delayId, 'restart', '203.0.113.7')).status).toBe(200)
      await server.advance(1_000)
      expect((await ask(4)).status).toBe(404)
    })

    test('an IPv6 network counts as one address', async () => {
      const ask = (host: string, network = '2001:db8:0:1') =>
        manage('no', 'send', `${network}${host}`)
      for (const host of ['::1', '::2', ':a:b:c:d']) expect((await ask(host)).status).toBe(404)
      expectLimit(await ask('::3'), 1_000)
      expect((await ask('::3', '2001:db8:0:2')).status).toBe(404)
    })
  })

  test.each([
    ['the list', (): string => delayedEvents],
    ['the stable list', (): string => stable],
    ['one of them', (id: string): string => `${stable}/${id}`],
    ['one that does not exist', (): string => `${stable}/nothing`],
  ])('looking up counts by user: %s', async (_, pathOf) => {
    const path = pathOf(await alice.delay(room, hour, 'm.test', {}))
    for (let n = 0; n < 5; n++) {
      expect((await alice.request('GET', path)).status).not.toBe(429)
    }
    expectLimit(await alice.request('GET', path), 500)
    const bob = await server.user('bob')
    expect((await bob.request('GET', path)).status).not.toBe(429)
    await server.advance(500)
    expect((await alice.request('GET', path)).status).not.toBe(429)
  })

  describe('the moment of sending', () => {
    test('what is one too many when due is finalised with that error', async () => {
      const { next_batch: since } = await alice.sync()
      // By PUT: scheduling in the query counts as sending as well.
      const body = (n: number) => ({ delay_ms: 10_000, content: { n } })
      for (let n = 0; n < 7; n++) {
        const path = alice.roomPath(room, 'delayed_event', 'm.test', `d${n}`)
        await alice.ok('PUT', path, { body: body(n) })
      }
      await server.advance(10_000)
      const events = (await alice.sync({ since })).rooms.join?.[room]?.timeline.events ?? []
      expect(events.map(event => event.content.n)).toEqual([0, 1, 2, 3, 4])
      expect(await alice.scheduled()).toEqual([])
      const failed = (await alice.finalised()).filter(item => item.outcome === 'cancel')
      expect(failed.map(item => item.delayed_event.content.n).sort()).toEqual([5, 6])
      for (const item of failed) {
        expect(item).toMatchObject({ reason: 'error', error: { errcode: 'M_LIMIT_EXCEEDED' } })
        expect(item).not.toHaveProperty('event_id')
        const found = await alice.ok('GET', `${stable}/${item.delayed_event.delay_id}`)
        expect(found.finalised.error.errcode).toBe('M_LIMIT_EXCEEDED')
      }
    })

    test('what fell due while the server was down is counted at its own time', async () => {
      const dueAfter = [10_000, 10_000, 10_000, 10_000, 10_000, 10_000, 20_000, 30_000]
      for (const [n, delay_ms] of dueAfter.entries()) {
        const path = alice.roomPath(room, 'delayed_event', 'm.test', `o${n}`)
        await alice.ok('PUT', path, { body: { delay_ms, content: { n } } })
      }
      await server.restart(hour)
      const outcomes = new Map(
        (await alice.finalised()).map(item => [item.delayed_event.content.n, item.outcome]),
      )
      const sent = [...dueAfter.keys()].filter(n => outcomes.get(n) === 'send')
      expect(sent).toEqual([0, 1, 2, 3, 4, 6, 7])
      expect(await alice.scheduled()).toEqual([])
    })

    test('what is late is not refused for what its sender has said since', async () => {
      const path = alice.roomPath(room, 'delayed_event', 'm.test', 'late')
      await alice.ok('PUT', path, { body: { delay_ms: 10_000, content: { n: 'late' } } })
      server.fault({ kind: 'serialisation_failure', endpoint: 'fire', count: null })
      await server.advance(120_000)
      await alice.say(room, 'I am still here')
      server.faults.clear()
      await server.advance(120_000)
      const late = (await alice.finalised()).find(item => item.delayed_event.content.n === 'late')
      expect(late?.outcome).toBe('send')
    })

    test('a send on request that is one too many is refused, and stays scheduled', async () => {
      const { body } = await schedule('x')
      for (let n = 0; n < 5; n++) await alice.say(room, 'chatter')
      const send = () => alice.manage(body.delay_id, 'send')
      expectLimit(await send(), 2_000)
      expect(await alice.scheduled()).toHaveLength(1)
      await server.advance(2_000)
      expect((await send()).status).toBe(200)
      expect(await alice.scheduled()).toEqual([])
    })

    test('an application service with rate_limited: false is not counted, then or before', async () => {
      const bot = server.anonymous()
      bot.userId = '@_bridge_bot:hs1'
      bot.token = bridge.asToken
      await bot.join(room)
      for (let n = 0; n < 12; n++) expect((await schedule(`a${n}`, bot)).status).toBe(200)
      const [first] = await bot.scheduled()
      for (let n = 0; n < 10; n++) {
        const path = `${stable}/${first?.delay_id}/restart`
        expect((await bot.request('POST', path)).status).toBe(200)
        expect((await bot.request('GET', delayedEvents)).status).toBe(200)
      }
      await server.advance(hour)
      const outcomes = (await bot.finalised()).map(item => item.outcome)
      expect(outcomes).toEqual(outcomes.map(() => 'send'))
      expect(await bot.scheduled()).toEqual([])
    })

    test('one user who sends much does not hold up the others', async () => {
      const bob = await server.user('bob')
      await bob.join(room)
      await schedule('b', bob)
      await server.advance(hour - 1)
      await untilRefused(6, n =>
        alice.request('PUT', alice.roomPath(room, 'send', 'm.test', `n${n}`), { body: {} }),
      )
      await server.advance(1)
      expect((await bob.finalised())[0]).toMatchObject({ outcome: 'send', reason: 'delay' })
    })
  })
})

describe('the limits that are shipped', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer({ config: { rate_limits: { enabled: true } } })
  })
  afterAll(() => server.stop())

  test('let Complement through: 20 calls to manage and 40 lists in half a minute', async () => {
    const alice = await server.user('alice')
    const room = await alice.createRoom()
    const delayId = await alice.delay(room, hour, 'm.test', {})
    for (let n = 0; n < 20; n++) expect((await alice.manage(delayId, 'restart')).status).toBe(200)
    for (let n = 0; n < 40; n++) expect(await alice.scheduled()).toHaveLength(1)
    expectLimit(await alice.manage(delayId, 'restart'), 1_000)
  })

  test('let as many be due at once as a user may have scheduled', async () => {
    const alice = await server.user('alice')
    const room = await alice.createRoom()
    await Promise.all(Array.from({ length: 100 }, () => alice.delay(room, hour, 'm.test', {})))
    await server.advance(hour)
    expect(await alice.scheduled()).toEqual([])
    for (const item of await alice.finalised()) expect(item.outcome).toBe('send')
  })
})
