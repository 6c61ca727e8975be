/** MSC4140's Futures as they were in 2024-06: a request an event, groups, a token for each thing to do. */
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

let server: TestServer
let alice: Client
let bob: Client
let room: string
beforeAll(async () => {
  server = await startServer({
    config: {
      rate_limits: { enabled: true, delayed_event_misses: { per_second: 0.1, burst_count: 5 } },
    },
  })
  alice = await server.user('alice')
  bob = await server.user('bob')
  room = await alice.createRoom({
    preset: 'public_chat',
    power_level_content_override: { state_default: 0 },
  })
  await bob.join(room)
})
afterEach(async () => {
  for (const { delay_id } of await alice.scheduled()) await alice.manage(delay_id, 'cancel')
})
afterAll(() => server.stop())

type Query = Record<string, string | number>
const client = '/_matrix/client'
const put = (path: string, query: Query, body: JsonObject = {}, by = alice) =>
  by.request('PUT', path, { query, body })
const sendPath = (by = alice) => by.roomPath(room, 'send', 'm.test', by.nextTransactionId())
const schedule = async (query: Query, n: number, path = sendPath()) => {
  const answer = await put(path, query, { n })
  expect(answer).toMatchObject({ status: 200 })
  return answer.body
}
const use = (token: unknown, path = '/v1/future', method = 'POST') =>
  server.anonymous().request(method, `${client}${path}/${token}`)
const gist = ({ status, body }: { status: number; body: JsonObject }) => `${status} ${body.errcode}`
/** The numbers that were sent since this was last asked. */
let seen = 0
const news = async () => {
  const { chunk } = await bob.messages(room, { dir: 'b', limit: 1_000 })
  const numbers = chunk.filter(({ type }) => type === 'm.test').map(({ content }) => content.n)
  const fresh = numbers.reverse().slice(seen)
  seen = numbers.length
  return fresh
}

const token = expect.stringMatching(/^[0-9A-Za-z_-]{22,}$/)

describe('future_timeout and future_group_id', () => {
  test('a timeout future is answered with its tokens, its group and its id, and is not sent', async () => {
    const path = sendPath()
    const answer = await schedule({ future_timeout: 1_500 }, 1, path)
    expect(answer).toEqual({
      send_token: token,
      cancel_token: token,
      refresh_token: token,
      future_group_id: token,
      future_id: token,
    })
    expect(new Set(Object.values(answer)).size).toBe(5)
    await server.restart()
    expect(await schedule({ future_timeout: 1_500 }, 1, path)).toEqual(answer)
    await server.advance(1_499)
    expect(await news()).toEqual([])
    await server.advance(1)
    expect(await news()).toEqual([1])
  })

  test('an action future waits for its token alone, and has nothing to refresh', async () => {
    const { future_group_id } = await schedule({ future_timeout: 9_000 }, 1)
    const action = await schedule({ future_group_id }, 2)
    expect(Object.keys(action).sort()).toEqual([
      'cancel_token',
      'future_group_id',
      'future_id',
      'send_token',
    ])
    expect((await use(action.send_token)).status).toBe(200)
    await server.advance(20_000)
    expect(await news()).toEqual([2])
  })

  test('of a group that the client names, one is sent', async () => {
    const mine = { future_group_id: 'mine' }
    const first = await schedule({ ...mine, future_timeout: 2_000 }, 1)
    await schedule({ ...mine, future_timeout: 1_000 }, 2)
    await schedule({ ...mine, future_timeout: 'none' }, 3)
    await server.advance(3_000)
    expect(await news()).toEqual([2])
    expect(gist(await use(first.refresh_token))).toBe('410 M_NOT_FOUND')
  })

  test.each(['send_token', 'cancel_token'])(
    'of which none is scheduled any more, after %s, the name is free',
    async secret => {
      const mine = { future_group_id: `hangup-${secret}`, future_timeout: 5_000 }
      const first = await schedule(mine, 1)
      const other = await alice.createRoom({ preset: 'public_chat' })
      const elsewhere = () => put(alice.roomPath(other, 'send', 'm.test', 'x'), mine, {})
      expect(gist(await elsewhere())).toBe('400 M_INVALID_PARAM')
      expect((await use(first[secret])).status).toBe(200)
      expect((await elsewhere()).status).toBe(200)
      for (const { delay_id } of await alice.scheduled()) await alice.manage(delay_id, 'cancel')
      expect((await put(sendPath(bob), mine, {}, bob)).status).toBe(200)
      await server.advance(5_000)
      await news()
    },
  )

  test('two members at the same moment: one is sent', async () => {
    const mine = { future_group_id: 'race', future_timeout: 1_000 }
    const members = [await schedule(mine, 1), await schedule(mine, 2), await schedule(mine, 3)]
    const answers = await Promise.all(members.map(({ send_token }) => use(send_token)))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 410, 410])
    await server.advance(5_000)
    expect(await news()).toHaveLength(1)
  })

  test('cancelling one of two timeouts leaves the rest; the last takes the actions with it', async () => {
    const mine = { future_group_id: 'last' }
    const one = await schedule({ ...mine, future_timeout: 5_000 }, 1)
    const two = await schedule({ ...mine, future_timeout: 5_000 }, 2)
    const action = await schedule(mine, 3)
    expect((await use(one.cancel_token)).status).toBe(200)
    expect(await alice.scheduled()).toHaveLength(2)
    expect((await use(two.cancel_token)).status).toBe(200)
    expect(await alice.scheduled()).toEqual([])
    expect(gist(await use(action.send_token))).toBe('410 M_NOT_FOUND')
    expect(await news()).toEqual([])
  })

  test('both timeouts cancelled at once take the actions with them', async () => {
    for (let round = 0; round < 5; round++) {
      const mine = { future_group_id: `both${round}` }
      const ticking = [
        await schedule({ ...mine, future_timeout: 5_000 }, 1),
        await schedule({ ...mine, future_timeout: 5_000 }, 2),
      ]
      await schedule(mine, 3)
      await Promise.all(ticking.map(({ cancel_token }) => use(cancel_token)))
      expect(await alice.scheduled()).toEqual([])
    }
  })

  test('any newer state event cancels state, and the actions of a group without a timeout', async () => {
    const path = alice.roomPath(room, 'state', 'm.call', 'k')
    const { future_group_id } = (await put(path, { future_timeout: 9_000 })).body
    await schedule({ future_group_id }, 3)
    await alice.setState(room, 'm.call', 'k', { mine: true })
    expect(await alice.scheduled()).toEqual([])
  })
})

