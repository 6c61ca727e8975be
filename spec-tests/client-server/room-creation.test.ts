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

const joinedRooms = async (client: Client): Promise<string[]> =>
  (await client.ok('GET', '/_matrix/client/v3/joined_rooms')).joined_rooms

async function timelineOf(client: Client, roomId: string): Promise<WireEvent[]> {
  return (await client.sync()).rooms.join?.[roomId]?.timeline.events ?? []
}

/** The refusal of a room, of which nothing may be left. */
async function refusedRoom(body: JsonObject) {
  const before = await joinedRooms(alice)
  const error = await refusal(alice.createRoom(body))
  expect(await joinedRooms(alice)).toEqual(before)
  return error
}

const topicState = (topic: string) => ({ type: 'm.room.topic', state_key: '', content: { topic } })

describe('TestRoomCreate: POST /_matrix/client/v3/createRoom', () => {
  test('makes a public room', async () => {
    const room = await alice.createRoom({ visibility: 'public', room_alias_name: 'a-public-room' })
    expect(room).toMatch(/^!.+:hs1$/)
    expect(await alice.state(room, 'm.room.join_rules')).toEqual({ join_rule: 'public' })
    expect(await bob.join('#a-public-room:hs1')).toBe(room)
  })

  test('makes a private room', async () => {
    const room = await alice.createRoom({ visibility: 'private' })
    expect(room).toMatch(/^!.+:hs1$/)
    expect(await alice.state(room, 'm.room.join_rules')).toEqual({ join_rule: 'invite' })
  })

  test('makes a room with a topic, as plain and as extensible text', async () => {
    const room = await alice.createRoom({ topic: 'Test Room', preset: 'public_chat' })
    expect(await alice.state(room, 'm.room.topic')).toEqual({
      topic: 'Test Room',
      'm.topic': { 'm.text': [{ body: 'Test Room', mimetype: 'text/plain' }] },
    })
  })

  test('makes a room with a topic via initial_state, which stays as it was given', async () => {
    const room = await alice.createRoom({ initial_state: [topicState('Test Room')] })
    expect(await alice.state(room, 'm.room.topic')).toEqual({ topic: 'Test Room' })
  })

  test('makes a room whose topic overrides that of initial_state', async () => {
    const room = await alice.createRoom({
      topic: 'Test Room',
      initial_state: [topicState('Shenanigans')],
    })
    expect(await alice.state(room, 'm.room.topic')).toEqual({
      topic: 'Test Room',
      'm.topic': { 'm.text': [{ body: 'Test Room', mimetype: 'text/plain' }] },
    })
    const events = await timelineOf(alice, room)
    expect(events.filter(event => event.type === 'm.room.topic')).toHaveLength(1)
  })

  test('makes a room with a name', async () => {
    const room = await alice.createRoom({ name: 'Test Room', preset: 'public_chat' })
    expect(await alice.state(room, 'm.room.name')).toEqual({ name: 'Test Room' })
  })

  test('creates a room with the given version', async () => {
    const room = await alice.createRoom({ room_version: '2', preset: 'public_chat' })
    expect((await alice.state(room, 'm.room.create')).room_version).toBe('2')
  })

  test('makes a private room with invites', async () => {
    const room = await alice.createRoom({ visibility: 'private', invite: [bob.userId] })
    const member = await alice.state(room, 'm.room.member', bob.userId)
    expect(member).toEqual({ membership: 'invite' })
  })

  test('rejects a numeric version with M_BAD_JSON', async () => {
    const error = await refusedRoom({ room_version: 1, preset: 'public_chat' })
    expect(error).toMatchObject({ status: 400, errcode: 'M_BAD_JSON' })
  })

  test('rejects an unknown version with M_UNSUPPORTED_ROOM_VERSION', async () => {
    const error = await refusedRoom({ room_version: 'ahfgwjyerhgiuveisbruvybseyrugvi' })
    expect(error).toMatchObject({ status: 400, errcode: 'M_UNSUPPORTED_ROOM_VERSION' })
  })

  test('an initial invite reaches the invited user (SYN-205)', async () => {
    const room = await alice.createRoom({ invite: [bob.userId] })
    const { invite } = (await bob.sync()).rooms
    expect(invite?.[room]?.invite_state.events).toContainEqual(
      expect.objectContaining({
        type: 'm.room.member',
        state_key: bob.userId,
        content: { membership: 'invite' },
      }),
    )
  })

  test('the newly created room can be synced', async () => {
    const room = await alice.createRoom()
    const eventId = await alice.send(room, 'm.room.test', {})
    const events = await timelineOf(alice, room)
    expect(events.map(event => event.event_id)).toContain(eventId)
  })

  test.each(['10', '11', '12'])(
    'ignores a creator in creation_content, in version %s',
    async room_version => {
      const creation_content = { creator: '@somebody:hs1' }
      const room = await alice.createRoom({ room_version, creation_content })
      const { creator } = await alice.state(room, 'm.room.create')
      expect(creator).toBe(room_version === '10' ? alice.userId : undefined)
    },
  )

  test('ignores a room version in creation_content, and keeps the rest', async () => {
    const room = await alice.createRoom({
      creation_content: { test: 'azerty', room_version: 'test' },
    })
    const [first] = await timelineOf(alice, room)
    expect(first).toMatchObject({
      type: 'm.room.create',
      content: { test: 'azerty', room_version: '11' },
    })
  })
})

