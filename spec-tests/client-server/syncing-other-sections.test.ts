import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

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

const enc = encodeURIComponent

/** Stripped state has four members and no more; the create event also says when (MSC4311). */
function expectStripped(events: JsonObject[]): void {
  for (const event of events) {
    const more = event.type === 'm.room.create' ? ['origin_server_ts'] : []
    expect(Object.keys(event).sort()).toEqual(
      ['content', 'sender', 'state_key', 'type', ...more].sort(),
    )
  }
}

const byType = (events: JsonObject[]) =>
  Object.fromEntries(events.map(event => [event.type, event.content]))

describe('GET /_matrix/client/v3/sync, rooms.invite', () => {
  test('an invite comes with stripped state, and is told once', async () => {
    const room = await alice.createRoom({ name: 'The room', topic: 'Its topic' })
    await alice.say(room, 'a secret')
    const { next_batch: since } = await bob.sync()
    await alice.invite(room, bob.userId)
    const invited = await bob.sync({ since })
    const { events } = invited.rooms.invite?.[room]?.invite_state ?? { events: [] }
    expectStripped(events)
    expect(byType(events)).toMatchObject({
      'm.room.create': { room_version: '11' },
      'm.room.join_rules': { join_rule: 'invite' },
      'm.room.name': { name: 'The room' },
      'm.room.topic': { topic: 'Its topic' },
    })
    expect(events.map(event => event.type)).not.toContain('m.room.power_levels')
    const members = events.filter(event => event.type === 'm.room.member')
    expect(members.map(event => [event.state_key, event.content.membership])).toEqual([
      [alice.userId, 'join'],
      [bob.userId, 'invite'],
    ])
    expect(members.at(-1)?.sender).toBe(alice.userId)
    expect(Object.keys(invited.rooms)).toEqual(['invite'])

    expect((await bob.sync({ since: invited.next_batch })).rooms).toEqual({})
    // But it stands for whoever begins anew.
    expect(Object.keys((await bob.sync()).rooms.invite ?? {})).toEqual([room])
  })

  test('what happens in the room after the invite is not for the invited', async () => {
    const room = await alice.createRoom({ name: 'before' })
    await alice.invite(room, bob.userId)
    const { next_batch: since } = await bob.sync()
    await alice.setState(room, 'm.room.name', '', { name: 'after' })
    await alice.say(room, 'a secret')
    expect((await bob.sync({ since })).rooms).toEqual({})
    const { events } = (await bob.sync()).rooms.invite?.[room]?.invite_state ?? { events: [] }
    expect(byType(events)).toMatchObject({ 'm.room.name': { name: 'before' } })
  })

  test('an invite that is taken back is a departure', async () => {
    const room = await alice.createRoom()
    await alice.invite(room, bob.userId)
    const { next_batch: since } = await bob.sync()
    const body = { user_id: bob.userId }
    await alice.ok('POST', alice.roomPath(room, 'kick'), { body })
    const { rooms } = await bob.sync({ since })
    expect(Object.keys(rooms)).toEqual(['leave'])
    expect(rooms.leave?.[room]?.timeline.events).toMatchObject([
      { sender: alice.userId, content: { membership: 'leave' } },
    ])
    expect((await bob.sync()).rooms).toEqual({})
  })
})

test('GET /_matrix/client/v3/sync, rooms.knock: a knock comes with stripped state', async () => {
  const room = await alice.createRoom({
    name: 'The room',
    initial_state: [{ type: 'm.room.join_rules', content: { join_rule: 'knock' } }],
  })
  const { next_batch: since } = await bob.sync()
  await bob.ok('POST', `/_matrix/client/v3/knock/${enc(room)}`, { body: { reason: 'please' } })
  const knocked = await bob.sync({ since })
  const { events } = knocked.rooms.knock?.[room]?.knock_state ?? { events: [] }
  expectStripped(events)
  expect(byType(events)).toMatchObject({
    'm.room.join_rules': { join_rule: 'knock' },
    'm.room.name': { name: 'The room' },
  })
  expect(events.at(-1)).toMatchObject({
    state_key: bob.userId,
    content: { membership: 'knock', reason: 'please' },
  })
  expect((await bob.sync({ since: knocked.next_batch })).rooms).toEqual({})

  await alice.invite(room, bob.userId)
  const invited = await bob.sync({ since: knocked.next_batch })
  expect(Object.keys(invited.rooms)).toEqual(['invite'])
})

