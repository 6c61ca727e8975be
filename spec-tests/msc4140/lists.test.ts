import { type Answer, type Client, delayedEvents } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

const stable = '/_matrix/client/v1/delayed_events'
const msc4486 = '/_matrix/client/unstable/org.matrix.msc4486/delayed_events'
const hour = 3_600_000

let server: TestServer
let alice: Client
let bob: Client
let room: string
let otherRoom: string
/** delay_id → what the test calls it. */
let names: Map<string, string>

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.stop())

/** New users, who have scheduled nothing. */
async function meet(): Promise<void> {
  alice = await server.user('alice')
  bob = await server.user('bob')
  room = await alice.createRoom({ preset: 'public_chat' })
  otherRoom = await alice.createRoom()
  await bob.join(room)
  names = new Map()
}

async function schedule(name: string, delayMs: number, type = 'm.test', where = room) {
  const delayId = await alice.delay(where, delayMs, type, { name })
  names.set(delayId, name)
  return delayId
}

/** One of each: what can become of a delayed event, in the order in which they were to be sent. */
async function oneOfEach(): Promise<void> {
  await meet()
  const cancelled = await schedule('cancelled', 1 * hour)
  const early = await schedule('sent on request', 2 * hour, 'm.other')
  await schedule('sent when due', 1_000)
  await alice.setState(room, 'm.room.power_levels', '', {
    ...(await alice.state(room, 'm.room.power_levels')),
    events: { 'm.mine': 0, 'm.high': 100 },
  })
  names.set(await alice.delayState(room, 3 * hour, 'm.mine', '', {}), 'overtaken')
  await server.advance(1_000)
  await bob.setState(room, 'm.mine', '', { by: 'bob' })
  await server.advance(1)
  await alice.manage(cancelled, 'cancel')
  await server.advance(1)
  await alice.manage(early, 'send')
  await server.advance(1)
  await alice.leave(otherRoom)
  await schedule('failed', 1_000, 'm.test', otherRoom)
  await server.advance(1_001)
  await schedule('scheduled first', 4 * hour)
  await schedule('scheduled second', 5 * hour, 'm.other')
}
const inOrderOfSending = [
  'sent when due',
  'failed',
  'cancelled',
  'sent on request',
  'overtaken',
  'scheduled first',
  'scheduled second',
]
const latestFirst = ['failed', 'sent on request', 'cancelled', 'overtaken', 'sent when due']
const scheduledOnes = ['scheduled first', 'scheduled second']

/** The query as it is written: a parameter may be there twice. */
const get = (base: string, query = '', client = alice): Promise<Answer> =>
  client.request('GET', `${base}${query}`)

const namesIn = (items: JsonObject[] | undefined) =>
  items?.map(item => names.get(String(item.delay_id ?? item.delayed_event.delay_id)))

/** The body with the delayed events in it by their names. */
async function read(base: string, query = ''): Promise<JsonObject> {
  const { status, body } = await get(base, query)
  expect(status).toBe(200)
  return Object.fromEntries(
    Object.entries(body).map(([key, value]) => [
      key,
      Array.isArray(value) ? namesIn(value) : value,
    ]),
  )
}

