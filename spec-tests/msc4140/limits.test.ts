import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'

const unstable = 'org.matrix.msc4140.delay'
const hour = 3_600_000

describe('delayed_events.max_scheduled_per_user', () => {
  let server: TestServer
  let alice: Client
  let room: string
  beforeAll(async () => {
    server = await startServer({ config: { delayed_events: { max_scheduled_per_user: 3 } } })
    alice = await server.user('alice')
    room = await alice.createRoom()
  })
  beforeEach(async () => {
    for (const { delay_id } of await alice.scheduled()) await alice.manage(delay_id, 'cancel')
  })
  afterAll(() => server.stop())

  test('one too many is 429 M_LIMIT_EXCEEDED, until the next one is due', async () => {
    await alice.delay(room, 90_500, 'm.test', {})
    await alice.delayState(room, hour, 'm.test', '', {})
    await alice.delay(room, hour, 'm.test', {})
    await server.advance(500)
    const path = alice.roomPath(room, 'send', 'm.test', alice.nextTransactionId())
    const request = { query: { [unstable]: 60_000 }, body: {} }
    const refused = await alice.request('PUT', path, request)
    expect(refused.status).toBe(429)
    expect(refused.body).toMatchObject({ errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: 90_000 })
    expect(refused.headers.get('Retry-After')).toBe('90')
    expect(refused.headers.get('Access-Control-Expose-Headers')).toContain('Retry-After')

    // The refusal was not stored under the txnId, and waiting as told is enough.
    await server.advance(90_000)
    expect((await alice.request('PUT', path, request)).status).toBe(200)
    expect(await alice.scheduled()).toHaveLength(3)
  })

  test('by its stable name, one too many is 400 M_MAX_DELAYED_EVENTS_EXCEEDED', async () => {
    for (let i = 0; i < 3; i++) await alice.delay(room, hour, 'm.test', {})
    const path = alice.roomPath(room, 'send', 'm.test', alice.nextTransactionId())
    const { status, body } = await alice.request('PUT', path, { query: { delay: hour }, body: {} })
    expect({ status, body }).toEqual({
      status: 400,
      body: { errcode: 'M_MAX_DELAYED_EVENTS_EXCEEDED', error: expect.any(String) },
    })
  })

  test('what a request that was undone had cancelled is scheduled, and counts', async () => {
    const call = alice.roomPath(room, 'state', 'm.call', 'k')
    const query = { future_timeout: hour }
    for (let i = 0; i < 3; i++) await alice.ok('PUT', call, { query, body: {} })
    const event = { type: 'm.test', content: {} }
    const { status } = await alice.request('PUT', alice.roomPath(room, 'send', 'future', 'txn'), {
      body: {
        'm.timeout': 3_600,
        // By now it has taken the place of what is scheduled, and the last is not to be sent at all.
        'm.send_now': { type: 'm.call', state_key: 'k', content: { now: true } },
        'm.send_on_timeout': event,
        'm.send_on_action:x': { ...event, content: { body: 'x'.repeat(70_000) } },
      },
    })
    expect(status).toBe(413)
    expect(await alice.scheduled()).toHaveLength(3)
    const path = alice.roomPath(room, 'send', 'm.test', alice.nextTransactionId())
    const refused = await alice.request('PUT', path, { query: { [unstable]: hour }, body: {} })
    expect(refused.status).toBe(429)
  })

  test('Retry-After is in whole seconds, rounded up', async () => {
    for (let i = 0; i < 3; i++) await alice.delay(room, 1_001 + i, 'm.test', {})
    const refused = await alice.request('PUT', alice.roomPath(room, 'state', 'm.test', ''), {
      query: { [unstable]: 1 },
      body: {},
    })
    expect(refused.status).toBe(429)
    expect(refused.body.retry_after_ms).toBe(1_001)
    expect(refused.headers.get('Retry-After')).toBe('2')
  })

  test('many at the same moment: exactly as many as allowed are accepted', async () => {
    const put = (kind: 'send' | 'state', id: string) =>
      alice.request('PUT', alice.roomPath(room, kind, 'm.test', `race-${id}`), {
        query: { [unstable]: hour },
        body: {},
      })
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) => put(i % 2 === 0 ? 'send' : 'state', String(i))),
    )
    const statuses = answers.map(answer => answer.status).sort()
    expect(statuses).toEqual([200, 200, 200, ...Array.from({ length: 9 }, () => 429)])
    expect(await alice.scheduled()).toHaveLength(3)
  })

  test('another user has a limit of their own', async () => {
    for (let i = 0; i < 3; i++) await alice.delay(room, hour, 'm.test', {})
    const bob = await server.user('bob')
    await bob.delay(room, hour, 'm.test', {})
    expect(await bob.scheduled()).toHaveLength(1)
  })

  test('what is over does not count', async () => {
    for (let i = 0; i < 3; i++) await alice.delay(room, 1_000, 'm.test', {})
    await server.advance(1_000)
    await alice.delay(room, hour, 'm.test', {})
    expect(await alice.scheduled()).toHaveLength(1)
  })
})

describe.each([
  ['max_delay_ms', { max_delay_ms: 0 }],
  ['max_scheduled_per_user', { max_scheduled_per_user: 0 }],
])('delayed_events.%s: 0 switches delayed events off', (_, delayed_events) => {
  let server: TestServer
  let alice: Client
  let room: string
  beforeAll(async () => {
    server = await startServer({ config: { delayed_events } })
    alice = await server.user('alice')
    room = await alice.createRoom()
  })
  afterAll(() => server.stop())

  test.each([unstable, 'delay'])('scheduling by %s is 403, and nothing is sent', async name => {
    for (const path of [
      alice.roomPath(room, 'send', 'm.test', name),
      alice.roomPath(room, 'state', 'm.test', ''),
      alice.roomPath('!nowhere:hs1', 'state', 'm.test', ''),
    ]) {
      const answer = await alice.request('PUT', path, { query: { [name]: 1 }, body: {} })
      expect(answer.status).toBe(403)
      expect(answer.body.errcode).toBe('M_FORBIDDEN')
    }
    expect(await alice.scheduled()).toEqual([])
    const events = (await alice.sync()).rooms.join?.[room]?.timeline.events ?? []
    expect(events.map(event => event.type)).not.toContain('m.test')
  })

  test('/versions does not claim support, and the capability has a 0', async () => {
    const versions = await alice.ok('GET', '/_matrix/client/versions')
    expect(versions.unstable_features['org.matrix.msc4140'] ?? false).toBe(false)
    const { capabilities } = await alice.ok('GET', '/_matrix/client/v3/capabilities')
    expect(Object.values(capabilities['org.matrix.msc4140.delayed_events'])).toContain(0)
  })
})

test('delayed_events.max_delay_ms is the longest delay that is accepted', async () => {
  const server = await startServer({ config: { delayed_events: { max_delay_ms: 5_000 } } })
  try {
    const alice = await server.user('alice')
    const room = await alice.createRoom()
    await alice.delay(room, 5_000, 'm.test', {})
    const path = alice.roomPath(room, 'state', 'm.test', '')
    const query = { [unstable]: 5_001 }
    const answer = await alice.request('PUT', path, { query, body: {} })
    expect(answer.body['org.matrix.msc4140.max_delay']).toBe(5_000)
    const { capabilities } = await alice.ok('GET', '/_matrix/client/v3/capabilities')
    expect(capabilities['org.matrix.msc4140.delayed_events'].max_delay_ms).toBe(5_000)
    await server.advance(5_000)
    expect(await alice.scheduled()).toEqual([])
  } finally {
    await server.stop()
  }
})
