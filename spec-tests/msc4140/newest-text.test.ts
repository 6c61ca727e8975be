import { type Answer, type Client, delayedEvents } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

const hour = 3_600_000
const stable = '/_matrix/client/v1/delayed_events'
const prefixes = ['/_matrix/client/v3', '/_matrix/client/unstable/org.matrix.msc4140'] as const

let server: TestServer
let alice: Client
let bob: Client
let room: string
beforeAll(async () => {
  server = await startServer({ config: { delayed_events: { max_scheduled_per_user: 3 } } })
  alice = await server.user('alice')
  bob = await server.user('bob')
  room = await alice.createRoom({
    preset: 'public_chat',
    power_level_content_override: { events: { 'm.test': 0 } },
  })
  await bob.join(room)
})
afterEach(async () => {
  for (const user of [alice, bob]) {
    for (const { delay_id } of await user.scheduled()) await user.manage(delay_id, 'cancel')
  }
})
afterAll(() => server.stop())

const pathOf = (prefix: string, txnId: string, type = 'm.test', roomId = room) =>
  `${prefix}/rooms/${encodeURIComponent(roomId)}/delayed_event/${encodeURIComponent(type)}/${txnId}`

let transactions = 0
const newTxnId = () => `newest-${++transactions}`

const put = (body: JsonObject, user = alice): Promise<Answer> =>
  user.request('PUT', pathOf(prefixes[0], newTxnId()), { body })

const delay = async (body: JsonObject, user = alice): Promise<string> =>
  String((await user.ok('PUT', pathOf(prefixes[0], newTxnId()), { body })).delay_id)

const lookUp = (delayId: string, user = alice) => user.ok('GET', `${stable}/${delayId}`)

const refusalOf = ({ status, body }: Answer) => ({ status, errcode: body.errcode })

const scheduledIds = async (user: Client) => (await user.scheduled()).map(item => item.delay_id)

async function contentsSince(since: string): Promise<JsonObject[]> {
  const events = (await bob.sync({ since })).rooms.join?.[room]?.timeline.events ?? []
  return events.map(event => event.content)
}

describe.each(prefixes)('PUT %s/rooms/{roomId}/delayed_event/{eventType}/{txnId}', prefix => {
  test.each(['delay_ms', 'delay'])('a message event with %s is sent when due', async name => {
    const { next_batch: since } = await bob.sync()
    const body = { [name]: 5_000, content: { by: name } }
    const answer = await alice.ok('PUT', pathOf(prefix, newTxnId()), { body })
    expect(answer).toEqual({ delay_id: expect.stringMatching(/^[0-9A-Za-z_-]{22,}$/) })
    await server.advance(4_999)
    expect(await contentsSince(since)).toEqual([])
    await server.advance(1)
    expect(await contentsSince(since)).toEqual([{ by: name }])
  })

  test.each(['', 'a key/with ~ odd characters'])('a state event with the key %j', async key => {
    const body = { delay_ms: 5_000, delay: 5_000, state_key: key, content: { at: server.now() } }
    const { delay_id } = await alice.ok('PUT', pathOf(prefix, newTxnId()), { body })
    expect(await lookUp(delay_id)).toMatchObject({ state_key: key, content: body.content })
    await server.advance(5_000)
    expect(await alice.state(room, 'm.test', key)).toEqual(body.content)
  })

  test('the same txnId again gives the same delay_id, even with no body and no room', async () => {
    const path = pathOf(prefix, newTxnId())
    const body = { delay_ms: hour, content: {} }
    const first = await alice.ok('PUT', path, { body })
    expect(await alice.ok('PUT', path, { body })).toEqual(first)
    expect(await alice.ok('PUT', path)).toEqual(first)
    await delay({ delay_ms: hour, content: {} })
    await delay({ delay_ms: hour, content: {} })
    expect(await alice.ok('PUT', path, { body: '{' })).toEqual(first)
    expect(await alice.scheduled()).toHaveLength(3)
    await server.restart()
    expect(await alice.ok('PUT', path)).toEqual(first)
  })

  test('another user with the same txnId schedules their own', async () => {
    const path = pathOf(prefix, newTxnId())
    const body = { delay_ms: hour, content: {} }
    const first = await alice.ok('PUT', path, { body })
    expect((await bob.ok('PUT', path, { body })).delay_id).not.toBe(first.delay_id)
  })

  test('without a token: 401, with a bad one too', async () => {
    const path = pathOf(prefix, newTxnId())
    const body = { delay_ms: hour, content: {} }
    const without = await alice.request('PUT', path, { body, token: null })
    expect(refusalOf(without)).toEqual({ status: 401, errcode: 'M_MISSING_TOKEN' })
    const wrong = await alice.request('PUT', path, { body, token: 'wrong' })
    expect(refusalOf(wrong)).toEqual({ status: 401, errcode: 'M_UNKNOWN_TOKEN' })
  })

  test('in a room that is not known: 404 M_NOT_FOUND', async () => {
    const path = pathOf(prefix, newTxnId(), 'm.test', '!nowhere:hs1')
    const answer = await alice.request('PUT', path, { body: { delay_ms: 1, content: {} } })
    expect(refusalOf(answer)).toEqual({ status: 404, errcode: 'M_NOT_FOUND' })
  })

  test('another method: 405 M_UNRECOGNIZED', async () => {
    const answer = await alice.request('POST', pathOf(prefix, newTxnId()), { body: {} })
    expect(refusalOf(answer)).toEqual({ status: 405, errcode: 'M_UNRECOGNIZED' })
  })
})

