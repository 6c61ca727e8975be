import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject, WireEvent } from '../support/wire.ts'

let server: TestServer
let alice: Client
let bob: Client
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  bob = await server.user('bob')
})
afterAll(() => server.stop())

const bodies = (events: WireEvent[]) =>
  events.filter(event => event.type === 'm.room.message').map(event => event.content.body)

/** Send `m1` to `m{count}`. */
async function sayAll(room: string, count: number): Promise<string[]> {
  const ids: string[] = []
  for (let number = 1; number <= count; number++) ids.push(await alice.say(room, `m${number}`))
  return ids
}

describe('TestFetchEvent: GET /_matrix/client/v3/rooms/{roomId}/event/{eventId}', () => {
  test('a member reads an event, whole', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    const eventId = await alice.say(room, 'Hello world')
    const event = await bob.ok('GET', bob.roomPath(room, 'event', eventId))
    expect(event).toEqual({
      content: { msgtype: 'm.text', body: 'Hello world' },
      type: 'm.room.message',
      room_id: room,
      sender: alice.userId,
      event_id: eventId,
      origin_server_ts: server.now(),
      unsigned: { age: 0, membership: 'join' },
    })
  })

  test('an unknown event, or one of another room, is 404', async () => {
    const room = await alice.createRoom()
    const elsewhere = await alice.say(await alice.createRoom(), 'hello')
    for (const eventId of ['$unknown', elsewhere]) {
      const { status, errcode } = await refusal(
        alice.ok('GET', alice.roomPath(room, 'event', eventId)),
      )
      expect({ status, errcode }).toEqual({ status: 404, errcode: 'M_NOT_FOUND' })
    }
  })
})

