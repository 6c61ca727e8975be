import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JoinedRoom, JsonObject } from '../support/wire.ts'

let server: TestServer
let alice: Client
let bob: Client
beforeAll(async () => {
  server = await startServer()
})
beforeEach(async () => {
  alice = await server.user('alice')
  bob = await server.user('bob')
})
afterAll(() => server.stop())

const publicRoom = { preset: 'public_chat' }

function expectWholeEntry(room: JoinedRoom | undefined): void {
  expect(room).toMatchObject({
    timeline: {
      events: expect.any(Array),
      limited: expect.any(Boolean),
      prev_batch: expect.any(String),
    },
    state: { events: expect.any(Array) },
    ephemeral: { events: expect.any(Array) },
    account_data: { events: expect.any(Array) },
  })
}

const senders = (events: JsonObject[]) => events.map(event => event.sender)

describe('TestSync: GET /_matrix/client/v3/sync', () => {
  const filter = JSON.stringify({ room: { timeline: { limit: 10 } } })

  test('can sync a joined room', async () => {
    const room = await alice.createRoom()
    const { rooms, next_batch: since } = await alice.sync({ filter })
    expectWholeEntry(rooms.join?.[room])
    const [first] = rooms.join?.[room]?.timeline.events ?? []
    expect(first).toMatchObject({ type: 'm.room.create', sender: alice.userId, state_key: '' })
    expect(first).not.toHaveProperty('room_id')
    expect((await alice.sync({ filter, since })).rooms).toEqual({})
  })

  test('full state sync includes joined rooms', async () => {
    const room = await alice.createRoom()
    const { next_batch: since } = await alice.sync({ filter })
    const { rooms } = await alice.sync({ filter, since, full_state: true })
    expectWholeEntry(rooms.join?.[room])
    expect(rooms.join?.[room]?.timeline.events).toEqual([])
    const types = rooms.join?.[room]?.state.events.map(event => event.type)
    expect(types).toEqual(expect.arrayContaining(['m.room.create', 'm.room.power_levels']))
  })

  test('newly joined room is included in an incremental sync', async () => {
    const { next_batch: since } = await alice.sync({ filter })
    const room = await alice.createRoom()
    const { rooms, next_batch: after } = await alice.sync({ filter, since })
    expectWholeEntry(rooms.join?.[room])
    expect((await alice.sync({ filter, since: after })).rooms).toEqual({})
  })

  test('newly joined room has correct timeline in incremental sync', async () => {
    const onlyMessages = JSON.stringify({
      room: { timeline: { limit: 10, types: ['m.room.message'] }, state: { types: [] } },
    })
    const room = await alice.createRoom(publicRoom)
    for (let number = 1; number <= 4; number++) await alice.say(room, `alice message 1-${number}`)
    const { next_batch: since } = await bob.sync({ filter: onlyMessages })
    for (let number = 1; number <= 4; number++) await alice.say(room, `alice message 2-${number}`)
    await bob.join(room)
    const { rooms } = await bob.sync({ filter: onlyMessages, since })
    const { events, limited } = rooms.join?.[room]?.timeline ?? { events: [] }
    expect(events.map(event => event.content.body)).toEqual([
      ...[1, 2, 3, 4].map(number => `alice message 1-${number}`),
      ...[1, 2, 3, 4].map(number => `alice message 2-${number}`),
    ])
    expect(limited).toBe(true)
    expect(rooms.join?.[room]?.state.events).toEqual([])
  })

  test('newly joined room includes presence in incremental sync', async () => {
    const room = await alice.createRoom(publicRoom)
    await alice.sync()
    const { next_batch: since } = await bob.sync()
    await bob.join(room)
    const { presence, next_batch: after } = await bob.sync({ since })
    expect(presence.events).toContainEqual({
      type: 'm.presence',
      sender: alice.userId,
      content: expect.objectContaining({ presence: 'online' }),
    })
    expect((await bob.sync({ since: after })).presence.events).toEqual([])
  })

  test('get presence for newly joined members in incremental sync', async () => {
    const room = await alice.createRoom(publicRoom)
    await bob.sync()
    const { next_batch: since } = await alice.sync()
    await bob.join(room)
    const { presence, next_batch: after } = await alice.sync({ since })
    expect(senders(presence.events)).toContain(bob.userId)
    expect((await alice.sync({ since: after })).presence.events).toEqual([])
  })

  test.each([{}, { room: { state: { lazy_load_members: true } } }])(
    'device_lists.left is the same for the same token, with the filter %j',
    async definition => {
      const query = { filter: JSON.stringify(definition) }
      const room = await alice.createRoom(publicRoom)
      const { next_batch: before } = await alice.sync(query)
      await bob.join(room)
      const joined = await alice.sync({ ...query, since: before })
      expect(joined.device_lists).toEqual({ changed: [bob.userId], left: [] })
      const since = joined.next_batch
      await bob.leave(room)
      for (let time = 1; time <= 2; time++) {
        const { device_lists } = await alice.sync({ ...query, since })
        expect(device_lists).toEqual({ changed: [], left: [bob.userId] })
      }
    },
  )
})

