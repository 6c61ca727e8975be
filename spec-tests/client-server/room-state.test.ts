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

const v3 = '/_matrix/client/v3'

function publicRoom(extra: JsonObject = {}): Promise<string> {
  return alice.createRoom({ visibility: 'public', preset: 'public_chat', ...extra })
}

/** Without the trailing slash that an empty state key may also have. */
const bareStatePath = (room: string, type: string) => alice.roomPath(room, 'state', type)

describe('TestRoomState', () => {
  test('GET /rooms/{roomId}/state/m.room.member/{userId} fetches my membership', async () => {
    const room = await publicRoom()
    expect(await alice.state(room, 'm.room.member', alice.userId)).toEqual({ membership: 'join' })
  })

  test('GET /rooms/{roomId}/state/… with format=event fetches the whole event', async () => {
    const room = await publicRoom()
    const path = alice.roomPath(room, 'state', 'm.room.member', alice.userId)
    expect(await alice.ok('GET', path, { query: { format: 'event' } })).toMatchObject({
      event_id: expect.stringMatching(/^\$/),
      type: 'm.room.member',
      sender: alice.userId,
      state_key: alice.userId,
      room_id: room,
      origin_server_ts: server.now(),
      content: { membership: 'join' },
    })
  })

  test('GET /rooms/{roomId}/state/m.room.power_levels fetches power levels', async () => {
    const room = await publicRoom({ room_alias_name: 'room_alias' })
    expect(await alice.ok('GET', bareStatePath(room, 'm.room.power_levels'))).toMatchObject({
      ban: 50,
      kick: 50,
      redact: 50,
      users_default: 0,
      state_default: 50,
      events_default: 0,
      users: { [alice.userId]: 100 },
      events: { 'm.room.power_levels': 100 },
    })
  })

  test.each(['v3', 'r0'])(
    'GET /%s/rooms/{roomId}/joined_members fetches my membership',
    async v => {
      const room = await publicRoom()
      const path = `/_matrix/client/${v}/rooms/${encodeURIComponent(room)}/joined_members`
      expect(await alice.ok('GET', path)).toEqual({
        joined: { [alice.userId]: { display_name: null, avatar_url: null } },
      })
    },
  )

  test('GET /rooms/{roomId}/joined_members is refused to those who have left', async () => {
    const room = await publicRoom()
    await bob.join(room)
    await bob.leave(room)
    const path = `/_matrix/client/r0/rooms/${encodeURIComponent(room)}/joined_members`
    expect(await refusal(bob.ok('GET', path))).toMatchObject({
      status: 403,
      errcode: 'M_FORBIDDEN',
    })
    expect((await alice.ok('GET', path)).joined).not.toHaveProperty([bob.userId])
  })

  test('GET /publicRooms lists a newly created room', async () => {
    const room = await publicRoom({ name: 'Listed', topic: 'What is listed' })
    const hidden = await alice.createRoom({ preset: 'public_chat' })
    const { chunk } = await alice.ok('GET', `${v3}/publicRooms`)
    expect(chunk).toContainEqual({
      room_id: room,
      name: 'Listed',
      topic: 'What is listed',
      join_rule: 'public',
      num_joined_members: 1,
      world_readable: false,
      guest_can_join: false,
    })
    expect(chunk.map((entry: JsonObject) => entry.room_id)).not.toContain(hidden)
  })

  test('GET /directory/room/{roomAlias} yields the room id', async () => {
    const room = await publicRoom({ room_alias_name: 'room_new' })
    const path = `${v3}/directory/room/${encodeURIComponent('#room_new:hs1')}`
    expect(await alice.ok('GET', path)).toEqual({ room_id: room, servers: ['hs1'] })
  })

  test('GET /joined_rooms lists a newly created room', async () => {
    const room = await publicRoom()
    const { joined_rooms } = await alice.ok('GET', `${v3}/joined_rooms`)
    expect(joined_rooms).toContain(room)
  })

  test.each([
    ['m.room.name', 'name', 'room_name_test'],
    ['m.room.topic', 'topic', 'room_topic_test'],
  ])('GET /rooms/{roomId}/state/%s gets the %s', async (type, key, value) => {
    const room = await publicRoom({ [key]: value })
    expect(await alice.ok('GET', bareStatePath(room, type))).toMatchObject({ [key]: value })
  })

  test.each([
    ['m.room.name', 'name', 'room_test_name'],
    ['m.room.topic', 'topic', 'room_test_topic'],
  ])('PUT /rooms/{roomId}/state/%s sets the %s', async (type, key, value) => {
    const room = await publicRoom({ [key]: 'before' })
    const { event_id } = await alice.ok('PUT', bareStatePath(room, type), {
      body: { [key]: value },
    })
    expect(await alice.ok('GET', bareStatePath(room, type))).toEqual({ [key]: value })
    expect(await alice.event(room, event_id)).toMatchObject({ type, content: { [key]: value } })
  })

  test('GET /rooms/{roomId}/state fetches the entire state', async () => {
    const room = await publicRoom({ name: 'room_test', topic: 'room_topic_test' })
    const state = (await alice.ok('GET', alice.roomPath(room, 'state'))) as WireEvent[]
    expect(state.map(event => event.type).sort()).toEqual([
      'm.room.create',
      'm.room.guest_access',
      'm.room.history_visibility',
      'm.room.join_rules',
      'm.room.member',
      'm.room.name',
      'm.room.power_levels',
      'm.room.topic',
    ])
    for (const event of state) {
      expect(event).toMatchObject({ room_id: room, event_id: expect.stringMatching(/^\$/) })
    }
  })

  test('POST /createRoom with creation content', async () => {
    const room = await publicRoom({ creation_content: { 'm.federate': false } })
    expect(await alice.ok('GET', bareStatePath(room, 'm.room.create'))).toMatchObject({
      'm.federate': false,
    })
  })
})

