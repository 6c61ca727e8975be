/** What was scheduled in one dialect of MSC4140 can be managed and looked up in every other. */
import { type Client, delayedEvents, refusal } from '../support/client.ts'
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
  await newRoom()
})
afterEach(async () => {
  for (const { delay_id } of await alice.scheduled()) await alice.manage(delay_id, 'cancel')
})
afterAll(() => server.stop())

const client = '/_matrix/client'
const minute = 60_000
const content = { n: 1 }
const gist = ({ status, body }: { status: number; body: JsonObject }) =>
  `${status} ${body.errcode ?? ''}`.trim()
const put = (path: string, query: Record<string, string | number>, body: JsonObject) =>
  alice.ok('PUT', `${alice.roomPath(room)}/${path}`, { query, body })
const stable = `${client}/v1/delayed_events`

async function newRoom(): Promise<void> {
  room = await alice.createRoom({
    preset: 'public_chat',
    power_level_content_override: { state_default: 0 },
  })
  await bob.join(room)
}

/** Each schedules the event m.test for a minute later. */
const ways: [string, () => Promise<JsonObject>][] = [
  [
    'm.will_expire',
    () => put(`send/m.test/${alice.nextTransactionId()}`, {}, { 'm.will_expire': 60 }),
  ],
  [
    'send/future',
    () =>
      put(
        `send/future/${alice.nextTransactionId()}`,
        {},
        {
          'm.timeout': 60,
          'm.send_on_timeout': { type: 'm.test', content },
        },
      ),
  ],
  [
    '…/future',
    () =>
      put(
        `send/m.test/${alice.nextTransactionId()}/future`,
        {},
        {
          'm.timeout': 60,
          'm.send_on_timeout': content,
        },
      ),
  ],
  [
    'send_future',
    () => put(`send_future/m.test/${alice.nextTransactionId()}`, { timeout: 60 }, content),
  ],
  [
    'future_timeout',
    () => put(`send/m.test/${alice.nextTransactionId()}`, { future_timeout: minute }, content),
  ],
  ['delay', () => put(`send/m.test/${alice.nextTransactionId()}`, { delay: minute }, content)],
  [
    'org.matrix.msc4140.delay',
    () =>
      put(
        `send/m.test/${alice.nextTransactionId()}`,
        { 'org.matrix.msc4140.delay': minute },
        content,
      ),
  ],
  [
    'delayed_event',
    () =>
      put(`delayed_event/m.test/${alice.nextTransactionId()}`, {}, { delay_ms: minute, content }),
  ],
]

type Manage = (id: string, action: 'send' | 'cancel' | 'restart') => ReturnType<Client['request']>
const post = (path: string, body?: JsonObject, by = alice) => by.request('POST', path, { body })
const refresh = (action: string) => (action === 'restart' ? 'refresh' : action)
/** Each does one thing to a delayed event by its id. */
const managements: [string, Manage][] = [
  ['POST v1/delayed_events/{id}/{action}', (id, action) => post(`${stable}/${id}/${action}`, {})],
  [
    'POST unstable/delayed_events/{id}/{action}, without a token',
    (id, action) => post(`${delayedEvents}/${id}/${action}`, undefined, server.anonymous()),
  ],
  ['POST v1/delayed_events/{id}', (id, action) => post(`${stable}/${id}`, { action })],
  [
    'POST unstable/delayed_events/{id}, without a token',
    (id, action) => post(`${delayedEvents}/${id}`, { action }, server.anonymous()),
  ],
  [
    'POST v1/update_future',
    (id, action) => post(`${client}/v1/update_future`, { future_id: id, action: refresh(action) }),
  ],
  [
    'POST v1/futures/{id}',
    (id, action) => post(`${client}/v1/futures/${id}`, { action: refresh(action) }),
  ],
  [
    'POST v1/future/{id}',
    (id, action) =>
      post(`${client}/v1/future/${id}`, { action: refresh(action) }, server.anonymous()),
  ],
]

/** Of what a dialect answers, the one that is scheduled; as the newest list calls it. */
async function scheduledBy(way: () => Promise<JsonObject>): Promise<string> {
  await way()
  const [item, ...others] = await alice.scheduled()
  expect(others).toEqual([])
  return String(item?.delay_id)
}

