import { createPublicKey, verify } from 'node:crypto'
import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

let server: TestServer
let alice: Client
let bob: Client
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  bob = await server.user('bob')
})
afterAll(() => server.stop())

interface SignedEvent {
  type: string
  room_id: string
  sender: string
  content: JsonObject
  hashes: { sha256: string }
  signatures: Record<string, Record<string, string>>
  depth: number
  prev_events: string[]
  auth_events: string[]
  origin_server_ts: number
}

const filterPath = (user: Client, filterId = '') =>
  `/_matrix/client/v3/user/${encodeURIComponent(user.userId)}/filter${filterId && `/${filterId}`}`

describe('TestSyncFilter: /_matrix/client/v3/user/{userId}/filter', () => {
  const definition = { room: { timeline: { limit: 10 } } }

  test('can create filter', async () => {
    const answer = await alice.ok('POST', filterPath(alice), { body: definition })
    expect(answer).toEqual({ filter_id: expect.stringMatching(/^[^{]/) })
  })

  test('can download filter', async () => {
    const filterId = await alice.saveFilter(definition)
    expect(await alice.ok('GET', filterPath(alice, filterId))).toEqual(definition)
  })

  test('what the server does not know in a filter comes back as it was', async () => {
    const odd = { ...definition, 'org.example.more': { deep: [1] }, event_fields: ['type'] }
    const filterId = await alice.saveFilter(odd)
    expect(await alice.ok('GET', filterPath(alice, filterId))).toEqual(odd)
  })

  test('an unknown filter, and one of another user, is 404; another’s path is 403', async () => {
    const filterId = await bob.saveFilter({ room: { include_leave: true } })
    for (const [path, status] of [
      [filterPath(alice, 'unknown'), 404],
      [filterPath(alice, filterId), 404],
      [filterPath(bob, filterId), 403],
    ] as const) {
      expect((await refusal(alice.ok('GET', path))).status).toBe(status)
    }
    const posted = await refusal(alice.ok('POST', filterPath(bob), { body: definition }))
    expect(posted.status).toBe(403)
  })
})

describe('TestFilter: POST /_matrix/client/v3/user/{userId}/filter, malformed', () => {
  test.each([
    { presence: 'not_a_dictionary' },
    { room: { timeline: 'not_a_dictionary' } },
    { room: { state: 'not_a_dictionary' } },
    { room: { ephemeral: 'not_a_dictionary' } },
    { room: { account_data: 'not_a_dictionary' } },
    { room: { timeline: { rooms: 'not_a_list' } } },
    { room: { timeline: { not_rooms: 'not_a_list' } } },
    { room: { timeline: { senders: 'not_a_list' } } },
    { room: { timeline: { not_senders: 'not_a_list' } } },
    { room: { timeline: { types: 'not_a_list' } } },
    { room: { timeline: { not_types: 'not_a_list' } } },
    { room: { timeline: { types: [1] } } },
    { room: { timeline: { rooms: ['not_a_room_id'] } } },
    { room: { timeline: { senders: ['not_a_sender_id'] } } },
  ])('%j is 400', async filter => {
    const failed = await refusal(alice.saveFilter(filter))
    expect([failed.status, failed.errcode]).toEqual([400, 'M_BAD_JSON'])
  })
})

describe('GET /_matrix/client/v3/sync?filter=', () => {
  let room: string
  let since: string
  const names = new Map<string, string>()
  beforeAll(async () => {
    room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    since = (await alice.sync()).next_batch
    const note = (name: string, eventId: string) => names.set(eventId, name)
    note('hello', await alice.say(room, 'hello'))
    const file = { msgtype: 'm.file', body: 'file', url: 'mxc://hs1/file' }
    note('file', await bob.send(room, 'm.room.message', file))
    note('custom', await bob.send(room, 'org.example.a.b', {}))
    note('topic', await alice.setState(room, 'm.room.topic', '', { topic: 'filters' }))
    note('state', await alice.setState(room, 'org.example.state', 'key', { a: 1 }))
  })

  const named = (events: { event_id: string }[] = []) =>
    events.map(event => names.get(event.event_id)).filter(name => name !== undefined)

  /** Replaces the names that stand for what is known only when the test runs. */
  const inWords = (filter: JsonObject) =>
    JSON.stringify(filter).replaceAll('ALICE', alice.userId).replaceAll('ROOM', room)

  const timelines: [JsonObject, string[]][] = [
    [{}, ['hello', 'file', 'custom', 'topic', 'state']],
    [{ types: ['m.room.message'] }, ['hello', 'file']],
    [{ types: ['m.room.*'] }, ['hello', 'file', 'topic']],
    [{ types: ['org.*.b', 'm.room.topic'] }, ['custom', 'topic']],
    [{ types: ['*'] }, ['hello', 'file', 'custom', 'topic', 'state']],
    [{ types: ['m_room%'] }, []],
    [{ types: [] }, []],
    [{ not_types: ['org.example.*'] }, ['hello', 'file', 'topic']],
    [{ types: ['m.*'], not_types: ['*.topic'] }, ['hello', 'file']],
    [{ not_types: ['*'] }, []],
    [{ senders: ['ALICE'] }, ['hello', 'topic', 'state']],
    [{ not_senders: ['ALICE'] }, ['file', 'custom']],
    [{ senders: ['ALICE'], not_senders: ['ALICE'] }, []],
    [{ contains_url: true }, ['file']],
    [{ contains_url: false }, ['hello', 'custom', 'topic', 'state']],
    [{ rooms: ['ROOM'], types: ['m.room.topic'] }, ['topic']],
    [{ rooms: ['!another:hs1'] }, []],
    [{ not_rooms: ['ROOM'] }, []],
    [{ limit: 2 }, ['topic', 'state']],
    [{ limit: 1, types: ['m.room.message'] }, ['file']],
    [{ limit: 0 }, []],
  ]

  test.each(timelines)('room.timeline %j, inline and by id', async (timeline, expected) => {
    const filter = inWords({ room: { timeline } })
    for (const given of [filter, await alice.saveFilter(JSON.parse(filter))]) {
      const { rooms } = await alice.sync({ since, filter: given })
      expect(named(rooms.join?.[room]?.timeline.events)).toEqual(expected)
    }
  })

  test.each([
    [1, true],
    [2, false],
  ])('a timeline of what passes, two events, is cut by limit %i: %s', async (limit, limited) => {
    const filter = JSON.stringify({ room: { timeline: { limit, types: ['m.room.message'] } } })
    const { rooms } = await alice.sync({ since, filter })
    expect(rooms.join?.[room]?.timeline).toMatchObject({ limited })
  })

  const states: [JsonObject, string[]][] = [
    [{}, ['topic', 'state']],
    [{ types: ['org.example.*'] }, ['state']],
    [{ not_types: ['org.example.*'] }, ['topic']],
    [{ types: [] }, []],
    [{ senders: ['@nobody:hs1'] }, []],
    [{ not_rooms: ['ROOM'] }, []],
  ]

  test.each(states)('room.state %j, over a timeline of one event', async (state, expected) => {
    await alice.say(room, 'the last word')
    const filter = inWords({ room: { state, timeline: { limit: 1 } } })
    const { rooms } = await alice.sync({ since, filter })
    expect(named(rooms.join?.[room]?.state.events)).toEqual(expected)
  })

  test('state that the timeline’s filter leaves out is told as state', async () => {
    const filter = JSON.stringify({ room: { timeline: { types: ['m.room.message'] } } })
    const { rooms } = await alice.sync({ since, filter })
    expect(named(rooms.join?.[room]?.timeline.events)).toEqual(['hello', 'file'])
    expect(named(rooms.join?.[room]?.state.events)).toEqual(['topic', 'state'])
  })

  test('room.rooms and room.not_rooms choose the rooms', async () => {
    const other = await alice.createRoom()
    const joined = async (filter: JsonObject) =>
      Object.keys((await alice.sync({ filter: JSON.stringify({ room: filter }) })).rooms.join ?? {})
    expect(await joined({ rooms: [room] })).toEqual([room])
    expect(await joined({ not_rooms: [room] })).toEqual([other])
    expect(await joined({ rooms: [room], not_rooms: [room] })).toEqual([])
    expect(await joined({})).toHaveLength(2)
  })

  test('presence and account_data have filters of their own', async () => {
    const path = `/_matrix/client/v3/user/${encodeURIComponent(alice.userId)}`
    await alice.ok('PUT', `${path}/account_data/org.example.a`, { body: { a: 1 } })
    await alice.ok('PUT', `${path}/account_data/org.example.b`, { body: {} })
    await bob.sync()
    const both = await alice.sync()
    expect(both.presence.events.map(event => event.sender)).toContain(bob.userId)
    const filter = JSON.stringify({
      presence: { types: [] },
      account_data: { types: ['org.example.*'], not_types: ['org.example.b'] },
    })
    const { presence, account_data: accountData } = await alice.sync({ filter })
    expect(presence.events).toEqual([])
    expect(accountData.events).toEqual([{ type: 'org.example.a', content: { a: 1 } }])
  })

  test('`event_fields` leaves of each event only what it names', async () => {
    const fieldRoom = await alice.createRoom()
    const content = { msgtype: 'm.text', body: 'x', 'a.b': { c: 1, d: 2 } }
    await alice.send(fieldRoom, 'm.room.message', content)
    const filter = JSON.stringify({
      event_fields: ['type', 'content.body', 'content.a\\.b.c', 'content.none', 'sender.x'],
      room: { rooms: [fieldRoom], timeline: { types: ['m.room.message'] } },
    })
    const { rooms } = await alice.sync({ filter })
    expect(rooms.join?.[fieldRoom]?.timeline.events).toEqual([
      { type: 'm.room.message', content: { body: 'x', 'a.b': { c: 1 } } },
    ])
    const state = rooms.join?.[fieldRoom]?.state.events ?? []
    expect(state.length).toBeGreaterThan(3)
    for (const event of state) expect(Object.keys(event)).toEqual(['type'])
  })

  test('`event_format: federation` shows events as servers exchange them', async () => {
    const raw = await alice.createRoom()
    await alice.say(raw, 'hello')
    const filter = JSON.stringify({ event_format: 'federation', room: { rooms: [raw] } })
    const { events } = (await alice.sync({ filter })).rooms.join?.[raw]?.timeline ?? { events: [] }
    expect(events.at(-1)).toMatchObject({
      room_id: raw,
      hashes: { sha256: expect.any(String) },
      signatures: { hs1: {} },
      prev_events: [expect.any(String)],
      depth: events.length,
      content: { body: 'hello' },
    })
    expect(events.at(-1)).not.toHaveProperty('event_id')
  })

  test('in that format events are signed by the key that the server shows, redacted or not', async () => {
    const raw = await alice.createRoom({ room_version: '11' })
    await alice.redact(raw, await alice.say(raw, 'gone'), { reason: 'because' })
    const filter = JSON.stringify({ event_format: 'federation', room: { rooms: [raw] } })
    const { events } = (await alice.sync({ filter })).rooms.join?.[raw]?.timeline ?? { events: [] }
    const keys = (await alice.ok('GET', '/_matrix/key/v2/server')) as {
      verify_keys: Record<string, { key: string }>
    }
    const [[keyId, { key }] = ['', { key: '' }]] = Object.entries(keys.verify_keys)
    const x = Buffer.from(key, 'base64').toString('base64url')
    const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
    for (const event of events.slice(-2) as unknown as SignedEvent[]) {
      // Of both kinds of event, in version 11, a redaction keeps only these.
      const { hashes, depth, prev_events, auth_events, origin_server_ts } = event
      const { room_id, sender, type, content } = event
      const covered = JSON.stringify({
        auth_events,
        content: content.redacts === undefined ? {} : { redacts: content.redacts },
        depth,
        hashes,
        origin_server_ts,
        prev_events,
        room_id,
        sender,
        type,
      })
      const signature = Buffer.from(event.signatures.hs1?.[keyId] ?? '', 'base64')
      expect(verify(null, Buffer.from(covered), publicKey, signature)).toBe(true)
    }
    expect(events.slice(-2).map(event => event.content)).toEqual([
      {},
      { redacts: expect.any(String), reason: 'because' },
    ])
  })

  test('a room in which the filter leaves nothing to tell is not told of', async () => {
    const { next_batch } = await alice.sync()
    await bob.send(room, 'org.example.other', {})
    const filter = JSON.stringify({ room: { timeline: { not_types: ['org.example.*'] } } })
    expect((await alice.sync({ since: next_batch, filter })).rooms).toEqual({})
    expect(Object.keys((await alice.sync({ since: next_batch })).rooms.join ?? {})).toEqual([room])
  })

  test.each([
    ['{', 'M_NOT_JSON'],
    ['{"room":[]}', 'M_BAD_JSON'],
    ['{"room":{"timeline":{"limit":"10"}}}', 'M_BAD_JSON'],
    ['{"room":{"rooms":["nonsense"]}}', 'M_BAD_JSON'],
    ['unknown', 'M_INVALID_PARAM'],
  ])('the filter %j is 400', async (filter, errcode) => {
    const failed = await refusal(alice.sync({ filter }))
    expect({ status: failed.status, errcode: failed.errcode }).toEqual({ status: 400, errcode })
  })

  test('a filter by its id survives a restart', async () => {
    const filter = await alice.saveFilter({ room: { timeline: { types: ['m.room.topic'] } } })
    await server.restart()
    const { rooms } = await alice.sync({ since, filter })
    expect(named(rooms.join?.[room]?.timeline.events)).toEqual(['topic'])
  })
})