describe('GET /rooms/{roomId}/state: who may read what', () => {
  test('what was never set is not found', async () => {
    const room = await publicRoom()
    const error = await refusal(alice.state(room, 'm.room.avatar'))
    expect(error).toMatchObject({ status: 404, errcode: 'M_NOT_FOUND' })
    expect(await refusal(alice.state(room, 'm.room.name', 'other'))).toMatchObject({ status: 404 })
  })

  test('nothing, by those who are not in the room or only invited', async () => {
    const room = await alice.createRoom({ name: 'secret' })
    const isRefused = async () => {
      expect(await refusal(bob.state(room, 'm.room.name'))).toMatchObject({ status: 403 })
      expect(await refusal(bob.ok('GET', bob.roomPath(room, 'state')))).toMatchObject({
        status: 403,
        errcode: 'M_FORBIDDEN',
      })
    }
    await isRefused()
    await alice.invite(room, bob.userId)
    await isRefused()
  })

  test('everything, by everybody, where the history is world readable', async () => {
    const room = await alice.createRoom({ name: 'open book' })
    await alice.setState(room, 'm.room.history_visibility', '', {
      history_visibility: 'world_readable',
    })
    expect(await bob.state(room, 'm.room.name')).toEqual({ name: 'open book' })
  })

  test('an unknown format is refused', async () => {
    const room = await publicRoom()
    const path = bareStatePath(room, 'm.room.create')
    expect(await refusal(alice.ok('GET', path, { query: { format: 'yaml' } }))).toMatchObject({
      status: 400,
      errcode: 'M_INVALID_PARAM',
    })
  })
})

describe('PUT /rooms/{roomId}/state: state keys', () => {
  test('with a trailing slash and without, the key is the empty one', async () => {
    const room = await publicRoom()
    const bare = bareStatePath(room, 'm.room.name')
    await alice.ok('PUT', `${bare}/`, { body: { name: 'slash' } })
    expect(await alice.ok('GET', bare)).toEqual({ name: 'slash' })
    await alice.ok('PUT', bare, { body: { name: 'none' } })
    expect(await alice.ok('GET', `${bare}/`)).toEqual({ name: 'none' })
  })

  test('keys may contain anything that a path can carry encoded', async () => {
    const room = await publicRoom()
    for (const key of ['a/b', '%2F', '?&=#', ' ', 'ü', '🙈', '_@bob:hs1_DEVICE_m.call']) {
      await alice.setState(room, 'org.example.key', key, { key })
      expect(await alice.state(room, 'org.example.key', key)).toEqual({ key })
    }
  })

  test('an alias must lead to the room that it is set in', async () => {
    await publicRoom({ room_alias_name: 'elsewhere' })
    const room = await publicRoom({ room_alias_name: 'right-here' })
    const set = (content: JsonObject) =>
      alice.ok('PUT', bareStatePath(room, 'm.room.canonical_alias'), { body: content })
    const bad = { status: 400, errcode: 'M_BAD_ALIAS' }
    expect(await refusal(set({ alias: '#unknown:hs1' }))).toMatchObject(bad)
    expect(await refusal(set({ alias: '#elsewhere:hs1' }))).toMatchObject(bad)
    expect(await refusal(set({ alt_aliases: ['#elsewhere:hs1'] }))).toMatchObject(bad)
    expect(await refusal(set({ alias: '%x:hs1' }))).toMatchObject({ errcode: 'M_INVALID_PARAM' })
    expect(await alice.state(room, 'm.room.canonical_alias')).toEqual({ alias: '#right-here:hs1' })
    await set({ alt_aliases: ['#right-here:hs1'] })
    await set({})
  })
})

describe('TestWithoutOwnedState: state keys that begin with @ belong to that user', () => {
  const type = 'com.example.test'
  const suffix = '_state_key_suffix:!@#$123'
  let room: string
  beforeAll(async () => {
    room = await alice.createRoom({
      preset: 'public_chat',
      power_level_content_override: { events: { [type]: 0 } },
    })
    await bob.join(room)
  })

  async function expectForbidden(client: Client, stateKey: string) {
    expect(await refusal(client.setState(room, type, stateKey, {}))).toMatchObject({
      status: 403,
      errcode: 'M_FORBIDDEN',
    })
    expect(await refusal(alice.state(room, type, stateKey))).toMatchObject({ status: 404 })
  }

  test('the room admin cannot set state under another user ID', async () => {
    await expectForbidden(alice, bob.userId)
  })
  test('the room admin cannot set state under another user ID with a suffix', async () => {
    await expectForbidden(alice, bob.userId + suffix)
  })
  test('the room admin cannot set state under their own user ID with a suffix', async () => {
    await expectForbidden(alice, alice.userId + suffix)
  })
  test('the room admin cannot set state under a malformed user ID', async () => {
    await expectForbidden(alice, '@oops')
  })
  test('a user cannot set state under their own user ID with a suffix', async () => {
    await expectForbidden(bob, bob.userId + suffix)
  })
  test('a user can set state under their own user ID', async () => {
    await bob.setState(room, type, bob.userId, { own: true })
    expect(await alice.state(room, type, bob.userId)).toEqual({ own: true })
  })
})
