import type { Client } from './support/client.ts'
import { startServer, type TestServer } from './support/server.ts'

const hour = 3_600_000
const v3 = '/_matrix/client/v3'

let server: TestServer
let alice: Client
let bob: Client
let room: string
beforeAll(async () => {
  server = await startServer({
    config: {
      rate_limits: { enabled: true, messages: { per_second: 1, burst_count: 50 } },
      delayed_events: { max_scheduled_per_user: 1_000 },
    },
  })
})
beforeEach(async () => {
  await server.advance(hour)
  alice = await server.user('alice')
  bob = await server.user('bob')
  room = await alice.createRoom({
    preset: 'public_chat',
    power_level_content_override: { state_default: 0 },
  })
  await bob.join(room)
})
afterAll(() => server.stop())

type Values = Record<string, number>

/** Name and labels, in the order of the letters, and value: `x_total{a="1",b="2"}`. */
async function metrics(of = server): Promise<Values> {
  const answer = await of.anonymous().request('GET', '/metrics')
  expect(answer.status).toBe(200)
  const lines = answer.text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  const values = lines.map(line => {
    const [, name, labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
    if (name === undefined) throw new Error(`no line of Prometheus's: ${line}`)
    const sorted = [...labels.matchAll(/\w+="[^"]*"/g)].map(match => match[0]).sort()
    return [sorted.length > 0 ? `${name}{${sorted.join(',')}}` : name, Number(value)] as const
  })
  return Object.fromEntries(values)
}

/** What has changed by `run` among the metrics whose names begin like this. */
async function changes(prefix: string, run: () => Promise<unknown>): Promise<Values> {
  const before = await metrics()
  await run()
  const after = await metrics()
  const changed = Object.entries(after)
    .filter(([name]) => name.startsWith(`hourglass_${prefix}`))
    .map(([name, value]) => [name.slice(10), value - (before[name] ?? 0)] as const)
    .filter(([, by]) => by !== 0)
  return Object.fromEntries(changed)
}

const put = (stateKey?: string) =>
  alice
    .ok('PUT', alice.roomPath(room, 'delayed_event', 'm.test', alice.nextTransactionId()), {
      body: {
        delay_ms: 1_000,
        content: {},
        ...(stateKey === undefined ? {} : { state_key: stateKey }),
      },
    })
    .then(body => String(body.delay_id))

const finalised = (outcome: string, cause: string, dialect = 'unstable_query') =>
  `delayed_events_finalised_total{cause="${cause}",dialect="${dialect}",outcome="${outcome}"}`

describe('GET /metrics', () => {
  test('is text as Prometheus reads it, for no web page', async () => {
    const answer = await server.anonymous().request('GET', '/metrics')
    expect(answer.headers.get('Content-Type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(answer.headers.get('Access-Control-Allow-Origin')).toBeNull()
    expect(answer.text).toMatch(/^# HELP hourglass_delayed_events_early_total /m)
    expect(answer.text).toMatch(/^# TYPE hourglass_delayed_event_lateness_seconds histogram$/m)
    for (const method of ['POST', 'OPTIONS']) {
      expect((await server.anonymous().request(method, '/metrics')).status).toBe(405)
    }
  })

  test('tells of the process', async () => {
    const values = await metrics()
    expect(values.process_resident_memory_bytes).toBeGreaterThan(1e7)
    expect(values.process_cpu_seconds_total).toBeGreaterThan(0)
    expect(values.process_start_time_seconds).toBeGreaterThan(1.7e9)
  })
})

describe('metrics of delayed events', () => {
  test('scheduled, by dialect, and how many are scheduled now', async () => {
    const change = await changes('delayed_events_scheduled', async () => {
      await alice.delay(room, hour, 'm.test', {})
      await alice.delayState(room, hour, 'm.test', '', {})
      await put()
      const [path, again] = [alice.roomPath(room, 'send', 'm.test', 'once'), { delay: hour }]
      // At the same moment: those that come second are undone, and do not count.
      const same = () => alice.ok('PUT', path, { query: again, body: {} })
      await Promise.all([same(), same(), same(), same()])
      const refused = { query: { delay: 30 * 24 * hour }, body: {} }
      await alice.request('PUT', alice.roomPath(room, 'send', 'm.test', 'no'), refused)
    })
    expect(change).toEqual({
      delayed_events_scheduled: 4,
      'delayed_events_scheduled_total{dialect="put"}': 1,
      'delayed_events_scheduled_total{dialect="stable_query"}': 1,
      'delayed_events_scheduled_total{dialect="unstable_query"}': 2,
    })
    for (const { delay_id } of await alice.scheduled()) await alice.manage(delay_id, 'cancel')
  })

  test('finalised, by what came of it, why, and dialect; and restarts', async () => {
    const change = await changes('delayed_events', async () => {
      await alice.delay(room, 1_000, 'm.test', {})
      await put()
      const [sent, cancelled] = [
        await alice.delay(room, hour, 'm.test', {}),
        await alice.delay(room, hour, 'm.test', {}),
      ]
      for (const action of ['restart', 'restart', 'send', 'restart', 'cancel']) {
        await alice.manage(sent, action)
      }
      for (const action of ['cancel', 'cancel', 'send', 'restart']) {
        await alice.manage(cancelled, action)
      }
      await alice.delayState(room, 1_000, 'm.test', 'overtaken', {})
      await bob.setState(room, 'm.test', 'overtaken', {})
      await bob.delay(room, 1_000, 'm.test', {})
      await alice.kick(room, bob.userId)
      await server.advance(1_000)
    })
    expect(change).toEqual({
      'delayed_events_scheduled_total{dialect="put"}': 1,
      'delayed_events_scheduled_total{dialect="unstable_query"}': 5,
      'delayed_events_restarted_total{dialect="unstable_query"}': 2,
      [finalised('sent', 'delay')]: 1,
      [finalised('sent', 'delay', 'put')]: 1,
      [finalised('sent', 'action')]: 1,
      [finalised('cancelled', 'action')]: 1,
      [finalised('cancelled', 'state_update')]: 1,
      [finalised('failed', 'error')]: 1,
    })
  })

  test('what a closed account had scheduled is cancelled', async () => {
    await bob.delay(room, hour, 'm.test', {})
    await bob.delay(room, hour, 'm.test', {})
    const auth = { type: 'm.login.password', user: bob.userId, password: bob.password }
    const change = await changes('delayed_events_finalised', () =>
      bob.ok('POST', `${v3}/account/deactivate`, { body: { auth } }),
    )
    expect(change).toEqual({ [finalised('cancelled', 'action')]: 2 })
  })

  test('lateness, by the clock of the server; and nothing early', async () => {
    const buckets = (change: Values) =>
      Object.entries(change)
        .filter(([name]) => name.includes('_bucket'))
        .map(([name, count]) => [/le="(.*)"/.exec(name)?.[1], count])
    const onTime = await changes('delayed_event_lateness', async () => {
      await alice.delay(room, 1_000, 'm.test', {})
      await server.advance(5_000)
    })
    expect(buckets(onTime)).toHaveLength(15)
    expect(onTime).toMatchObject({
      'delayed_event_lateness_seconds_bucket{le="0"}': 1,
      delayed_event_lateness_seconds_count: 1,
    })

    // Due while the server was down: 700 ms late. A send on request is not late.
    await alice.delay(room, 1_000, 'm.test', {})
    const onRequest = await alice.delay(room, 1_000, 'm.test', {})
    await alice.manage(onRequest, 'send')
    await server.restart(1_700)
    const late = await metrics()
    expect(late['hourglass_delayed_event_lateness_seconds_bucket{le="0.5"}']).toBe(0)
    expect(late['hourglass_delayed_event_lateness_seconds_bucket{le="1"}']).toBe(1)
    expect(late.hourglass_delayed_event_lateness_seconds_sum).toBeCloseTo(0.7)
    expect(late.hourglass_delayed_event_lateness_seconds_count).toBe(1)
    expect(late.hourglass_delayed_events_early_total).toBe(0)
  })
})

describe('metrics of requests', () => {
  test('by endpoint, and never with an id', async () => {
    const delayId = await alice.delay(room, hour, 'm.test', {})
    const change = await changes('request_duration_seconds_count', async () => {
      await alice.say(room, 'hello')
      await alice.say(room, 'hello')
      await alice.manage(delayId, 'cancel')
      await alice.manage('nothing', 'cancel')
      await alice.request('GET', '/_matrix/client/r0/account/whoami')
      await alice.request('GET', '/no/such/path')
    })
    const count = (method: string, endpoint: string, status: number) =>
      `request_duration_seconds_count{endpoint="${endpoint}",method="${method}",status="${status}"}`
    const cancel = '/_matrix/client/unstable/org.matrix.msc4140/delayed_events/:delayId/cancel'
    expect(change).toEqual({
      [count('PUT', `${v3}/rooms/:roomId/send/:eventType/:txnId`, 200)]: 2,
      [count('POST', cancel, 200)]: 1,
      [count('POST', cancel, 404)]: 1,
      [count('GET', `${v3}/account/whoami`, 200)]: 1,
      [count('GET', 'unknown', 404)]: 1,
    })
    const { text } = await server.anonymous().request('GET', '/metrics')
    for (const secret of [delayId, room, alice.userId, 'alice', 'no/such']) {
      expect(text).not.toContain(secret)
    }
  })

  test('how long they take, by the clock of the server; and who waits in /sync', async () => {
    const { next_batch: since } = await bob.sync()
    const change = await changes('', async () => {
      const waiting = bob.sync({ since, timeout: 7_000 })
      await server.untilWaiting(1)
      expect((await metrics()).hourglass_sync_waiting).toBe(1)
      await server.advance(7_000)
      await waiting
    })
    const ofSync = `endpoint="${v3}/sync",method="GET",status="200"`
    expect(change).toMatchObject({ [`request_duration_seconds_sum{${ofSync}}`]: 7 })
    expect((await metrics()).hourglass_sync_waiting).toBe(0)
  })

  test('what rate limits refuse, by limit', async () => {
    const path = (n: number) => alice.roomPath(room, 'send', 'm.test', `x${n}`)
    const change = await changes('rate_limited', async () => {
      for (let n = 0; n < 52; n++) await alice.request('PUT', path(n), { body: {} })
    })
    expect(change).toEqual({ 'rate_limited_total{limit="messages"}': 2 })
  })
})

describe('who may read them', () => {
  const ask = (of: TestServer, headers: Record<string, string> = {}) =>
    of.anonymous().request('GET', '/metrics', { headers })

  test('by default who is on this machine, and nobody through a proxy', async () => {
    expect((await ask(server)).status).toBe(200)
    for (const name of ['X-Forwarded-For', 'Forwarded']) {
      const refused = await ask(server, { [name]: '127.0.0.1' })
      expect([refused.status, refused.body.errcode]).toEqual([403, 'M_FORBIDDEN'])
      expect(refused.text).not.toContain('hourglass_')
    }
  })

  test('or who the config names, through proxies that it trusts', async () => {
    const config = { metrics_allowed_from: ['192.0.2.0/24'], trusted_proxies: ['loopback'] }
    const other = await startServer({ config })
    try {
      expect((await ask(other)).status).toBe(403)
      expect((await ask(other, { 'X-Forwarded-For': '192.0.2.7' })).status).toBe(200)
      expect((await ask(other, { 'X-Forwarded-For': '192.0.3.7' })).status).toBe(403)
      // Each server counts for itself.
      const { text } = await ask(other, { 'X-Forwarded-For': '192.0.2.7' })
      expect(text).not.toMatch(/delayed_events_scheduled_total\{/)
    } finally {
      await other.stop()
    }
  })
})