describe.each(ways)('scheduled by %s', (_, way) => {
  test.each(managements)('%s: restart, cancel, send', async (_, manage) => {
    const cancelled = await scheduledBy(way)
    await server.advance(minute - 1)
    expect(gist(await manage(cancelled, 'restart'))).toBe('200')
    await server.advance(minute - 1)
    expect(await alice.scheduled()).toHaveLength(1)
    expect(gist(await manage(cancelled, 'cancel'))).toBe('200')
    expect((await alice.ok('GET', `${stable}/${cancelled}`)).finalised).not.toHaveProperty(
      'event_id',
    )

    const sent = await scheduledBy(way)
    expect(gist(await manage(sent, 'send'))).toBe('200')
    const { finalised } = await alice.ok('GET', `${stable}/${sent}`)
    expect((await bob.event(room, finalised.event_id)).type).toBe('m.test')
    await server.advance(2 * minute)
    const events = (await bob.messages(room, { dir: 'b' })).chunk
    expect(events.filter(({ event_id }) => event_id === finalised.event_id)).toHaveLength(1)
  })

  test('every list and look-up shows it, to its owner alone', async () => {
    const id = await scheduledBy(way)
    const ids = (list: JsonObject, name: string) => list.map((item: JsonObject) => item[name])
    for (const by of [alice, bob]) {
      const expected = by === alice ? [id] : []
      expect(ids((await by.ok('GET', stable)).delayed_events, 'delay_id')).toEqual(expected)
      expect(ids((await by.ok('GET', `${stable}/scheduled`)).scheduled, 'delay_id')).toEqual(
        expected,
      )
      expect(ids((await by.ok('GET', `${client}/v1/futures`)).futures, 'future_id')).toEqual(
        expected,
      )
      const requests = await by.ok('GET', `${client}/v1/future`)
      expect(requests.map(({ response }: JsonObject) => response.future_id)).toEqual(expected)
    }
    expect((await alice.ok('GET', `${stable}/${id}`)).delay_ms).toBe(minute)
    expect((await refusal(bob.ok('GET', `${stable}/${id}`))).status).toBe(404)
  })

  test('by the tokens of 2024-05 and by id, with the words of those drafts', async () => {
    const id = await scheduledBy(way)
    const options = (body: JsonObject) => ({ body })
    await server.advance(minute - 1)
    const first = await server
      .anonymous()
      .request('PUT', `${client}/v3/futures/refresh`, options({ future_token: id }))
    const second = await server
      .anonymous()
      .request('PUT', `${client}/v3/expiration/refresh`, options({ expire_refresh_token: id }))
    expect([first.status, second.status]).toEqual([200, 200])
    await server.advance(minute - 1)
    expect(await alice.scheduled()).toHaveLength(1)
    await server.advance(1)
    expect(await alice.scheduled()).toEqual([])
  })
})

describe.each([
  ['10', 'a second create event', 'm.room.create', '400 M_INVALID_PARAM'],
  ['12', 'a second create event', 'm.room.create', '400 M_INVALID_PARAM'],
  ['10', 'power levels that are none', 'm.room.power_levels', '400 M_BAD_JSON'],
  ['12', 'power levels that name a creator', 'm.room.power_levels', '400 M_BAD_JSON'],
])('In a room of version %s, %s', (version, _what, type, expected) => {
  const refused = (): JsonObject => {
    if (type === 'm.room.create') return { 'm.federate': false }
    return { users: { [alice.userId]: version === '12' ? 100 : 'high' } }
  }
  const whole = () => ({ type, state_key: '', content: refused() })
  const timeout = { 'm.timeout': 60 }
  const txnId = () => alice.nextTransactionId()
  /** Each asks for what can never be; at once, or a minute later. */
  const requests: [string, () => [string, JsonObject, JsonObject?]][] = [
    ['…/state', () => [`state/${type}`, refused()]],
    ['m.will_expire', () => [`state/${type}`, { ...refused(), 'm.will_expire': 60 }]],
    ['send/future', () => [`send/future/${txnId()}`, { ...timeout, 'm.send_on_timeout': whole() }]],
    [
      'send/future, on an action',
      () => [
        `send/future/${txnId()}`,
        {
          ...timeout,
          'm.send_on_timeout': { type: 'm.test', content },
          'm.send_on_action:start': whole(),
        },
      ],
    ],
    ['…/future', () => [`state/${type}//future`, { ...timeout, 'm.send_on_timeout': refused() }]],
    ['state_future', () => [`state_future/${type}`, refused(), { timeout: 60 }]],
    ['future_timeout', () => [`state/${type}`, refused(), { future_timeout: minute }]],
    ['delay', () => [`state/${type}`, refused(), { delay: minute }]],
    [
      'org.matrix.msc4140.delay',
      () => [`state/${type}`, refused(), { 'org.matrix.msc4140.delay': minute }],
    ],
    [
      'delayed_event',
      () => [
        `delayed_event/${type}/${txnId()}`,
        { delay_ms: minute, state_key: '', content: refused() },
      ],
    ],
  ]

  test.each(requests)(`%s is refused with ${expected}`, async (_, request) => {
    const roomId = await alice.createRoom({ room_version: version })
    const [path, body, query = {}] = request()
    const before = await server.rowCounts()
    const answer = await alice.request('PUT', `${alice.roomPath(roomId)}/${path}`, {
      body,
      query,
    })
    expect(gist(answer)).toBe(expected)
    expect(await server.rowCounts()).toEqual(before)
  })
})