describe('PUT …/delayed_event/{eventType}/{txnId}', () => {
  test('its two names share their txnIds; another type, and /send, do not', async () => {
    const txnId = newTxnId()
    const request = { body: { delay_ms: hour, content: {} } }
    const first = await alice.ok('PUT', pathOf(prefixes[1], txnId), request)
    expect(await alice.ok('PUT', pathOf(prefixes[0], txnId), request)).toEqual(first)
    const other = await alice.ok('PUT', pathOf(prefixes[0], txnId, 'm.other'), request)
    const sent = await alice.delay(room, hour, 'm.test', {}, txnId)
    expect(new Set([first.delay_id, other.delay_id, sent]).size).toBe(3)
  })

  test.each<[string, JsonObject, number, string]>([
    ['no delay', { content: {} }, 400, 'M_MISSING_PARAM'],
    ['a delay of null', { delay_ms: null, content: {} }, 400, 'M_MISSING_PARAM'],
    ['a delay of 0', { delay_ms: 0, content: {} }, 400, 'M_INVALID_PARAM'],
    ['a delay below 0', { delay_ms: -1, content: {} }, 400, 'M_INVALID_PARAM'],
    ['half a millisecond', { delay_ms: 1.5, content: {} }, 400, 'M_INVALID_PARAM'],
    ['a delay that is a string', { delay_ms: '5000', content: {} }, 400, 'M_INVALID_PARAM'],
    ['an old delay of 0', { delay: 0, content: {} }, 400, 'M_INVALID_PARAM'],
    ['two delays that differ', { delay_ms: 1, delay: 2, content: {} }, 400, 'M_INVALID_PARAM'],
    [
      'a second delay that is none',
      { delay_ms: 1, delay: '1', content: {} },
      400,
      'M_INVALID_PARAM',
    ],
    ['a delay over the maximum', { delay_ms: 86_400_001, content: {} }, 403, 'M_FORBIDDEN'],
    ['a delay beyond all integers', { delay_ms: 1e300, content: {} }, 403, 'M_FORBIDDEN'],
    ['no content', { delay_ms: 1 }, 400, 'M_MISSING_PARAM'],
    ['content that is no object', { delay_ms: 1, content: [] }, 400, 'M_BAD_JSON'],
    [
      'a state key that is no string',
      { delay_ms: 1, state_key: 1, content: {} },
      400,
      'M_BAD_JSON',
    ],
    [
      'a state key that is too long',
      { delay_ms: 1, state_key: 'x'.repeat(256), content: {} },
      413,
      'M_TOO_LARGE',
    ],
  ])('%s is refused, and nothing is scheduled or sent', async (_, body, status, errcode) => {
    const { next_batch: since } = await bob.sync()
    expect(refusalOf(await put(body))).toEqual({ status, errcode })
    expect(await alice.scheduled()).toEqual([])
    expect(await contentsSince(since)).toEqual([])
  })

  test('one too many: 429 M_LIMIT_EXCEEDED with Retry-After, and not kept by its txnId', async () => {
    for (const ms of [90_500, hour, hour]) await delay({ delay_ms: ms, content: {} })
    const path = pathOf(prefixes[0], newTxnId())
    const body = { delay_ms: hour, content: {} }
    const refused = await alice.request('PUT', path, { body })
    expect(refusalOf(refused)).toEqual({ status: 429, errcode: 'M_LIMIT_EXCEEDED' })
    expect(refused.body.retry_after_ms).toBe(90_500)
    expect(refused.headers.get('Retry-After')).toBe('91')
    await server.advance(91_000)
    expect((await alice.request('PUT', path, { body })).status).toBe(200)
  })

  test('whether one may send it is judged when it is sent', async () => {
    const name = { delay_ms: 1_000, state_key: '', content: { name: 'Bob' } }
    const path = pathOf(prefixes[0], newTxnId(), 'm.room.name')
    const { delay_id } = await bob.ok('PUT', path, { body: name })
    await server.advance(1_000)
    expect((await lookUp(delay_id, bob)).error.errcode).toBe('M_FORBIDDEN')
  })

  test.each(['max_delay_ms', 'max_scheduled_per_user'])('%s: 0 is 403 M_FORBIDDEN', async name => {
    const off = await startServer({ config: { delayed_events: { [name]: 0 } } })
    try {
      const charlie = await off.user('charlie')
      const roomId = await charlie.createRoom()
      for (const prefix of prefixes) {
        const path = pathOf(prefix, newTxnId(), 'm.test', roomId)
        const answer = await charlie.request('PUT', path, { body: { delay_ms: 1, content: {} } })
        expect(refusalOf(answer)).toEqual({ status: 403, errcode: 'M_FORBIDDEN' })
      }
    } finally {
      await off.stop()
    }
  })
})

