/** A dialect that is switched off refuses, and no request for a delay is ever sent at once. */
import type { Client, RequestOptions } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

const dialects = [
  'expiring_events',
  'futures',
  'future_tokens',
  'future_ids',
  'stable_delay',
  'unstable_delay',
  'delayed_event',
]
const unstable = 'org.matrix.msc4140.'
const gist = ({ status, body }: { status: number; body: JsonObject }) => `${status} ${body.errcode}`

const content = { msgtype: 'm.text', body: 'x' }
const expiring = { body: { 'm.will_expire': 5 } }
const futures = { body: { 'm.timeout': 5, 'm.send_on_timeout': { type: 'm.test', content } } }
const query = (query: RequestOptions['query']): RequestOptions => ({ query, body: content })

/** What asks for something later: below /rooms/{roomId}, with what, and the refusal if it is off. */
const requests: [string, RequestOptions, string][] = [
  ['send/m.test/1', query({ delay: 5 }), '400 M_UNRECOGNIZED'],
  ['send/m.test/1/', query({ delay: 5 }), '400 M_UNRECOGNIZED'],
  ['state/m.test/k', query({ delay: 5 }), '400 M_UNRECOGNIZED'],
  ['state/m.test', query({ delay: 5 }), '400 M_UNRECOGNIZED'],
  ['state/m.test/', query({ delay: 5 }), '400 M_UNRECOGNIZED'],
  ['send/m.test/1', query({ [`${unstable}delay`]: 5 }), '400 M_UNRECOGNIZED'],
  ['state/m.test/k', query({ [`${unstable}delay`]: 5 }), '400 M_UNRECOGNIZED'],
  ['send/m.test/1', query({ delay: 5, [`${unstable}delay`]: 5 }), '400 M_UNRECOGNIZED'],
  ['send/m.test/1', query({ future_timeout: 5 }), '404 M_UNRECOGNIZED'],
  ['state/m.test/k', query({ [`${unstable}future_timeout`]: 5 }), '404 M_UNRECOGNIZED'],
  ['send/m.test/1', query({ future_group_id: 'g' }), '404 M_UNRECOGNIZED'],
  ['send/m.test/1', query({ parent_future_id: 'p' }), '404 M_UNRECOGNIZED'],
  ['send_future/m.test/1', query({ timeout: 5 }), '404 M_UNRECOGNIZED'],
  ['state_future/m.test/k', query({ future_timeout: 5 }), '404 M_UNRECOGNIZED'],
  ['send/m.test/1', expiring, '404 M_UNRECOGNIZED'],
  ['state/m.test/k', expiring, '404 M_UNRECOGNIZED'],
  ['send/future/1', futures, '404 M_UNRECOGNIZED'],
  ['send/m.test/1/future', futures, '404 M_UNRECOGNIZED'],
  ['state/m.test/k/future', futures, '404 M_UNRECOGNIZED'],
  ['delayed_event/m.test/1', { body: { delay_ms: 5, content } }, '404 M_UNRECOGNIZED'],
]

/** Everything of the user's in the room but what made it. */
async function sentBy(client: Client, room: string): Promise<string[]> {
  const { chunk } = await client.messages(room, { dir: 'b', limit: 100 })
  return chunk
    .filter(({ type }) => ['m.test', 'future', 'm.room.redaction'].includes(type))
    .map(({ type }) => type)
}