describe('the tokens', () => {
  test.each([
    ['PUT', '/v3/futures'],
    ['POST', '/v3/future'],
    ['POST', '/v1/future'],
    ['POST', '/unstable/org.matrix.msc4140/future'],
  ])('%s %s/{token}: send, refresh, cancel', async (method, path) => {
    const first = await schedule({ future_timeout: 1_000 }, 1)
    await server.advance(900)
    expect((await use(first.refresh_token, path, method)).status).toBe(200)
    await server.advance(900)
    expect(await news()).toEqual([])
    expect((await use(first.send_token, path, method)).status).toBe(200)
    expect(await news()).toEqual([1])
    expect(gist(await use(first.send_token, path, method))).toBe('410 M_NOT_FOUND')
    const second = await schedule({ future_timeout: 1_000 }, 2)
    expect((await use(second.cancel_token, path, method)).status).toBe(200)
    await server.advance(2_000)
    expect(await news()).toEqual([])
  })

  test('guessing is made to wait: 429 with both forms of how long', async () => {
    await server.advance(60_000)
    for (let i = 0; i < 5; i++) expect(gist(await use(`guess${i}`))).toBe('410 M_NOT_FOUND')
    const answer = await use('guess')
    expect(gist(answer)).toBe('429 M_LIMIT_EXCEEDED')
    expect(answer.headers.get('retry-after')).toBe('10')
    expect(answer.body.retry_after_ms).toBe(10_000)
    const known = await schedule({ future_timeout: 1_000 }, 1)
    expect((await use(known.cancel_token)).status).toBe(200)
    await server.advance(10_000)
    expect(gist(await use('guess'))).toBe('410 M_NOT_FOUND')
  })
})

describe('PUT …/send_future/… and …/state_future/…', () => {
  const unstable = '/unstable/org.matrix.msc4140'
  test.each(['/v3', '/v1', unstable])('under %s, with timeout in seconds', async version => {
    const base = `${client}${version}/rooms/${encodeURIComponent(room)}`
    const txn = alice.nextTransactionId()
    await schedule({ timeout: 2 }, 1, `${base}/send_future/m.test/${txn}`)
    const state = await put(
      `${base}/state_future/m.call/s`,
      { future_timeout: 2_000 },
      { s: version },
    )
    expect(state).toMatchObject({ status: 200, body: { send_token: token } })
    await put(`${base}/send_future/${txn}x`, { timeout: 2 }, { type: 'm.test', content: { n: 2 } })
    await server.advance(1_999)
    expect(await news()).toEqual([])
    await server.advance(1)
    expect(await news()).toEqual([1, 2])
    expect(await bob.state(room, 'm.call', 's')).toEqual({ s: version })
  })

  test('without a timeout and a group they are no future, and nothing is sent', async () => {
    for (const path of ['send_future/m.test/1', 'state_future/m.test']) {
      expect(gist(await put(`${alice.roomPath(room)}/${path}`, {}))).toBe('400 M_MISSING_PARAM')
    }
    expect(await news()).toEqual([])
  })

  test('/v1/rooms/{roomId}/send and /state are there for futures alone', async () => {
    const base = `${client}/v1/rooms/${encodeURIComponent(room)}`
    await schedule({ future_timeout: 1_000 }, 1, `${base}/send/m.test/1`)
    expect((await put(`${base}/state/m.call`, { future_timeout: 1_000 })).status).toBe(200)
    expect(gist(await put(`${base}/send/m.test/2`, {}))).toBe('404 M_UNRECOGNIZED')
    expect(gist(await put(`${base}/state/m.call`, {}))).toBe('404 M_UNRECOGNIZED')
    await server.advance(1_000)
    expect(await news()).toEqual([1])
  })
})