describe('GET /_matrix/client/v3/rooms/{roomId}/messages', () => {
  test('TestFetchMessagesFromNonExistentRoom: an unknown room is 403', async () => {
    const { status, errcode } = await refusal(alice.messages('!does-not-exist:hs1', { dir: 'b' }))
    expect({ status, errcode }).toEqual({ status: 403, errcode: 'M_FORBIDDEN' })
  })

  test('pages go backwards from the end, or forwards from the beginning', async () => {
    const room = await alice.createRoom()
    await sayAll(room, 3)
    const latest = await alice.messages(room, { dir: 'b', limit: 2 })
    expect(bodies(latest.chunk)).toEqual(['m3', 'm2'])
    const before = await alice.messages(room, { dir: 'b', limit: 1, from: latest.end })
    expect(bodies(before.chunk)).toEqual(['m1'])
    expect(before.start).toBe(latest.end)

    const first = await alice.messages(room, { dir: 'f', limit: 1 })
    expect(first.chunk.map(event => event.type)).toEqual(['m.room.create'])
    const rest = await alice.messages(room, { dir: 'f', limit: 100, from: first.end })
    expect(bodies(rest.chunk)).toEqual(['m1', 'm2', 'm3'])
    expect(rest.chunk.map(event => event.type)).not.toContain('m.room.create')
    for (const event of rest.chunk) expect(event.room_id).toBe(room)
  })

  test.each(['b', 'f'])('dir=%s: `end` is absent only when nothing is left', async dir => {
    const room = await alice.createRoom()
    await sayAll(room, 2)
    const page = await alice.messages(room, { dir, limit: 100 })
    expect(bodies(page.chunk)).toHaveLength(2)
    expect(page.end).toEqual(expect.any(String))
    const next = await alice.messages(room, { dir, limit: 100, from: page.end })
    expect(next.chunk).toEqual([])
    expect(next).not.toHaveProperty('end')
  })

  test.each([1, 2, 3, 7, 50])(
    'limit=%i: pages in either direction give every event once',
    async limit => {
      const room = await alice.createRoom()
      await sayAll(room, 5)
      const walk = async (dir: string) => {
        const seen: string[] = []
        let from: string | undefined
        do {
          const page = await alice.messages(room, { dir, limit, from })
          expect(page.chunk.length).toBeLessThanOrEqual(limit)
          seen.push(...page.chunk.map(event => event.event_id))
          from = page.end
        } while (from !== undefined)
        return seen
      }
      const forwards = await walk('f')
      expect(new Set(forwards).size).toBe(forwards.length)
      const all = await alice.messages(room, { dir: 'f', limit: 100 })
      expect(forwards).toEqual(all.chunk.map(event => event.event_id))
      expect(await walk('b')).toEqual(forwards.reverse())
    },
  )

  test('pages are the same from memory, and from the database when the server has restarted', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    const [first = ''] = await sayAll(room, 12)
    await alice.redact(room, await alice.say(room, 'taken back'))
    await alice.send(room, 'm.reaction', {
      'm.relates_to': { rel_type: 'm.annotation', event_id: first, key: '👍' },
    })
    await alice.setState(room, 'm.room.topic', '', { topic: 'all of it' })
    const read = async () => {
      const pages: WireEvent[][] = []
      let from: string | undefined
      do {
        const { chunk, end } = await bob.messages(room, { dir: 'b', from, limit: 7 })
        pages.push(chunk)
        from = end
      } while (from !== undefined)
      return pages
    }
    const fromDatabase = async () => {
      await server.restart()
      return read()
    }
    const inMemory = await read()
    expect(inMemory.length).toBeGreaterThan(3)
    expect(await fromDatabase()).toEqual(inMemory)
    // Of the first page, what was read is in memory now.
    expect(await read()).toEqual(inMemory)
  })

  test('what has been read of a room shows what comes after, and what is redacted', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    const [said = ''] = await sayAll(room, 3)
    await server.restart()
    const latest = async (limit: number) =>
      (await bob.messages(room, { dir: 'b', limit })).chunk.map(({ content }) => content.body)
    expect(await latest(3)).toEqual(['m3', 'm2', 'm1'])
    await alice.say(room, 'm4')
    expect(await latest(3)).toEqual(['m4', 'm3', 'm2'])
    expect(await latest(4)).toEqual(['m4', 'm3', 'm2', 'm1'])
    await alice.redact(room, said)
    expect(await latest(5)).toEqual([undefined, 'm4', 'm3', 'm2', undefined])
  })

  test('a page in one direction is undone by one in the other', async () => {
    const room = await alice.createRoom()
    await sayAll(room, 4)
    const back = await alice.messages(room, { dir: 'b', limit: 3 })
    const forth = await alice.messages(room, { dir: 'f', limit: 3, from: back.end })
    expect(forth.chunk.map(event => event.event_id)).toEqual(
      back.chunk.map(event => event.event_id).reverse(),
    )
  })

  test('`to` is where the pages end, in either direction', async () => {
    const room = await alice.createRoom()
    await alice.say(room, 'before')
    const { next_batch: lower } = await alice.sync()
    await sayAll(room, 3)
    const { next_batch: upper } = await alice.sync()
    await alice.say(room, 'after')
    const forwards = await alice.messages(room, { dir: 'f', from: lower, to: upper })
    expect(bodies(forwards.chunk)).toEqual(['m1', 'm2', 'm3'])
    const backwards = await alice.messages(room, { dir: 'b', from: upper, to: lower })
    expect(bodies(backwards.chunk)).toEqual(['m3', 'm2', 'm1'])
    const ended = await alice.messages(room, { dir: 'b', from: backwards.end, to: lower })
    expect(ended.chunk).toEqual([])
    expect(ended).not.toHaveProperty('end')
  })

  test.each(['from', 'to'])('an empty `%s`, as older matrix-nio sends it, is none', async name => {
    const room = await alice.createRoom()
    await sayAll(room, 2)
    const whole = await alice.messages(room, { dir: 'b', limit: 100 })
    expect(await alice.messages(room, { dir: 'b', limit: 100, [name]: '' })).toEqual(whole)
  })

  test('10 events are a page unless `limit`, or the filter, says otherwise', async () => {
    const room = await alice.createRoom()
    await sayAll(room, 12)
    expect((await alice.messages(room, { dir: 'b' })).chunk).toHaveLength(10)
    const filter = JSON.stringify({ limit: 4 })
    expect((await alice.messages(room, { dir: 'b', filter })).chunk).toHaveLength(4)
    expect((await alice.messages(room, { dir: 'b', filter, limit: 11 })).chunk).toHaveLength(11)
  })

  test.each([
    [{ types: ['m.room.message'] }, ['hello', 'a file']],
    [{ not_types: ['m.room.*'] }, ['a custom event']],
    [{ contains_url: true }, ['a file']],
    [{ contains_url: false, types: ['m.room.message', 'org.*'] }, ['hello', 'a custom event']],
    [{ senders: ['@nobody:hs1'] }, []],
    [{ rooms: ['!another:hs1'] }, []],
  ])('the filter %j lets through what it says', async (filter, expected) => {
    const room = await alice.createRoom()
    await alice.say(room, 'hello')
    await alice.send(room, 'm.room.message', {
      msgtype: 'm.file',
      body: 'a file',
      url: 'mxc://a/b',
    })
    await alice.send(room, 'org.example.custom', { body: 'a custom event' })
    const page = await alice.messages(room, { dir: 'f', filter: JSON.stringify(filter), limit: 50 })
    expect(page.chunk.map(event => event.content.body)).toEqual(expected)
  })

  test.each([
    [{ from: 'nonsense' }, 'M_INVALID_PARAM'],
    [{ to: 't1_2_3' }, 'M_INVALID_PARAM'],
    [{ dir: 'x' }, 'M_INVALID_PARAM'],
    [{ limit: '-1' }, 'M_INVALID_PARAM'],
    [{ filter: '{' }, 'M_NOT_JSON'],
    [{ filter: '{"types":"m.room.message"}' }, 'M_BAD_JSON'],
  ])('%j is 400', async (query, errcode) => {
    const room = await alice.createRoom()
    const failed = await refusal(alice.messages(room, { dir: 'b', ...query }))
    expect({ status: failed.status, errcode: failed.errcode }).toEqual({ status: 400, errcode })
  })
})