describe.each([stable, delayedEvents])('GET %s', base => {
  beforeAll(oneOfEach)

  test('no query: what is scheduled, and beside it what is over', async () => {
    expect(await read(base)).toEqual({
      delayed_events: scheduledOnes,
      scheduled: scheduledOnes,
      finalised: latestFirst,
    })
  })

  test.each([
    ['status=scheduled', { delayed_events: scheduledOnes, scheduled: scheduledOnes }],
    ['status=finalised', { delayed_events: latestFirst, finalised: latestFirst }],
    [
      'status=finalised&dir=f',
      {
        delayed_events: [...latestFirst].reverse(),
        finalised: [...latestFirst].reverse(),
      },
    ],
    ['status=sent', { delayed_events: ['sent when due', 'sent on request'] }],
    ['status=send', { delayed_events: ['sent when due', 'sent on request'] }],
    ['status=cancelled', { delayed_events: ['cancelled', 'overtaken'] }],
    ['status=cancel', { delayed_events: ['cancelled', 'overtaken'] }],
    ['status=failed', { delayed_events: ['failed'] }],
    ['status=error', { delayed_events: ['failed'] }],
    ['dir=f', { delayed_events: inOrderOfSending }],
    ['dir=b', { delayed_events: [...inOrderOfSending].reverse() }],
    ['type=m.other', { delayed_events: ['sent on request', 'scheduled second'] }],
    ['type=m.other&status=sent', { delayed_events: ['sent on request'] }],
    ['type=m.none', { delayed_events: [] }],
    ['org.matrix.msc4486.status=failed', { delayed_events: ['failed'] }],
    [
      'org.matrix.msc4486.type=m.other&org.matrix.msc4486.dir=b',
      {
        delayed_events: ['scheduled second', 'sent on request'],
      },
    ],
  ])('?%s', async (query, expected) => {
    expect(await read(base, `?${query}`)).toEqual(expected)
  })

  // The draft of 2026-05: a line in time, on which one stands now and looks to either side.
  test.each([
    ['order_by=send_ts', inOrderOfSending.slice(2)],
    ['order_by=send_ts&dir=f', inOrderOfSending.slice(2)],
    ['order_by=send_ts&dir=b', ['failed', 'sent when due']],
    ['order_by=send_ts&since_ts=0', inOrderOfSending],
    ['order_by=send_ts&since_ts=0&dir=b', []],
    ['since_ts=end', inOrderOfSending],
    ['since_ts=end&dir=b', [...inOrderOfSending].reverse()],
    ['order_by=finalised_ts', scheduledOnes],
    ['order_by=finalised_ts&dir=b', latestFirst],
    // Its first name, and as ruma spells it.
    ['order_by=origin_server_ts&dir=b', latestFirst],
    ['order_by=finalized_ts&dir=b', latestFirst],
    ['order_by=finalised_ts&since_ts=end', [...[...latestFirst].reverse(), ...scheduledOnes]],
    ['order_by=running_since', scheduledOnes],
    [
      'order_by=running_since&dir=b',
      [...scheduledOnes]
        .reverse()
        .concat('failed', 'overtaken', 'sent when due', 'sent on request', 'cancelled'),
    ],
    ['order_by=send_ts&since_ts=end&status=scheduled', scheduledOnes],
    [
      'order_by=send_ts&since_ts=end&status=finalised',
      ['sent when due', 'failed', 'cancelled', 'sent on request', 'overtaken'],
    ],
    ['since_ts=end&outcome=send', ['sent when due', 'sent on request']],
    ['outcome=send', ['sent on request']],
    ['since_ts=end&outcome=cancel', ['cancelled', 'overtaken']],
    ['since_ts=end&outcome=error', ['failed']],
    ['since_ts=end&reason=action', ['cancelled', 'sent on request']],
    ['since_ts=end&reason=delay', ['sent when due', 'failed']],
    ['since_ts=end&reason=delay&outcome=send', ['sent when due']],
    ['since_ts=end&outcome=send&status=scheduled', []],
    ['since_ts=end&outcome=send&type=m.other', ['sent on request']],
  ])('?%s', async (query, expected) => {
    expect(await read(base, `?${query}`)).toEqual({ delayed_events: expected })
  })

  test('?room_id: only of that room', async () => {
    const query = `?room_id=${encodeURIComponent(otherRoom)}`
    expect(await read(base, query)).toEqual({ delayed_events: ['failed'] })
  })

  test('?delay_id, several times: those of the caller, split', async () => {
    const theirs = await bob.delay(room, hour, 'm.test', {})
    const ids = [...names].filter(([, name]) => /sent when|first|fail/.test(name)).map(([id]) => id)
    const query = [...ids, theirs, 'hgd_unknown', ''].map(id => `delay_id=${id}`).join('&')
    expect(await read(base, `?${query}`)).toEqual({
      delayed_events: ['sent when due', 'failed', 'scheduled first'],
      scheduled: ['scheduled first'],
      finalised: ['sent when due', 'failed'],
    })
    expect(await read(base, `?${query}&status=scheduled`)).toEqual({
      delayed_events: ['scheduled first'],
      scheduled: ['scheduled first'],
      finalised: [],
    })
    expect(await read(base, `?${query}&order_by=running_since&reason=delay&dir=b`)).toEqual({
      delayed_events: ['failed', 'sent when due'],
      scheduled: [],
      finalised: ['failed', 'sent when due'],
    })
    expect(await read(base, '?delay_id=hgd_unknown')).toEqual({
      delayed_events: [],
      scheduled: [],
      finalised: [],
    })
  })

  test.each([
    'status=oops',
    'status=',
    'dir=x',
    'from_ts=-1',
    'from_ts=soon',
    'to_ts=1.5',
    'room_id=oops',
    'type=',
    'from=oops',
    'from=',
    'delay_id=%00',
    'order_by=',
    'order_by=content',
    'since_ts=-1',
    'since_ts=start',
    'outcome=sent',
    'reason=error',
    'org.matrix.msc4486.dir=x',
    'org.matrix.msc4486.from=oops',
    'status=sent&org.matrix.msc4486.status=failed',
  ])('?%s: 400 M_INVALID_PARAM', async query => {
    const { status, body } = await get(base, `?${query}`)
    expect([status, body.errcode]).toEqual([400, 'M_INVALID_PARAM'])
  })

  test('without a token: 401', async () => {
    const answer = await alice.request('GET', `${base}?status=sent`, { token: null })
    expect(answer.status).toBe(401)
  })
})