describe('A newer state event', () => {
  const content = { by: 'alice' }
  const body = { delay_ms: 5_000, state_key: 'k', content }

  test('of another user leaves what this endpoint scheduled', async () => {
    const delayId = await delay(body)
    await bob.setState(room, 'm.test', 'k', { by: 'bob' })
    expect(await scheduledIds(alice)).toEqual([delayId])
    await server.advance(5_000)
    expect(await alice.state(room, 'm.test', 'k')).toEqual(content)
  })

  test('cancels, at the same moment, what the query scheduled', async () => {
    const stays = await delay(body)
    const goes = await alice.delayState(room, hour, 'm.test', 'k', content)
    await bob.setState(room, 'm.test', 'k', { by: 'bob, again' })
    expect(await scheduledIds(alice)).toEqual([stays])
    // An error would read as failed; it was cancelled.
    const item = await lookUp(goes)
    expect(item.finalised).toEqual({ finalised_ts: server.now() })
    expect(item).toMatchObject({ finalised_ts: server.now() })
    expect(item).not.toHaveProperty('error')
    expect(item).not.toHaveProperty('event_id')
  })
})

describe('Across the dialects', () => {
  test('scheduled in the query, cancelled under the stable name', async () => {
    const delayId = await alice.delay(room, hour, 'm.test', {})
    const path = `${stable}/${delayId}/cancel`
    expect((await alice.request('POST', path, { body: {} })).status).toBe(200)
    expect(await alice.scheduled()).toEqual([])
    expect((await alice.finalised())[0]).toMatchObject({ outcome: 'cancel', reason: 'action' })
  })

  test('scheduled here, restarted by lk-jwt-service, looked up by its owner', async () => {
    const delayId = await delay({ delay_ms: 8_000, content: { n: 1 } })
    await server.advance(7_999)
    const headers = { 'Content-Type': 'application/json' }
    const restart = { token: null, body: '{}', headers }
    const path = `${delayedEvents}/${delayId}/restart`
    expect(await server.anonymous().ok('POST', path, restart)).toEqual({})
    const now = server.now()
    const times = { delayed_since_ts: now, scheduled_at: now, running_since: now }
    expect(await lookUp(delayId)).toMatchObject({ ...times, delay_ms: 8_000 })
    await server.advance(7_999)
    expect(await scheduledIds(alice)).toEqual([delayId])
    await server.advance(1)
    expect(await scheduledIds(alice)).toEqual([])
  })

  test('restarting what was sent: 409 under the stable name, 404 under the unstable one', async () => {
    const delayId = await delay({ delay_ms: 1_000, content: {} })
    await server.advance(1_000)
    const newest = await alice.request('POST', `${stable}/${delayId}/restart`)
    expect(refusalOf(newest)).toEqual({ status: 409, errcode: 'M_UNKNOWN' })
    const deployed = await alice.manage(delayId, 'restart')
    expect(refusalOf(deployed)).toEqual({ status: 404, errcode: 'M_NOT_FOUND' })
  })

  test('the event tells its sender, and only them, the delay_id', async () => {
    const delayId = await delay({ delay_ms: 1_000, content: {} })
    await server.advance(1_000)
    const { event_id } = await lookUp(delayId)
    const names = { delay_id: delayId, 'org.matrix.msc4140.delay_id': delayId }
    expect((await alice.event(room, event_id)).unsigned).toMatchObject(names)
    for (const name of Object.keys(names)) {
      expect((await bob.event(room, event_id)).unsigned ?? {}).not.toHaveProperty([name])
    }
  })
})