test('TestFilterMessagesByRelType: GET /rooms/{roomId}/messages (MSC3874)', async () => {
  const room = await alice.createRoom()
  const root = await alice.say(room, 'Message without a relation')
  const relate = (rel_type: string) =>
    alice.send(room, 'm.room.message', {
      msgtype: 'm.text',
      body: rel_type,
      'm.relates_to': { event_id: root, rel_type },
    })
  for (const relType of ['m.reference', 'io.matrix.reaction']) await relate(relType)
  const found = async (filter: JsonObject) => {
    const query = { dir: 'f', limit: 100, filter: JSON.stringify(filter) }
    return bodies((await alice.messages(room, query)).chunk)
  }
  for (const prefix of ['', 'org.matrix.msc3874.']) {
    const [only, not] = [`${prefix}rel_types`, `${prefix}not_rel_types`]
    expect(await found({ [only]: ['m.reference'] })).toEqual(['m.reference'])
    expect(await found({ [only]: ['m.reference', 'io.matrix.reaction'] })).toEqual([
      'm.reference',
      'io.matrix.reaction',
    ])
    expect(await found({ [not]: ['m.reference'] })).toEqual([
      'Message without a relation',
      'io.matrix.reaction',
    ])
  }
})

test('GET /rooms/{roomId}/messages: with `limit` 0 one stays where one is', async () => {
  const room = await alice.createRoom()
  const { next_batch: from } = await alice.sync()
  const eventId = await alice.say(room, 'after that')
  const none = await alice.messages(room, { dir: 'f', from, limit: 0 })
  expect(none.chunk).toEqual([])
  const next = await alice.messages(room, { dir: 'f', from: none.end })
  expect(next.chunk.map(event => event.event_id)).toEqual([eventId])
})

describe('GET /_matrix/client/v3/rooms/{roomId}/context/{eventId}', () => {
  test('the event, half of `limit` before it, newest first, and half after it', async () => {
    const room = await alice.createRoom()
    const ids = await sayAll(room, 7)
    const path = alice.roomPath(room, 'context', String(ids[3]))
    const context = await alice.ok('GET', path, { query: { limit: 4 } })
    expect(context.event.event_id).toBe(ids[3])
    expect(bodies(context.events_before)).toEqual(['m3', 'm2'])
    expect(bodies(context.events_after)).toEqual(['m5', 'm6'])
    expect(context.state.map((event: WireEvent) => event.type)).toContain('m.room.create')

    const further = await alice.messages(room, { dir: 'b', limit: 1, from: context.start })
    expect(bodies(further.chunk)).toEqual(['m1'])
    const later = await alice.messages(room, { dir: 'f', limit: 5, from: context.end })
    expect(bodies(later.chunk)).toEqual(['m7'])
  })
})