describe('GET /_matrix/client/unstable/org.matrix.msc4486/delayed_events', () => {
  beforeAll(oneOfEach)

  test('everything, in the order of sending', async () => {
    expect(await read(msc4486)).toEqual({ delayed_events: inOrderOfSending })
    expect(await read(msc4486, '?dir=b&status=sent')).toEqual({
      delayed_events: ['sent on request', 'sent when due'],
    })
    expect(await read(msc4486, '?status=error')).toEqual({ delayed_events: ['failed'] })
  })

  test('items are as they are looked up by their id', async () => {
    const { body } = await get(msc4486)
    for (const item of body.delayed_events) {
      expect((await get(delayedEvents, `/${item.delay_id}`)).body).toEqual(item)
    }
  })

  test.each(['status=finalised', 'status=oops', 'from=oops', 'to_ts=never', 'room_id=x'])(
    '?%s: 400 M_INVALID_PARAM',
    async query => {
      const { status, body } = await get(msc4486, `?${query}`)
      expect([status, body.errcode]).toEqual([400, 'M_INVALID_PARAM'])
    },
  )

  test('is for those who have a token, and tells of nobody else', async () => {
    expect((await get(msc4486, '', bob)).body).toEqual({ delayed_events: [] })
    expect((await alice.request('GET', msc4486, { token: null })).status).toBe(401)
  })
})