describe('GET /_matrix/client/v3/sync, to_device', () => {
  const send = (messages: JsonObject, txnId: string) =>
    bob.ok('PUT', `/_matrix/client/v3/sendToDevice/org.example/${txnId}`, { body: { messages } })

  test('messages come in order, again until they are acknowledged, and then no more', async () => {
    const { next_batch: before } = await alice.sync()
    for (const number of [1, 2, 3]) {
      await send({ [alice.userId]: { [alice.deviceId]: { number } } }, `order-${number}`)
    }
    const expected = [1, 2, 3].map(number => ({
      type: 'org.example',
      sender: bob.userId,
      content: { number },
    }))
    const first = await alice.sync({ since: before })
    expect(first.to_device.events).toEqual(expected)
    expect((await alice.sync({ since: before })).to_device.events).toEqual(expected)
    expect((await alice.sync({ since: first.next_batch })).to_device.events).toEqual([])
    // Acknowledged is gone, also for an older token.
    expect((await alice.sync({ since: before })).to_device.events).toEqual([])
  })

  test('TestToDeviceMessages: one message to two users reaches both', async () => {
    const charlie = await server.user('charlie')
    const tokens = [await alice.sync(), await charlie.sync()].map(({ next_batch }) => next_batch)
    const content = { my_key: 'my_value' }
    const to = ({ userId, deviceId }: Client) => ({ [userId]: { [deviceId]: content } })
    await send({ ...to(alice), ...to(charlie), '@nobody:hs1': { NONE: content } }, 'both')
    const expected = [{ type: 'org.example', sender: bob.userId, content }]
    for (const [i, user] of [alice, charlie].entries()) {
      const { to_device } = await user.sync({ since: String(tokens[i]) })
      expect(to_device.events).toEqual(expected)
    }
  })

  test('many messages come a hundred at a time; the rest of the answer ends where they end', async () => {
    const room = await alice.createRoom()
    const { next_batch: before } = await alice.sync()
    for (let number = 0; number < 101; number++) {
      await send({ [alice.userId]: { [alice.deviceId]: { number } } }, `many-${number}`)
    }
    const said = await alice.say(room, 'after all of them')
    const first = await alice.sync({ since: before, timeout: 30_000 })
    expect(first.to_device.events).toHaveLength(100)
    expect(first.rooms).toEqual({})
    expect(await alice.sync({ since: before })).toEqual(first)
    const second = await alice.sync({ since: first.next_batch })
    expect(second.to_device.events.map(event => event.content.number)).toEqual([100])
    expect(second.rooms.join?.[room]?.timeline.events).toMatchObject([{ event_id: said }])
  })

  test('each device has its own inbox; what came while it was away is kept', async () => {
    const laptop = alice.sibling()
    await laptop.login()
    await send({ [alice.userId]: { [alice.deviceId]: { to: 'phone' } } }, 'own-1')
    await send({ [alice.userId]: { '*': { to: 'both' } } }, 'own-2')
    await server.restart()
    const contents = async (device: Client) =>
      (await device.sync()).to_device.events.map(event => event.content.to)
    expect(await contents(alice)).toEqual(['phone', 'both'])
    expect(await contents(laptop)).toEqual(['both'])
  })
})