describe('what depends on the dialect', () => {
  beforeEach(newRoom)
  const state = (key: string, query: Record<string, string | number>) =>
    put(`state/m.test/${key}`, query, content)
  const unstable = { 'org.matrix.msc4140.delay': minute }
  const schedule = {
    newest: (key: string) =>
      put(
        `delayed_event/m.test/${alice.nextTransactionId()}`,
        {},
        { delay_ms: minute, state_key: key, content },
      ),
    unstable: (key: string) => state(key, unstable),
    future: (key: string) => state(key, { future_timeout: minute }),
  }

  test.each<[keyof typeof schedule, string, boolean]>([
    ['newest', 'foreign', true],
    ['newest', 'own', true],
    ['unstable', 'foreign', false],
    ['unstable', 'own', true],
    ['future', 'foreign', false],
    ['future', 'own', false],
  ])(
    'scheduled in the %s dialect, a %s state update leaves it scheduled: %s',
    async (way, whose, stays) => {
      await schedule[way]('k')
      await (whose === 'own' ? alice : bob).setState(room, 'm.test', 'k', { newer: true })
      expect(await alice.scheduled()).toHaveLength(stays ? 1 : 0)
    },
  )

  test('restart of what was sent: 409 on the newest path, 404 on the others, 410 in 2024', async () => {
    const { delay_id: id } = await schedule.unstable('k')
    await server.advance(minute)
    const gists = []
    for (const [, manage] of managements) gists.push(gist(await manage(id, 'restart')))
    expect(gists).toEqual([
      '409 M_UNKNOWN',
      ...Array(3).fill('404 M_NOT_FOUND'),
      ...Array(3).fill('410 M_NOT_FOUND'),
    ])
  })

  test('too long a delay is told in the words of each', async () => {
    const long = 86_400_001
    const of = async (path: string, query: JsonObject, body: JsonObject = {}) => {
      const answer = await alice.request('PUT', `${alice.roomPath(room)}/${path}`, { query, body })
      return [gist(answer), Object.keys(answer.body).sort().slice(2).join()].join(' ')
    }
    expect(await of('delayed_event/m.test/l', {}, { delay_ms: long, content })).toBe(
      '403 M_FORBIDDEN ',
    )
    expect(await of('send/m.test/l', { 'org.matrix.msc4140.delay': long })).toBe(
      '400 M_UNKNOWN org.matrix.msc4140.errcode,org.matrix.msc4140.max_delay',
    )
    expect(await of('send/m.test/l', { delay: long })).toBe('400 M_MAX_DELAY_EXCEEDED max_delay')
    expect(await of('send/m.test/l', { future_timeout: long })).toBe(
      '400 M_FUTURE_MAX_TIMEOUT_EXCEEDED timeout_duration',
    )
  })

  test('a txnId that scheduled without a body again gets the same answer', async () => {
    const path = alice.roomPath(room, 'send', 'm.test', 'replay')
    const first = await alice.ok('PUT', path, { query: { future_timeout: minute }, body: content })
    expect(await alice.ok('PUT', path, { query: { future_timeout: minute } })).toEqual(first)
  })

  test('scheduled and finalised are lists, never ids', async () => {
    for (const name of ['scheduled', 'finalised', 'terminated']) {
      expect((await alice.request('GET', `${stable}/${name}`)).status).toBe(200)
    }
  })

  test('five overdue at a start are sent in the order of their times, whatever their dialect', async () => {
    await put('send/m.test/o3', { 'org.matrix.msc4140.delay': 3_000 }, { n: 3 })
    await put('send/m.test/o1', { delay: 1_000 }, { n: 1 })
    await put('send/m.test/o5', { future_timeout: 5_000 }, { n: 5 })
    await put(
      'send/future/o4',
      {},
      { 'm.timeout': 4, 'm.send_on_timeout': { type: 'm.test', content: { n: 4 } } },
    )
    await put('delayed_event/m.test/o2', {}, { delay_ms: 2_000, content: { n: 2 } })
    await server.restart(10_000)
    const { chunk } = await bob.messages(room, { dir: 'b' })
    expect(chunk.filter(({ type }) => type === 'm.test').map(({ content }) => content.n)).toEqual([
      5, 4, 3, 2, 1,
    ])
  })

  test('an action future is listed without a delay, cannot be restarted, and can be sent', async () => {
    const { future_group_id } = await put('send/m.test/g1', { future_timeout: minute }, content)
    const { future_id } = await put('send/m.test/g2', { future_group_id }, content)
    const item = (await alice.scheduled()).find(({ delay_id }) => delay_id === future_id)
    expect(item).not.toHaveProperty('delay_ms')
    expect(gist(await alice.manage(String(future_id), 'restart'))).toBe('400 M_INVALID_PARAM')
    expect(gist(await alice.manage(String(future_id), 'send'))).toBe('200')
    expect(await alice.scheduled()).toEqual([])
    expect(gist(await alice.manage(String(future_id), 'restart'))).toBe('404 M_NOT_FOUND')
  })

  test('two of a group that are due at the same moment: one is sent', async () => {
    const query = { future_timeout: 1_000, future_group_id: 'same moment' }
    for (const txnId of ['m1', 'm2', 'm3']) await put(`send/m.test/${txnId}`, query, content)
    await server.advance(1_000)
    const { chunk } = await bob.messages(room, { dir: 'b' })
    expect(chunk.filter(({ type }) => type === 'm.test')).toHaveLength(1)
    expect(await alice.scheduled()).toEqual([])
  })
})