describe('pages and times', () => {
  beforeEach(meet)

  test('?from_ts, ?to_ts: the time of sending, both ends inclusive', async () => {
    const start = server.now()
    for (const delayMs of [1_000, 2_000, 3_000, 4_000]) await schedule(String(delayMs), delayMs)
    const query = `?from_ts=${start + 2_000}&to_ts=${start + 3_000}`
    expect(await read(msc4486, query)).toEqual({ delayed_events: ['2000', '3000'] })
    // When it was to be sent, not when it was.
    await alice.manage(String([...names.keys()][2]), 'send')
    expect(await read(stable, `${query}&dir=b`)).toEqual({ delayed_events: ['3000', '2000'] })
  })

  /** Every page, from the first on. */
  async function pages(base: string, query: string, key = 'next_batch'): Promise<JsonObject[]> {
    const all = [await read(base, query)]
    for (let last = all[0]; last?.[key]; last = all.at(-1)) {
      // The token knows the rest.
      all.push(await read(base, `?from=${last[key]}`))
    }
    return all
  }
  const numbers = (from: number, to: number) =>
    Array.from({ length: Math.abs(to - from) + 1 }, (_, i) =>
      String(from < to ? from + i : from - i),
    )

  /** 25 that are over, by twos at the same moment, and 12 that are scheduled for one moment. */
  async function many(): Promise<void> {
    for (let i = 1; i <= 25; i++) await schedule(String(i), 100 + Math.floor(i / 2))
    await server.advance(200)
    for (let i = 26; i <= 37; i++) await schedule(String(i), hour)
  }

  test('status=scheduled: ten at a time, in the order of sending', async () => {
    await many()
    expect((await pages(stable, '?status=scheduled')).map(page => page.scheduled)).toEqual([
      numbers(26, 35),
      numbers(36, 37),
    ])
  })

  test('no query: what is scheduled is whole, what is over goes on', async () => {
    await many()
    const [first, ...others] = await pages(delayedEvents, '')
    expect(first?.delayed_events).toEqual(numbers(26, 37))
    expect(first?.finalised).toEqual(numbers(25, 16))
    // A reader of `delayed_events` never takes one that is over for scheduled.
    expect(others).toMatchObject([
      { delayed_events: [], scheduled: [], finalised: numbers(15, 6) },
      { delayed_events: [], scheduled: [], finalised: numbers(5, 1) },
    ])
    expect(others.at(-1)).not.toHaveProperty('next_batch')
  })

  test('status=finalised, and the split list, which share their tokens', async () => {
    await many()
    const [first] = await pages(stable, '?status=finalised')
    const split = await pages(`${stable}/finalised`, '')
    expect(split.map(page => page.finalised)).toEqual([
      numbers(25, 16),
      numbers(15, 6),
      numbers(5, 1),
    ])
    expect(await read(`${delayedEvents}/terminated`, `?from=${first?.next_batch}`)).toMatchObject({
      terminated_events: numbers(15, 6),
      next_batch: expect.any(String),
      next_terminated_batch: expect.any(String),
    })
  })

  test.each(['f', 'b'])('MSC4486, dir=%s: filters and direction are in the token', async dir => {
    await many()
    const filter = `?dir=${dir}&type=m.test&room_id=${encodeURIComponent(room)}`
    await schedule('other type', 2 * hour, 'm.other')
    await schedule('other room', 2 * hour, 'm.test', otherRoom)
    const seen = (await pages(msc4486, filter)).flatMap(page => page.delayed_events)
    expect(seen).toEqual(dir === 'f' ? numbers(1, 37) : numbers(37, 1))
  })

  test('order_by: with next_batch forwards, and prev_batch backwards', async () => {
    await many()
    expect(await pages(stable, '?order_by=send_ts')).toEqual([
      { delayed_events: numbers(26, 35), next_batch: expect.any(String) },
      { delayed_events: numbers(36, 37) },
    ])
    const last = { delayed_events: numbers(5, 1) }
    const batch = { prev_batch: expect.any(String) }
    for (const order of ['send_ts', 'finalised_ts']) {
      const query = `?order_by=${order}&dir=b`
      expect(await pages(delayedEvents, query, 'prev_batch')).toEqual([
        { delayed_events: numbers(25, 16), ...batch },
        { delayed_events: numbers(15, 6), ...batch },
        last,
      ])
    }
    const since = `?order_by=running_since&dir=b&outcome=send&since_ts=end`
    expect((await pages(stable, since, 'prev_batch')).at(-1)).toEqual(last)
  })

  test('the prefixed question has a prefixed next_batch as well', async () => {
    await many()
    const name = 'org.matrix.msc4486.next_batch'
    const first = await read(stable, '?org.matrix.msc4486.status=sent')
    expect(first[name]).toBe(first.next_batch)
    const second = await read(stable, `?org.matrix.msc4486.from=${first[name]}`)
    expect(second.delayed_events).toEqual(numbers(11, 20))
    expect(await read(stable, '?status=sent')).not.toHaveProperty([name])
  })

  test('a full last page has no next_batch', async () => {
    for (let i = 1; i <= 10; i++) await schedule(String(i), hour)
    expect(await read(stable, '?status=scheduled')).not.toHaveProperty('next_batch')
  })

  test('what is scheduled or finalised meanwhile moves nothing that is still to come', async () => {
    await many()
    const first = await read(msc4486, '?dir=f')
    await schedule('new', 1)
    await server.advance(1)
    await alice.manage(String([...names.keys()][12]), 'cancel')
    const second = await read(msc4486, `?from=${first.next_batch}`)
    expect(second.delayed_events).toEqual(numbers(11, 20))
  })

  test('a token of one list is not one of another: 400', async () => {
    await many()
    const { next_batch: flat } = await read(msc4486)
    const { next_batch: scheduled } = await read(`${stable}/scheduled`)
    for (const [path, token] of [
      [`${stable}/scheduled`, flat],
      [`${stable}/finalised`, scheduled],
      [msc4486, scheduled],
    ]) {
      const { status, body } = await get(path, `?from=${token}`)
      expect([status, body.errcode]).toEqual([400, 'M_INVALID_PARAM'])
    }
  })

  test('a token shows whoever uses it their own, and holds no delay_id', async () => {
    await many()
    const { next_batch } = await read(msc4486)
    expect((await get(msc4486, `?from=${next_batch}`, bob)).body).toEqual({ delayed_events: [] })
    const inside = Buffer.from(String(next_batch), 'base64url').toString()
    for (const delayId of names.keys()) expect(inside).not.toContain(delayId)
  })
})