describe('GET /_matrix/client/v3/sync, account_data', () => {
  const put = (path: string, body: JsonObject) =>
    alice.ok('PUT', `/_matrix/client/v3/user/${enc(alice.userId)}/${path}`, { body })

  test('global data: all of it at first, then what changed, and only one’s own', async () => {
    await put('account_data/org.example.a', { a: 1 })
    const initial = await alice.sync()
    expect(initial.account_data.events).toContainEqual({
      type: 'org.example.a',
      content: { a: 1 },
    })
    expect(initial.account_data.events.map(event => event.type)).toContain('m.push_rules')
    await put('account_data/org.example.b', { b: 1 })
    await put('account_data/org.example.b', { b: 2 })
    const { account_data: changed } = await alice.sync({ since: initial.next_batch })
    expect(changed.events).toEqual([{ type: 'org.example.b', content: { b: 2 } }])
    expect((await bob.sync({ since: initial.next_batch })).account_data.events).toEqual([])
  })

  test('data of a room comes with the room, alone if need be', async () => {
    const room = await alice.createRoom()
    const { next_batch: since } = await alice.sync()
    await put(`rooms/${enc(room)}/account_data/m.tag`, { tags: { work: {} } })
    const tag = { type: 'm.tag', content: { tags: { work: {} } } }
    const { rooms, account_data: global } = await alice.sync({ since })
    expect(rooms.join?.[room]).toMatchObject({
      account_data: { events: [tag] },
      timeline: { events: [], limited: false },
      state: { events: [] },
    })
    expect(global.events).toEqual([])
    expect((await alice.sync()).rooms.join?.[room]?.account_data.events).toEqual([tag])
  })

  test('data of a room that was set while one was not in it comes when one joins', async () => {
    const room = await bob.createRoom({ preset: 'public_chat' })
    const other = await alice.createRoom()
    await put(`rooms/${enc(room)}/account_data/m.tag`, { tags: { work: {} } })
    await put(`rooms/${enc(room)}/account_data/org.example.a`, { a: 1 })
    await put(`rooms/${enc(room)}/account_data/org.example.removed`, {})
    await put(`rooms/${enc(other)}/account_data/m.tag`, { tags: { play: {} } })
    const { next_batch: since } = await alice.sync()
    await alice.join(room)
    await put(`rooms/${enc(room)}/account_data/org.example.a`, { a: 2 })
    const all = [
      { type: 'm.tag', content: { tags: { work: {} } } },
      { type: 'org.example.removed', content: {} },
      { type: 'org.example.a', content: { a: 2 } },
    ]
    const filter = JSON.stringify({ room: { account_data: { types: ['m.*'] } } })
    for (const [query, expected] of [
      [{ since }, all],
      [{ since, filter }, all.slice(0, 1)],
    ] as const) {
      const { join = {} } = (await alice.sync(query)).rooms
      expect(Object.keys(join)).toEqual([room])
      expect(join[room]?.account_data.events).toEqual(expected)
    }
  })
})

test('GET /_matrix/client/v3/sync: every answer has the sections that clients count on', async () => {
  const { next_batch: since } = await alice.sync()
  for (const query of [{}, { since }, { since, full_state: true }]) {
    expect(await alice.sync(query)).toMatchObject({
      next_batch: expect.any(String),
      rooms: {},
      presence: { events: expect.any(Array) },
      account_data: { events: expect.any(Array) },
      to_device: { events: [] },
      device_lists: { changed: [], left: [] },
      // matrix-js-sdk reads its absence as zero, and uploads keys after every answer.
      device_one_time_keys_count: { signed_curve25519: expect.any(Number) },
    })
  }
})

describe('GET /_matrix/client/v3/sync, after the server was started anew', () => {
  test('a token from before it has every section told that it would have had', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    const invitedTo = await alice.createRoom()
    await bob.join(room)
    const { next_batch: since } = await bob.sync()
    const said = await alice.say(room, 'before it')
    await alice.setState(room, 'm.room.topic', '', { topic: 'Before it' })
    await alice.ok('POST', alice.roomPath(room, 'receipt', 'm.read', said), { body: {} })
    await alice.invite(invitedTo, bob.userId)
    const keys = { algorithms: [], device_id: alice.deviceId, user_id: alice.userId, keys: {} }
    await alice.ok('POST', '/_matrix/client/v3/keys/upload', {
      body: { device_keys: { ...keys, signatures: {} } },
    })
    await alice.ok('PUT', '/_matrix/client/v3/sendToDevice/org.example.ping/before-it', {
      body: { messages: { [bob.userId]: { [bob.deviceId]: { n: 1 } } } },
    })
    const path = `/_matrix/client/v3/user/${enc(bob.userId)}/account_data/org.example.a`
    await bob.ok('PUT', path, { body: { a: 1 } })
    await server.restart()
    const after = await bob.sync({ since })

    expect(after.rooms.join?.[room]?.timeline.events.map(event => event.type)).toEqual([
      'm.room.message',
      'm.room.topic',
    ])
    expect(after.rooms.join?.[room]?.ephemeral.events).toHaveLength(1)
    expect(Object.keys(after.rooms.invite ?? {})).toEqual([invitedTo])
    expect(after.device_lists?.changed).toEqual([alice.userId])
    expect(after.to_device.events).toHaveLength(1)
    expect(after.account_data.events).toEqual([{ type: 'org.example.a', content: { a: 1 } }])
    expect((await bob.sync({ since: after.next_batch })).rooms).toEqual({})
  })
})