describe('what is refused, and schedules and sends nothing', () => {
  const refused = async (query: Query, by = alice, path = sendPath(by)) =>
    gist(await put(path, query, { n: 0 }, by))
  afterEach(async () => expect(await news()).toEqual([]))

  test.each(['', '0', '-1', '1.5', 'x', 'None'])('future_timeout=%s', async value => {
    expect(await refused({ future_timeout: value })).toBe('400 M_INVALID_PARAM')
  })

  test('an action for a group without a timeout: M_UNKNOWN_FUTURE_GROUP', async () => {
    expect(await refused({ future_group_id: 'unknown' })).toBe('400 M_UNKNOWN_FUTURE_GROUP')
    expect(await refused({ future_timeout: 'none' })).toBe('400 M_UNKNOWN_FUTURE_GROUP')
    const dead = await schedule({ future_timeout: 1_000, future_group_id: 'dead' }, 1)
    await use(dead.cancel_token)
    expect(await refused({ future_group_id: 'dead' })).toBe('400 M_UNKNOWN_FUTURE_GROUP')
  })

  test("another user's group: M_FORBIDDEN; a group of another room", async () => {
    await schedule({ future_timeout: 5_000, future_group_id: 'hers' }, 1)
    expect(await refused({ future_timeout: 1_000, future_group_id: 'hers' }, bob)).toBe(
      '400 M_FORBIDDEN',
    )
    const other = await alice.createRoom()
    const path = alice.roomPath(other, 'send', 'm.test', '1')
    expect(await refused({ future_group_id: 'hers' }, alice, path)).toBe('400 M_INVALID_PARAM')
  })

  test('a timeout over the maximum, in the stable and the unstable words', async () => {
    const [stable, unstable] = [
      await put(sendPath(), { future_timeout: 86_400_001 }),
      await put(sendPath(), { 'org.matrix.msc4140.future_timeout': 86_400_001 }),
    ]
    expect([stable.status, unstable.status]).toEqual([400, 400])
    expect(stable.body).toEqual({
      errcode: 'M_FUTURE_MAX_TIMEOUT_EXCEEDED',
      error: expect.any(String),
      timeout_duration: 86_400_000,
    })
    expect(unstable.body).toEqual({
      errcode: 'M_UNKNOWN',
      error: expect.any(String),
      'org.matrix.msc4140.errcode': 'M_FUTURE_MAX_TIMEOUT_EXCEEDED',
      'org.matrix.msc4140.timeout_duration': 86_400_000,
    })
  })

  test('an unknown room: 404; no access token: 401', async () => {
    const path = alice.roomPath('!nowhere:hs1', 'send', 'm.test', '1')
    expect(await refused({ future_timeout: 1 }, alice, path)).toBe('404 M_NOT_FOUND')
    const anonymous = await server
      .anonymous()
      .request('PUT', sendPath(), { query: { future_timeout: 1 }, body: {} })
    expect(gist(anonymous)).toBe('401 M_MISSING_TOKEN')
  })
})

test.each(['/v3/futures', '/v3/future', '/v1/future', '/v0/futures'])(
  'GET %s: the requests and their answers',
  async path => {
    const path_ = alice.roomPath(room, 'state', 'm.call', 'l')
    const answer = (await put(path_, { future_timeout: 60_000 }, { n: 5 })).body
    const action = await schedule({ future_group_id: answer.future_group_id }, 6)
    expect(await alice.ok('GET', `${client}${path}`)).toEqual([
      {
        url: `${path_.replace('/v3/', '/v1/')}?future_timeout=60000&future_group_id=${answer.future_group_id}`,
        body: { n: 5 },
        response: { ...answer, last_refresh: server.now(), timeout: 60_000 },
      },
      {
        url: expect.stringMatching(/\/send\/m\.test\/\d+\?future_group_id=/),
        body: { n: 6 },
        response: { ...action, last_refresh: server.now() },
      },
    ])
  },
)