describe('GET /_matrix/client/versions', () => {
  test('has the flags of the stable names and of MSC4486', async () => {
    const { unstable_features } = await alice.ok('GET', '/_matrix/client/versions')
    expect(unstable_features).toMatchObject({
      'org.matrix.msc4140': true,
      'org.matrix.msc4140.stable': true,
      'org.matrix.msc4486': true,
    })
  })
})

test('guests schedule, list, look up and manage as everybody does', async () => {
  await meet()
  await alice.setState(room, 'm.room.guest_access', '', { guest_access: 'can_join' })
  const guest = server.anonymous()
  const register = { query: { kind: 'guest' }, body: {}, token: null }
  const session = await guest.ok('POST', '/_matrix/client/v3/register', register)
  guest.token = String(session.access_token)
  await guest.join(room)
  const first = await guest.delay(room, hour, 'm.test', {})
  const put = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/delayed_event/m.test/1`
  const second = (await guest.ok('PUT', put, { body: { delay_ms: hour, content: {} } })).delay_id
  for (const base of [stable, delayedEvents]) {
    for (const action of ['restart', 'send', 'cancel']) {
      const id = action === 'cancel' ? second : first
      expect((await guest.request('POST', `${base}/${id}/${action}`)).status).not.toBe(403)
    }
    expect((await guest.ok('GET', `${base}/${first}`)).delay_id).toBe(first)
    for (const list of ['', '/scheduled', '/finalised', '/terminated']) {
      expect((await guest.request('GET', `${base}${list}`)).status).toBe(200)
    }
  }
  const { delayed_events } = await guest.ok('GET', msc4486)
  expect(delayed_events.map((item: JsonObject) => Boolean(item.finalised?.event_id))).toEqual([
    true,
    false,
  ])
})