describe('GET /_matrix/client/v3/sync, summary', () => {
  const summaryOf = async (room: string, since?: string) => {
    const answer = await alice.sync({ since })
    return { summary: answer.rooms.join?.[room]?.summary, since: answer.next_batch }
  }

  test('m.heroes: those who have gone stand in only where nobody else is left', async () => {
    const charlie = await server.user('charlie')
    const room = await alice.createRoom({ preset: 'public_chat' })
    await charlie.join(room)
    await bob.join(room)
    await charlie.leave(room)
    expect((await summaryOf(room)).summary?.['m.heroes']).toEqual([bob.userId])
    await bob.leave(room)
    const heroes = (await summaryOf(room)).summary?.['m.heroes']
    expect(heroes?.sort()).toEqual([bob.userId, charlie.userId].sort())
  })

  test.each([
    ['m.room.name', { name: 'Its name' }],
    ['m.room.canonical_alias', { alias: '#summary:hs1' }],
  ])('comes again when %s is set, and when it is taken away', async (type, content) => {
    const room = await alice.createRoom({ preset: 'public_chat', room_alias_name: 'summary' })
    await bob.join(room)
    await alice.setState(room, 'm.room.canonical_alias', '', {})
    const { since } = await summaryOf(room)
    await alice.setState(room, type, '', content)
    const named = await summaryOf(room, since)
    expect(named.summary).toMatchObject({ 'm.joined_member_count': 2 })
    expect(named.summary).not.toHaveProperty('m.heroes')
    await alice.setState(room, type, '', {})
    const unnamed = await summaryOf(room, named.since)
    expect(unnamed.summary?.['m.heroes']).toEqual([bob.userId])
    const path = `/_matrix/client/v3/directory/room/${encodeURIComponent('#summary:hs1')}`
    await alice.ok('DELETE', path)
  })
})

test('TestRoomSummary: the summary comes with every change of membership, to both', async () => {
  const counts = (joined: number, invited: number) => ({
    'm.joined_member_count': joined,
    'm.invited_member_count': invited,
  })
  const { next_batch: since } = await alice.sync()
  const room = await alice.createRoom({ ...publicRoom, invite: [bob.userId] })
  const invited = await alice.sync({ since })
  expect(invited.rooms.join?.[room]?.summary).toMatchObject(counts(1, 1))
  expect(invited.rooms.join?.[room]?.summary?.['m.heroes']).toEqual([bob.userId])

  const { next_batch: bobSince } = await bob.sync()
  await bob.join(room)
  const joinedBob = await bob.sync({ since: bobSince })
  expect(joinedBob.rooms.join?.[room]?.summary).toMatchObject(counts(2, 0))
  const joined = await alice.sync({ since: invited.next_batch })
  expect(joined.rooms.join?.[room]?.summary).toMatchObject(counts(2, 0))

  await alice.say(room, 'hello')
  const said = await alice.sync({ since: joined.next_batch })
  expect(said.rooms.join?.[room]).not.toHaveProperty('summary')
})

test('the summary comes, with heroes, when a redaction has emptied the name or the alias', async () => {
  const room = await alice.createRoom({ ...publicRoom, room_alias_name: 'a-garden' })
  await bob.join(room)
  await alice.setState(room, 'm.room.canonical_alias', '', {})
  const name = await alice.setState(room, 'm.room.name', '', { name: 'Garden' })
  let { next_batch: since } = await alice.sync()
  const summary = async () => {
    const answer = await alice.sync({ since })
    since = answer.next_batch
    return answer.rooms.join?.[room]?.summary
  }
  await alice.redact(room, name)
  expect(await summary()).toMatchObject({ 'm.heroes': [bob.userId] })
  const alias = { alias: '#a-garden:hs1' }
  const aliased = await alice.setState(room, 'm.room.canonical_alias', '', alias)
  expect(await summary()).not.toHaveProperty('m.heroes')
  await alice.redact(room, aliased)
  expect(await summary()).toMatchObject({ 'm.heroes': [bob.userId] })

  const topic = await alice.setState(room, 'm.room.topic', '', { topic: 'Roses' })
  await alice.redact(room, topic)
  expect(await summary()).toBeUndefined()
})