describe('with every dialect switched off', () => {
  let server: TestServer
  let alice: Client
  let room: string
  beforeAll(async () => {
    const off = Object.fromEntries(dialects.map(name => [name, false]))
    server = await startServer({ config: { delayed_events: { dialects: off } } })
    alice = await server.user('alice')
    room = await alice.createRoom()
  })
  afterAll(() => server.stop())

  test.each(requests)(
    'PUT %s with %j is %s, and nothing is sent or scheduled',
    async (path, options, expected) => {
      expect(gist(await alice.request('PUT', `${alice.roomPath(room)}/${path}`, options))).toBe(
        expected,
      )
      expect(await alice.scheduled()).toEqual([])
      expect(await sentBy(alice, room)).toEqual([])
    },
  )

  test.each([
    ['PUT', 'v3/expiration/refresh'],
    ['POST', 'v3/futures/refresh'],
    ['POST', 'v3/futures/action/a'],
    ['POST', 'v1/future/x'],
    ['POST', 'v1/update_future'],
    ['POST', 'v1/futures/x'],
    ['GET', 'v1/futures'],
    ['GET', 'v3/futures'],
  ])('%s /%s is no endpoint', async (method, path) => {
    const options = method === 'GET' ? {} : { body: {} }
    expect(gist(await alice.request(method, `/_matrix/client/${path}`, options))).toBe(
      '404 M_UNRECOGNIZED',
    )
  })

  test('clients are not told that they may send a delay', async () => {
    const { unstable_features } = await alice.ok('GET', '/_matrix/client/versions')
    expect(unstable_features[`${unstable.slice(0, -1)}`]).toBe(false)
    expect(unstable_features['org.matrix.msc4140.stable']).toBe(false)
    const { capabilities } = await alice.ok('GET', '/_matrix/client/v3/capabilities')
    const none = { max_delay_ms: 0, max_scheduled: 0 }
    expect(capabilities['m.delayed_events']).toEqual(none)
    expect(capabilities['org.matrix.msc4140.delayed_events']).toEqual(none)
  })

  test('without the newest dialect alone, only clients of that one are told so', async () => {
    const one = await startServer({
      config: { delayed_events: { dialects: { delayed_event: false } } },
    })
    const by = await one.user('alice')
    const { unstable_features } = await by.ok('GET', '/_matrix/client/versions')
    expect(unstable_features['org.matrix.msc4140']).toBe(true)
    expect(unstable_features['org.matrix.msc4140.stable']).toBe(false)
    const { capabilities } = await by.ok('GET', '/_matrix/client/v3/capabilities')
    expect(capabilities['m.delayed_events'].max_delay_ms).toBe(0)
    expect(capabilities['org.matrix.msc4140.delayed_events'].max_delay_ms).toBe(86_400_000)
    await one.stop()
  })
})

describe('with delayed events switched off', () => {
  test.each(
    requests
      .filter(([, , refusal]) => refusal.startsWith('404'))
      .slice(0, -1)
      .map(([path, options]) => [path, options] as const),
  )('PUT %s is 404 in the dialects that know no other word', async (path, options) => {
    const alice = await off.user('alice')
    const room = await alice.createRoom()
    const answer = await alice.request('PUT', `${alice.roomPath(room)}/${path}`, options)
    expect(gist(answer)).toBe('404 M_UNRECOGNIZED')
    expect(await sentBy(alice, room)).toEqual([])
  })
  let off: TestServer
  beforeAll(async () => {
    off = await startServer({ config: { delayed_events: { max_delay_ms: 0 } } })
  })
  afterAll(() => off.stop())
})