test('GET /rooms/{roomId}/context/{eventId}: the filter, and of the members those who speak', async () => {
  const charlie = await server.user('charlie')
  const room = await alice.createRoom({ preset: 'public_chat' })
  for (const user of [bob, charlie]) await user.join(room)
  await alice.send(room, 'org.example', { body: 'passed over' })
  await bob.say(room, 'before')
  const eventId = await alice.say(room, 'here')
  await alice.send(room, 'org.example', { body: 'passed over' })
  await bob.say(room, 'after')
  const filter = JSON.stringify({ types: ['m.room.message'], lazy_load_members: true })
  const path = alice.roomPath(room, 'context', eventId)
  const context = await alice.ok('GET', path, { query: { filter } })
  expect(bodies(context.events_before)).toEqual(['before'])
  expect(context.events_before).toHaveLength(1)
  expect(bodies(context.events_after)).toEqual(['after'])
  const members = context.state.filter((event: WireEvent) => event.type === 'm.room.member')
  expect(members.map((event: WireEvent) => event.state_key)).toEqual([alice.userId, bob.userId])
})

test('GET /rooms/{roomId}/context/{eventId}: the filter is for the state, too, not for the event', async () => {
  const room = await alice.createRoom()
  await alice.setState(room, 'm.room.name', '', { name: 'The room' })
  const [, eventId] = await sayAll(room, 3)
  const path = alice.roomPath(room, 'context', String(eventId))
  const around = async (filter: JsonObject) => {
    const context = await alice.ok('GET', path, { query: { filter: JSON.stringify(filter) } })
    expect(context.event.event_id).toBe(eventId)
    const types = (events: WireEvent[]) => events.map(event => event.type)
    return [context.events_before, context.events_after, context.state].map(types)
  }
  const [said, named] = [['m.room.message'], ['m.room.name']]
  expect(await around({ types: said })).toEqual([said, said, []])
  expect(await around({ types: named })).toEqual([named, [], named])
  expect(await around({ not_senders: [alice.userId] })).toEqual([[], [], []])
  for (const elsewhere of [{ rooms: ['!other:hs1'] }, { rooms: [] }, { not_rooms: [room] }]) {
    expect(await around(elsewhere)).toEqual([[], [], []])
  }
  expect((await around({ rooms: [room] }))[2]).toContain('m.room.create')
})

describe('TestJumpToDateEndpoint: GET /_matrix/client/v1/rooms/{roomId}/timestamp_to_event', () => {
  const path = (room: string, prefix = 'v1') =>
    alice.roomPath(room, 'timestamp_to_event').replace('/v3/', `/${prefix}/`)
  const near = (user: Client, room: string, ts: number, dir: string) =>
    user.ok('GET', path(room), { query: { ts, dir } })
  const expectNone = async (room: string, ts: number, dir: string) => {
    const { status, errcode } = await refusal(near(alice, room, ts, dir))
    expect({ status, errcode }).toEqual({ status: 404, errcode: 'M_NOT_FOUND' })
  }

  test('finds the next event after a time, and the last before it', async () => {
    const room = await alice.createRoom()
    await server.advance(1_000)
    const before = server.now()
    const first = await alice.say(room, 'first')
    await server.advance(1_000)
    const second = await alice.say(room, 'second')
    const at = { event_id: second, origin_server_ts: before + 1_000 }
    expect(await near(alice, room, before + 1, 'f')).toEqual(at)
    expect(await near(alice, room, before + 1_000, 'f')).toEqual(at)
    expect(await near(alice, room, before + 5_000, 'b')).toEqual(at)
    expect(await near(alice, room, before + 999, 'b')).toMatchObject({ event_id: first })
    const unstable = path(room, 'unstable/org.matrix.msc3030')
    const query = { ts: before + 1, dir: 'f' }
    expect(await alice.ok('GET', unstable, { query })).toEqual(at)
  })

  test('finds nothing before the earliest, and nothing after the latest', async () => {
    const room = await alice.createRoom()
    await expectNone(room, server.now() - 1, 'b')
    await expectNone(room, server.now() + 1, 'f')
  })

  test('of several at the same time the nearest: the first forwards, the last backwards', async () => {
    const room = await alice.createRoom()
    await server.advance(1_000)
    const ids = await sayAll(room, 3)
    expect(await near(alice, room, server.now(), 'f')).toMatchObject({ event_id: ids[0] })
    expect(await near(alice, room, server.now(), 'b')).toMatchObject({ event_id: ids[2] })
  })

  test.each(['private_chat', 'public_chat'])('of a %s one is not in: 403', async preset => {
    const room = await alice.createRoom({ preset })
    const { status, errcode } = await refusal(near(bob, room, 0, 'f'))
    expect({ status, errcode }).toEqual({ status: 403, errcode: 'M_FORBIDDEN' })
  })

  test('an event before one joined is not found where it may not be read', async () => {
    const content = { history_visibility: 'joined' }
    const initial_state = [{ type: 'm.room.history_visibility', content }]
    const room = await alice.createRoom({ preset: 'public_chat', initial_state })
    await server.advance(1_000)
    const ts = server.now()
    const hidden = await alice.say(room, 'hidden')
    await server.advance(1_000)
    await bob.join(room)
    expect(await near(alice, room, ts, 'f')).toMatchObject({ event_id: hidden })
    expect(await near(bob, room, ts, 'f')).toMatchObject({ origin_server_ts: server.now() })
  })

  test.each([{ dir: 'f' }, { ts: 1 }, { ts: 'x', dir: 'f' }, { ts: 1, dir: 'x' }])(
    '%j is 400',
    async query => {
      const room = await alice.createRoom()
      expect(await refusal(alice.ok('GET', path(room), { query }))).toMatchObject({ status: 400 })
    },
  )
})