test('TestCumulativeJoinLeaveJoinSync: join, leave, join in one window is a join', async () => {
  const room = await bob.createRoom(publicRoom)
  const { next_batch: since } = await alice.sync()
  await alice.join(room)
  const joined = await alice.sync({ since })
  expect(Object.keys(joined.rooms.join ?? {})).toEqual([room])
  await alice.leave(room)
  const left = await alice.sync({ since: joined.next_batch })
  expect(Object.keys(left.rooms.leave ?? {})).toEqual([room])
  await alice.join(room)
  for (const token of [since, joined.next_batch, left.next_batch]) {
    const { rooms } = await alice.sync({ since: token })
    expect(rooms.leave).toBeUndefined()
    expect(rooms.join?.[room]?.timeline.limited).toBe(true)
  }
})

test('TestTentativeEventualJoiningAfterRejecting: a rejected invite, and then a join', async () => {
  const room = await alice.createRoom(publicRoom)
  // Tokens belong to nobody: this one, of alice, is used for bob.
  const { next_batch: since } = await alice.sync()
  await alice.invite(room, bob.userId)
  expect(Object.keys((await bob.sync()).rooms.invite ?? {})).toEqual([room])
  await bob.leave(room)
  const left = await bob.sync({ since, full_state: true })
  expect(Object.keys(left.rooms.leave ?? {})).toEqual([room])
  await bob.join(room)
  const joined = await bob.sync({ since: left.next_batch, full_state: true })
  expect(joined.rooms.leave).toBeUndefined()
  expect(Object.keys(joined.rooms.join ?? {})).toEqual([room])
})

describe('a token of /sync', () => {
  test('gives the same answer as often as it is used', async () => {
    const room = await alice.createRoom(publicRoom)
    const { next_batch: since } = await alice.sync()
    await alice.setState(room, 'm.room.topic', '', { topic: 'news' })
    await bob.join(room)
    await bob.say(room, 'hello')
    const first = await alice.sync({ since })
    expect(first.rooms.join?.[room]?.timeline.events).toHaveLength(3)
    expect(await alice.sync({ since })).toEqual(first)
    expect(await alice.sync({ since, timeout: 30_000 })).toEqual(first)
  })

  test('is bound neither to a user nor to a device', async () => {
    const room = await alice.createRoom(publicRoom)
    await bob.join(room)
    const { next_batch: since } = await alice.sync()
    const eventId = await alice.say(room, 'hello')
    const second = bob.sibling()
    await second.login()
    for (const user of [bob, second]) {
      const { rooms } = await user.sync({ since })
      expect(rooms.join?.[room]?.timeline.events).toMatchObject([{ event_id: eventId }])
    }
  })

  test('works after a restart of the server, and tells what happened around it', async () => {
    const room = await alice.createRoom()
    const { next_batch: since } = await alice.sync()
    const before = await alice.say(room, 'before')
    await server.restart()
    const after = await alice.say(room, 'after')
    const { rooms, next_batch } = await alice.sync({ since })
    expect(rooms.join?.[room]?.timeline).toMatchObject({
      events: [{ event_id: before }, { event_id: after }],
      limited: false,
    })
    expect((await alice.sync({ since: next_batch })).rooms).toEqual({})
  })

  test.each(['', 'nonsense', 's', 's-1', 's1.5', 's1_2', 't1', 's12345678901234567890', 'S1'])(
    'that this server did not make is 400: %j',
    async since => {
      const { status, errcode } = await refusal(alice.sync({ since }))
      expect({ status, errcode }).toEqual({ status: 400, errcode: 'M_INVALID_PARAM' })
    },
  )

  test('from the future is 400, and acknowledges nothing', async () => {
    const { next_batch: since } = await alice.sync()
    const messages = { [alice.userId]: { [alice.deviceId]: { secret: true } } }
    const path = '/_matrix/client/v3/sendToDevice/org.example.secret/1'
    await bob.ok('PUT', path, { body: { messages } })
    const future = refusal(alice.sync({ since: 's999999999999999' }))
    expect(await future).toMatchObject({ status: 400, errcode: 'M_INVALID_PARAM' })
    const { to_device: toDevice } = await alice.sync({ since })
    expect(toDevice.events).toMatchObject([{ content: { secret: true } }])
  })

  test('needs a user: without one it is 401', async () => {
    const { next_batch: since } = await alice.sync()
    const { status } = await refusal(server.anonymous().sync({ since }))
    expect(status).toBe(401)
  })
})