describe('with every dialect switched on', () => {
  let server: TestServer
  let alice: Client
  let bob: Client
  let room: string
  let eventId: string
  beforeAll(async () => {
    server = await startServer()
    alice = await server.user('alice')
    bob = await server.user('bob')
    room = await alice.createRoom({ preset: 'public_chat' })
    eventId = await alice.say(room, 'hello')
  })
  afterAll(() => server.stop())
  const members = async () =>
    Object.keys((await alice.ok('GET', alice.roomPath(room, 'joined_members'))).joined)

  test.each(requests)('PUT %s with %j is not sent at once', async (path, options) => {
    await alice.request('PUT', `${alice.roomPath(room)}/${path}`, options)
    // An expiring event is sent at once, and another follows; the rest wait.
    expect(await sentBy(alice, room)).toEqual(options === expiring ? ['m.test'] : [])
    for (const { delay_id } of await alice.scheduled()) await alice.manage(delay_id, 'cancel')
    room = await alice.createRoom({ preset: 'public_chat' })
    eventId = await alice.say(room, 'hello')
  })

  const names = [
    'delay',
    'delay_ms',
    'future_timeout',
    'future_group_id',
    'parent_delay_id',
    'parent_future_id',
  ]
  test.each(names.flatMap(name => [name, `${unstable}${name}`]))(
    '?%s= is refused where it is not understood',
    async name => {
      const body = { ...content, user_id: bob.userId }
      const places: [string, string, Client?][] = [
        ['PUT', alice.roomPath(room, 'redact', eventId, '1')],
        ['POST', alice.roomPath(room, 'join'), bob],
        ['POST', `/_matrix/client/v3/join/${encodeURIComponent(room)}`, bob],
        ['POST', alice.roomPath(room, 'leave')],
        ['POST', alice.roomPath(room, 'invite')],
        ['POST', alice.roomPath(room, 'kick')],
        ['POST', alice.roomPath(room, 'ban')],
        ['POST', '/_matrix/client/v3/createRoom'],
        ['PUT', alice.roomPath(room, 'delayed_event', 'm.test', '1')],
        ['PUT', `${alice.roomPath(room)}/send/m.test/1/future`],
      ]
      for (const [method, path, by = alice] of places) {
        const answer = await by.request(method, path, { query: { [name]: 5_000 }, body })
        expect(`${path} ${gist(answer)}`).toBe(`${path} 400 M_UNRECOGNIZED`)
      }
      expect(await members()).toEqual([alice.userId])
      expect((await alice.event(room, eventId)).content).toMatchObject({ body: 'hello' })
    },
  )

  test.each(['delay_ms', `${unstable}delay_ms`, 'parent_delay_id', `${unstable}parent_delay_id`])(
    '?%s= is refused by /send and /state',
    async name => {
      for (const path of ['send/m.test/9', 'state/m.test/k']) {
        const answer = await alice.request('PUT', `${alice.roomPath(room)}/${path}`, {
          query: { [name]: 5 },
          body: {},
        })
        expect(gist(answer)).toBe('400 M_UNRECOGNIZED')
      }
      expect(await sentBy(alice, room)).toEqual([])
    },
  )

  test.each([
    '?delay',
    '?delay=',
    '?delay=&delay=5',
    '?d%65lay=',
    `?${unstable}delay=5&delay=6`,
    '?delay=5&future_timeout=5',
    '?future_timeout=5&org.matrix.msc4140.future_timeout=6',
    '?delay=5&future_group_id=g',
  ])('/send%s is 400 M_INVALID_PARAM, and nothing is sent', async search => {
    for (const path of ['send/m.test/8', 'state/m.test/k']) {
      const answer = await alice.request('PUT', `${alice.roomPath(room)}/${path}${search}`, {
        body: {},
      })
      expect(gist(answer)).toBe('400 M_INVALID_PARAM')
    }
    expect(await sentBy(alice, room)).toEqual([])
  })

  test('POST …/send is 405, with a delay or without', async () => {
    const path = alice.roomPath(room, 'send', 'm.test', '7')
    expect(gist(await alice.request('POST', path, query({ delay: 5 })))).toBe('405 M_UNRECOGNIZED')
  })

  test('m.will_expire is refused where nothing would end the event', async () => {
    const body = { 'm.will_expire': 5 }
    const initial_state = [{ type: 'm.test', state_key: '', content: body }]
    const places: [string, string, JsonObject, RequestOptions['query']?, Client?][] = [
      ['PUT', alice.roomPath(room, 'redact', eventId, '2'), body],
      ['POST', alice.roomPath(room, 'join'), body, {}, bob],
      ['POST', '/_matrix/client/v3/createRoom', { initial_state }],
      ['PUT', alice.roomPath(room, 'send', 'm.test', '5'), { content: body }],
      ['PUT', alice.roomPath(room, 'send', 'm.test', '6'), body, { delay: 5 }],
      ['PUT', alice.roomPath(room, 'state', 'm.test', 'k'), body, { future_timeout: 5 }],
      ['PUT', alice.roomPath(room, 'delayed_event', 'm.test', '3'), { delay_ms: 5, content: body }],
      [
        'PUT',
        alice.roomPath(room, 'send', 'future', '4'),
        { timeout: 5, send_on_timeout: { type: 'm.test', content: body } },
      ],
    ]
    for (const [method, path, body, query = {}, by = alice] of places) {
      const answer = await by.request(method, path, { body, query })
      expect(`${path} ${gist(answer)}`).toBe(`${path} 400 M_INVALID_PARAM`)
    }
    expect(await sentBy(alice, room)).toEqual([])
    expect(await alice.scheduled()).toEqual([])
    expect(await members()).toEqual([alice.userId])
  })
})

describe('delayed_events.cancel_policy', () => {
  test.each<[string, string[]]>([
    ['any', []],
    ['other_user', ['own']],
    ['none', ['own', 'other']],
  ])('%s: what stays scheduled', async (cancel_policy, expected) => {
    const server = await startServer({ config: { delayed_events: { cancel_policy } } })
    const [alice, bob] = [await server.user('alice'), await server.user('bob')]
    const room = await alice.createRoom({
      preset: 'public_chat',
      power_level_content_override: { state_default: 0 },
    })
    await bob.join(room)
    for (const [key, by] of [
      ['own', alice],
      ['other', bob],
    ] as const) {
      await alice.delayState(room, 60_000, 'm.test', key, {})
      await by.setState(room, 'm.test', key, { n: 1 })
    }
    const left = (await alice.scheduled()).map(({ state_key }) => state_key)
    for (const { delay_id } of await alice.scheduled()) await alice.manage(delay_id, 'cancel')
    await server.stop()
    expect(left).toEqual(expected)
  })
})
