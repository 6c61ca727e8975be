/** MSC4140's Futures as they were in 2024-05: all events in one request, one token for them all. */
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

let server: TestServer
let alice: Client
let bob: Client
let room: string
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  bob = await server.user('bob')
})
beforeEach(async () => {
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

const put = (parts: string[], body: JsonObject) =>
  alice.request('PUT', alice.roomPath(room, ...parts), { body })
const schedule = async (parts: string[], body: JsonObject) => {
  const answer = await put(parts, body)
  expect(answer).toMatchObject({ status: 200 })
  return answer.body
}
const manage = (path: string, token: unknown, method = 'PUT') =>
  server.anonymous().request(method, `/_matrix/client/v3/futures/${path}`, {
    body: { future_token: token } as JsonObject,
  })
const gist = ({ status, body }: { status: number; body: JsonObject }) => `${status} ${body.errcode}`
const event = (n: number): JsonObject => ({ type: 'm.test', content: { n } })
const sent = async () =>
  (await bob.messages(room, { dir: 'b' })).chunk
    .filter(({ type }) => ['m.test', 'm.call', 'future'].includes(type))
    .map(({ content }) => content)
    .reverse()

describe('PUT …/send/future/{txnId}', () => {
  const body = {
    'm.timeout': 10,
    'm.send_on_timeout': event(1),
    'm.send_on_action:hangup': event(2),
    'm.send_on_action:error': event(3),
    'm.send_now': event(0),
  }

  test('sends what is for now, and answers each member with an id and all with a token', async () => {
    const answer = await schedule(['send', 'future', 'a'], body)
    const { future_token: token } = answer
    const eventId = expect.stringMatching(/^hgd_/)
    expect(answer).toEqual({
      'm.send_on_timeout': { eventId },
      'm.send_on_action:hangup': { eventId },
      'm.send_on_action:error': { eventId },
      'm.send_now': { eventId: expect.stringMatching(/^\$/) },
      future_token: expect.stringMatching(/^[0-9A-Za-z_-]{22,}$/),
      timeout_refresh_token: token,
    })
    expect(await sent()).toEqual([{ n: 0 }])
    expect(await schedule(['send', 'future', 'a'], {})).toEqual(answer)
    expect(await alice.scheduled()).toHaveLength(3)
  })

  test('when the time is up one is sent, and the others never', async () => {
    const { future_token } = await schedule(['send', 'future', 'b'], body)
    await server.advance(9_999)
    expect(await sent()).toEqual([{ n: 0 }])
    await server.advance(1)
    expect(await sent()).toEqual([{ n: 0 }, { n: 1 }])
    expect(gist(await manage('action/hangup', future_token))).toBe('410 M_NOT_FOUND')
    expect(await alice.scheduled()).toEqual([])
    const causes = (await alice.finalised())
      .slice(0, 3)
      .map(({ outcome, reason }) => `${outcome} ${reason}`)
    expect(causes.sort()).toEqual(['cancel action', 'cancel action', 'send delay'])
  })

  test.each(['PUT', 'POST'])('%s /futures/refresh and /futures/action/{name}', async method => {
    const { future_token } = await schedule(['send', 'future', method], body)
    await server.advance(9_000)
    expect((await manage('refresh', future_token, method)).status).toBe(200)
    await server.advance(9_000)
    expect(gist(await manage('action/none', future_token, method))).toBe('404 M_NOT_FOUND')
    expect((await manage('action/error', future_token, method)).status).toBe(200)
    expect(await sent()).toEqual([{ n: 0 }, { n: 3 }])
    expect(gist(await manage('refresh', future_token, method))).toBe('410 M_NOT_FOUND')
    await server.advance(20_000)
    expect(await sent()).toHaveLength(2)
  })

  test('$m.send_now.event_id is the event that is sent now: a message that redacts itself', async () => {
    const redaction = { type: 'm.room.redaction', content: { redacts: '$m.send_now.event_id' } }
    const answer = await schedule(['send', 'future', 'c'], {
      'm.timeout': 600,
      'm.send_now': event(7),
      'm.send_on_timeout': redaction,
      'm.send_on_action:x': {
        type: 'm.test',
        content: { list: ['$m.send_now.event_id', '$m.send_now.event_id?'] },
      },
    })
    const eventId = answer['m.send_now'].eventId
    const contents = (await alice.scheduled()).map(({ content }) => content)
    expect(contents).toEqual([{ redacts: eventId }, { list: [eventId, '$m.send_now.event_id?'] }])
    await server.advance(600_000)
    expect((await bob.event(room, eventId)).content).toEqual({})
  })

  test('is also read without m., with io.element., and with the actions in one object', async () => {
    const plain = await schedule(['send', 'future', 'd'], {
      timeout: 10,
      send_on_timeout: event(1),
      send_on_action: { stop: event(2) },
    })
    expect(plain.send_on_action).toEqual({ stop: { eventId: expect.any(String) } })
    expect((await manage('action/stop', plain.future_token)).status).toBe(200)
    await schedule(['send', 'future', 'e'], {
      'io.element.timeout': 10,
      'io.element.send_on_timeout': event(3),
    })
    await server.advance(10_000)
    // Under both, saying the same: for servers of either draft.
    await schedule(['send', 'future', 'both'], {
      timeout: 10,
      'm.timeout': 10,
      send_on_timeout: event(4),
      'm.send_on_timeout': event(4),
    })
    await server.advance(10_000)
    expect(await sent()).toEqual([{ n: 2 }, { n: 3 }, { n: 4 }])
  })

  test('an event of type `future` that says nothing of Futures is sent as ever', async () => {
    const answer = await schedule(['send', 'future', 'f'], { body: 'x', timeout: 3 })
    expect(Object.keys(answer)).toEqual(['event_id'])
    expect(await sent()).toEqual([{ body: 'x', timeout: 3 }])
  })

  test.each<[string, JsonObject]>([
    ['400 M_MISSING_PARAM', { 'm.timeout': 10 }],
    ['400 M_MISSING_PARAM', { 'm.send_on_timeout': event(1) }],
    ['400 M_INVALID_PARAM', { 'm.timeout': 0, 'm.send_on_timeout': event(1) }],
    ['400 M_INVALID_PARAM', { 'm.timeout': '10', 'm.send_on_timeout': event(1) }],
    ['400 M_INVALID_PARAM', { 'm.timeout': 1.5, 'm.send_on_timeout': event(1) }],
    [
      '400 M_FUTURE_MAX_TIMEOUT_EXCEEDED',
      { 'm.timeout': 86_401, 'm.send_now': event(0), 'm.send_on_timeout': event(1) },
    ],
    ['400 M_BAD_JSON', { 'm.timeout': 1, 'm.send_on_timeout': 'x' }],
    ['400 M_BAD_JSON', { 'm.timeout': 1, 'm.send_on_timeout': { type: 'm.test' } }],
    ['400 M_BAD_JSON', { 'm.timeout': 1, 'm.send_on_timeout': event(1), 'm.send_on_action:a': [] }],
    // One member under two of its names, which say different things: one of them would be lost.
    ...(
      [
        ['timeout', 10, 20],
        ['send_on_timeout', event(1), event(2)],
        ['send_now', event(1), event(2)],
        ['send_on_action:a', event(1), event(2)],
      ] as [string, JsonObject, JsonObject][]
    ).map(([name, one, another]): [string, JsonObject] => [
      '400 M_INVALID_PARAM',
      {
        'm.timeout': 10,
        'm.send_on_timeout': event(1),
        [`m.${name}`]: one,
        [`io.element.${name}`]: another,
      },
    ]),
    [
      '400 M_INVALID_PARAM',
      {
        timeout: 10,
        send_on_timeout: event(1),
        send_on_action: { a: event(1) },
        'm.send_on_action:a': event(2),
      },
    ],
    ['400 M_BAD_JSON', { timeout: 10, send_on_timeout: event(1), send_on_action: [event(1)] }],
    ...['\0', '\ud800', 'x'.repeat(256)].map((name): [string, JsonObject] => [
      '400 M_BAD_JSON',
      { 'm.timeout': 1, 'm.send_on_timeout': event(1), [`m.send_on_action:${name}`]: event(2) },
    ]),
    [
      '400 M_BAD_JSON',
      { timeout: 1, send_on_timeout: event(1), send_on_action: { '\0': event(2) } },
    ],
    [
      '400 M_INVALID_PARAM',
      {
        'm.timeout': 1,
        'm.send_on_timeout': { type: 't', content: { a: '$m.send_now.event_id' } },
      },
    ],
  ])('%s for %j, and nothing is sent', async (expected, body) => {
    expect(gist(await put(['send', 'future', alice.nextTransactionId()], body))).toBe(expected)
    expect(await sent()).toEqual([])
    expect(await alice.scheduled()).toEqual([])
  })
})

describe('PUT …/send/{eventType}/{txnId}/future and …/state/{eventType}/{stateKey}/future', () => {
  test('the members are contents', async () => {
    const answer = await schedule(['send', 'm.test', 'a', 'future'], {
      'm.timeout': 1,
      'm.send_on_timeout': { n: 1 },
    })
    expect(Object.keys(answer).sort()).toEqual([
      'future_token',
      'm.send_on_timeout',
      'timeout_refresh_token',
    ])
    await server.advance(1_000)
    expect(await sent()).toEqual([{ n: 1 }])
  })

  test('of state, the whole ends with what was sent now: any newer state event', async () => {
    const body = {
      'm.timeout': 9,
      'm.send_now': { n: 0 },
      'm.send_on_timeout': { n: 1 },
      'm.send_on_action:a': { n: 2 },
    }
    for (const by of [alice, bob]) {
      const { future_token } = await schedule(['state', 'm.call', 'k', 'future'], body)
      await by.setState(room, 'm.call', 'k', { new: true })
      expect(gist(await manage('refresh', future_token))).toBe('410 M_NOT_FOUND')
      expect(await alice.scheduled()).toEqual([])
      await server.advance(20_000)
      expect(await bob.state(room, 'm.call', 'k')).toEqual({ new: true })
    }
  })

  test('so it does where the others are no state of that key', async () => {
    await schedule(['send', 'future', alice.nextTransactionId()], {
      'm.timeout': 9,
      'm.send_now': { type: 'm.call', state_key: 'k', content: { n: 0 } },
      'm.send_on_timeout': event(1),
      'm.send_on_action:a': event(2),
    })
    await alice.setState(room, 'm.call', 'other', {})
    expect(await alice.scheduled()).toHaveLength(2)
    await alice.setState(room, 'm.call', 'k', { new: true })
    expect(await alice.scheduled()).toEqual([])
  })

  test('an action that sets the state cancels the timeout for its group, not for a state update', async () => {
    const body = {
      'm.timeout': 9,
      'm.send_now': { n: 0 },
      'm.send_on_timeout': { n: 1 },
      'm.send_on_action:a': { n: 2 },
    }
    const answer = await schedule(['state', 'm.call', 'k', 'future'], body)
    expect((await manage('action/a', answer.future_token)).status).toBe(200)
    expect(await bob.state(room, 'm.call', 'k')).toEqual({ n: 2 })
    const timeout = (await alice.finalised()).find(
      item => item.delayed_event.delay_id === answer['m.send_on_timeout'].eventId,
    )
    expect(timeout).toMatchObject({ outcome: 'cancel', reason: 'action' })
    expect(timeout).not.toHaveProperty('error')
  })

  test('the empty key is two slashes; one is state of the key `future`, and no Futures', async () => {
    const body = { 'm.timeout': 1, 'm.send_on_timeout': { n: 1 } }
    await schedule(['state', 'm.call', '', 'future'], body)
    await server.advance(1_000)
    expect(await bob.state(room, 'm.call', '')).toEqual({ n: 1 })
    expect(gist(await put(['state', 'm.call', 'future'], body))).toBe('400 M_INVALID_PARAM')
    await schedule(['state', 'm.call', 'future'], { a: 1 })
    expect(await bob.state(room, 'm.call', 'future')).toEqual({ a: 1 })
  })

  test('without a txnId it is an event of the txnId `future`, and no Futures', async () => {
    for (const body of [{ 'm.timeout': 1, 'm.send_on_timeout': { n: 1 } }, { 'm.timeout': 1 }]) {
      expect(gist(await put(['send', 'm.test', 'future'], body))).toBe('400 M_INVALID_PARAM')
    }
    expect(await sent()).toEqual([])
    expect(await alice.scheduled()).toEqual([])
    await schedule(['send', 'm.test', 'future'], { a: 1 })
    expect(await sent()).toEqual([{ a: 1 }])
  })

  test('a timeout that is refused when due takes its group with it', async () => {
    const { future_token } = await schedule(['send', 'm.test', 'r', 'future'], {
      'm.timeout': 5,
      'm.send_on_timeout': { n: 1 },
      'm.send_on_action:a': { n: 2 },
    })
    await alice.leave(room)
    await server.advance(5_000)
    expect(await alice.scheduled()).toEqual([])
    expect(gist(await manage('action/a', future_token))).toBe('410 M_NOT_FOUND')
  })

  test('an action that is refused leaves all as it was', async () => {
    const { future_token } = await schedule(['send', 'm.test', 'l', 'future'], {
      'm.timeout': 5,
      'm.send_on_timeout': { n: 1 },
      'm.send_on_action:a': { n: 2 },
    })
    await alice.leave(room)
    expect(gist(await manage('action/a', future_token))).toBe('403 M_FORBIDDEN')
    expect(await alice.scheduled()).toHaveLength(2)
  })
})

test('GET /futures: one item a request, with its events and its token', async () => {
  const { future_token, ...ids } = await schedule(['send', 'future', 'list'], {
    'm.timeout': 10,
    'm.send_now': event(0),
    'm.send_on_timeout': event(1),
    'm.send_on_action:a': event(2),
  })
  const list = await alice.ok('GET', '/_matrix/client/v3/futures')
  const whole = (n: number) => ({ ...event(n), room_id: room, sender: alice.userId })
  expect(list).toEqual([
    expect.objectContaining({
      'm.send_now': expect.objectContaining({ ...whole(0), event_id: ids['m.send_now'].eventId }),
      'm.send_on_timeout': whole(1),
      'm.send_on_action:a': whole(2),
      future_token,
      url: expect.stringMatching(
        /^\/_matrix\/client\/v1\/rooms\/.*\/send\/m\.test\/list\?future_timeout=10000/,
      ),
      body: { n: 1 },
    }),
  ])
  expect(await bob.ok('GET', '/_matrix/client/v3/futures')).toEqual([])
})