describe('TestLeftRoomFixture: what a departed user may read of a room', () => {
  let room: string
  let afterLeaving: string
  const readState = (user: Client, type: string) => user.state(room, type)

  beforeAll(async () => {
    const charlie = await server.user('charlie')
    room = await alice.createRoom({
      preset: 'public_chat',
      initial_state: [
        { type: 'm.room.history_visibility', content: { history_visibility: 'joined' } },
      ],
    })
    await bob.join(room)
    await alice.setState(room, 'm.room.name', '', { name: 'before' })
    await alice.setState(room, 'madeup.test.state', '', { body: 'before' })
    await sayAll(room, 2)
    await bob.leave(room)
    afterLeaving = (await bob.sync()).next_batch
    await alice.setState(room, 'm.room.name', '', { name: 'after' })
    await alice.setState(room, 'madeup.test.state', '', { body: 'after' })
    await alice.say(room, 'm3')
    await charlie.join(room)
  })

  test('can get rooms/{roomId}/state: as it was when they left', async () => {
    expect(await readState(bob, 'madeup.test.state')).toEqual({ body: 'before' })
    expect(await readState(alice, 'madeup.test.state')).toEqual({ body: 'after' })
    const answer = await bob.ok('GET', bob.roomPath(room, 'state'))
    const all = answer as unknown as WireEvent[]
    const names = all.filter(event => event.type === 'm.room.name')
    expect(names.map(event => event.content.name)).toEqual(['before'])
  })

  test('can get rooms/{roomId}/members: without who came later', async () => {
    const { chunk } = await bob.ok('GET', bob.roomPath(room, 'members'))
    const members = chunk.map((event: WireEvent) => [event.state_key, event.content.membership])
    expect(new Map(members)).toEqual(
      new Map([
        [alice.userId, 'join'],
        [bob.userId, 'leave'],
      ]),
    )
    expect(members).toHaveLength(2)
  })

  test('can get rooms/{roomId}/messages: two messages and their own departure', async () => {
    const { chunk } = await bob.messages(room, { dir: 'b', limit: 3, from: afterLeaving })
    expect(chunk).toMatchObject([
      { type: 'm.room.member', state_key: bob.userId, content: { membership: 'leave' } },
      { content: { body: 'm2' } },
      { content: { body: 'm1' } },
    ])
  })

  test("can get 'm.room.name' state: the name it had", async () => {
    expect(await readState(bob, 'm.room.name')).toEqual({ name: 'before' })
    expect(await readState(alice, 'm.room.name')).toEqual({ name: 'after' })
  })

  test('getting messages going forward is limited: there are none', async () => {
    const page = await bob.messages(room, { dir: 'f', limit: 100, from: afterLeaving })
    expect(page.chunk).toEqual([])
    expect(page).not.toHaveProperty('end')
  })
})