describe('TestRoomCreationReportsEventsToMyself', () => {
  test('room creation reports m.room.create to its creator', async () => {
    const room = await alice.createRoom()
    const events = await timelineOf(alice, room)
    const create = events.find(event => event.type === 'm.room.create')
    expect(create).toMatchObject({ sender: alice.userId, content: { room_version: '11' } })
    // Room version 11 (MSC2175): the sender is the creator, and the content does not repeat it.
    expect(create?.content).not.toHaveProperty('creator')
  })

  test('room creation reports m.room.member to its creator', async () => {
    const room = await alice.createRoom()
    const events = await timelineOf(alice, room)
    const members = events.filter(event => event.type === 'm.room.member')
    expect(members).toEqual([
      expect.objectContaining({
        sender: alice.userId,
        state_key: alice.userId,
        content: { membership: 'join' },
      }),
    ])
  })

  test('setting the topic reports m.room.topic to the one who set it', async () => {
    const room = await alice.createRoom()
    const { next_batch } = await alice.sync()
    const topic = 'Testing topic for the new room'
    await alice.setState(room, 'm.room.topic', '', { topic })
    const { rooms } = await alice.sync({ since: next_batch })
    expect(rooms.join?.[room]?.timeline.events).toEqual([
      expect.objectContaining({
        type: 'm.room.topic',
        sender: alice.userId,
        state_key: '',
        content: { topic },
      }),
    ])
  })

  test('setting state twice is idempotent', async () => {
    const room = await alice.createRoom()
    const content = { a_key: 'a_value', nested: { one: 1, two: 2 } }
    const first = await alice.setState(room, 'a.test.state.type', '', content)
    const again = { nested: { two: 2, one: 1 }, a_key: 'a_value' }
    expect(await alice.setState(room, 'a.test.state.type', '', again)).toBe(first)
    const changed = await alice.setState(room, 'a.test.state.type', '', { a_key: 'another' })
    expect(changed).not.toBe(first)
    // Back to what it was is a change again.
    expect(await alice.setState(room, 'a.test.state.type', '', content)).not.toBe(first)
  })

  test('joining a room twice is idempotent', async () => {
    const room = await bob.createRoom({ visibility: 'public', preset: 'public_chat' })
    await alice.join(room)
    const ownMember = async () => {
      const path = alice.roomPath(room, 'state', 'm.room.member', alice.userId)
      return (await alice.ok('GET', path, { query: { format: 'event' } })).event_id
    }
    const first = await ownMember()
    const { next_batch } = await alice.sync()
    await alice.join(room)
    await alice.join(room, { reason: 'again' })
    expect(await ownMember()).toBe(first)
    expect((await alice.sync({ since: next_batch })).rooms.join?.[room]).toBeUndefined()
  })
})

describe('POST /createRoom: the order of the first events', () => {
  test('create, creator, power levels, alias, preset, initial_state, name and topic, invites', async () => {
    const room = await alice.createRoom({
      preset: 'public_chat',
      room_alias_name: 'in-order',
      initial_state: [{ type: 'org.example.first', content: {} }],
      name: 'In order',
      topic: 'Order',
      invite: [bob.userId],
    })
    const page = await alice.ok('GET', alice.roomPath(room, 'messages'), {
      query: { dir: 'f', limit: 20 },
    })
    expect(page.chunk.map((event: WireEvent) => [event.type, event.state_key])).toEqual([
      ['m.room.create', ''],
      ['m.room.member', alice.userId],
      ['m.room.power_levels', ''],
      ['m.room.canonical_alias', ''],
      ['m.room.join_rules', ''],
      ['m.room.history_visibility', ''],
      ['m.room.guest_access', ''],
      ['org.example.first', ''],
      ['m.room.name', ''],
      ['m.room.topic', ''],
      ['m.room.member', bob.userId],
    ])
  })

  test('initial_state takes precedence over the preset', async () => {
    const room = await alice.createRoom({
      preset: 'public_chat',
      initial_state: [
        { type: 'm.room.join_rules', state_key: '', content: { join_rule: 'knock' } },
        {
          type: 'm.room.history_visibility',
          state_key: '',
          content: { history_visibility: 'joined' },
        },
        { type: 'm.room.guest_access', state_key: '', content: { guest_access: 'can_join' } },
      ],
    })
    expect(await alice.state(room, 'm.room.join_rules')).toEqual({ join_rule: 'knock' })
    expect(await alice.state(room, 'm.room.history_visibility')).toEqual({
      history_visibility: 'joined',
    })
    expect(await alice.state(room, 'm.room.guest_access')).toEqual({ guest_access: 'can_join' })
    // Not first the one and then the other.
    const types = (await timelineOf(alice, room)).map(event => event.type)
    expect(types).toEqual([...new Set(types)])
  })

  test('name takes precedence over the m.room.name of initial_state', async () => {
    const room = await alice.createRoom({
      name: 'From the name',
      initial_state: [{ type: 'm.room.name', state_key: '', content: { name: 'From the state' } }],
    })
    expect(await alice.state(room, 'm.room.name')).toEqual({ name: 'From the name' })
  })

  test('power_level_content_override replaces single keys of the default power levels', async () => {
    const room = await alice.createRoom({
      power_level_content_override: { events_default: 10, events: { 'm.room.name': 0 } },
    })
    const levels = await alice.state(room, 'm.room.power_levels')
    expect(levels).toMatchObject({
      events_default: 10,
      state_default: 50,
      users: { [alice.userId]: 100 },
    })
    expect(levels.events).toEqual({ 'm.room.name': 0 })
  })
})
