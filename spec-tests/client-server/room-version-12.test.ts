import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject, WireEvent } from '../support/wire.ts'

let server: TestServer
let alice: Client
let bob: Client
beforeAll(async () => {
  server = await startServer({ config: { default_room_version: '12' } })
  alice = await server.user('alice')
  bob = await server.user('bob')
})
afterAll(() => server.stop())

const forbidden = { status: 403, errcode: 'M_FORBIDDEN' }

async function createEvent(room: string): Promise<WireEvent> {
  const path = alice.roomPath(room, 'state', 'm.room.create')
  return (await alice.ok('GET', path, { query: { format: 'event' } })) as WireEvent
}

describe('default_room_version', () => {
  test('is that of rooms which name none, and is told in /capabilities', async () => {
    const room = await alice.createRoom()
    expect((await alice.state(room, 'm.room.create')).room_version).toBe('12')
    const { capabilities } = await alice.ok('GET', '/_matrix/client/v3/capabilities')
    expect(capabilities['m.room_versions'].default).toBe('12')
    const other = await alice.createRoom({ room_version: '10' })
    expect((await alice.state(other, 'm.room.create')).room_version).toBe('10')
  })
})

describe('TestMSC4291RoomIDAsHashOfCreateEvent: room version 12', () => {
  test('it has no domain, and the create event has that id', async () => {
    const room = await alice.createRoom()
    expect(room).toMatch(/^![A-Za-z0-9_-]{43}$/)
    expect(await createEvent(room)).toMatchObject({
      event_id: `$${room.slice(1)}`,
      room_id: room,
      sender: alice.userId,
    })
  })

  test('two rooms made alike at the same moment are two', async () => {
    const rooms = await Promise.all([1, 2, 3, 4].map(() => alice.createRoom()))
    expect(new Set(rooms).size).toBe(4)
    for (const room of rooms) await alice.say(room, 'hello')
  })
})

describe('TestMSC4291RoomIDAsHashOfCreateEvent_RoomIDIsOnCreateEvent', () => {
  test('wherever the create event is shown, except in /sync', async () => {
    const room = await alice.createRoom()
    const id = `$${room.slice(1)}`
    const isCreate = (event: JsonObject) => event.type === 'm.room.create'
    const get = (path: string[], query = {}) =>
      alice.ok('GET', alice.roomPath(room, ...path), { query })
    const context = await get(['context', id])
    const inState = (await get(['state'])) as unknown as JsonObject[]
    for (const event of [
      inState.find(isCreate),
      (await alice.messages(room, { dir: 'b', limit: 50 })).chunk.find(isCreate),
      await get(['event', id]),
      context.event,
      context.state.find(isCreate),
      await get(['state', 'm.room.create'], { format: 'event' }),
    ]) {
      expect(event).toMatchObject({ type: 'm.room.create', event_id: id, room_id: room })
    }
    const { timeline } = (await alice.sync()).rooms.join?.[room] ?? {}
    const synced = timeline?.events.find(isCreate)
    expect(synced).toMatchObject({ event_id: id })
    expect(synced).not.toHaveProperty('room_id')
  })
})

describe('TestMSC4291RoomIDAsHashOfCreateEvent_CannotSendCreateEvent', () => {
  test.each(['11', '12'])('in a room of version %s', async room_version => {
    const room = await alice.createRoom({ room_version })
    for (const key of ['', 'x']) {
      const path = alice.roomPath(room, 'state', 'm.room.create', key)
      const answer = await alice.request('PUT', path, { body: { room_version } })
      expect(answer.status).toBe(400)
    }
  })
})

describe('TestMSC4311FullCreateEventOnStrippedState, on one server', () => {
  test('the create event of an invite says when it was made', async () => {
    const room = await alice.createRoom({ invite: [bob.userId] })
    const { events } = (await bob.sync()).rooms.invite?.[room]?.invite_state ?? { events: [] }
    const create = events.find(event => event.type === 'm.room.create')
    expect(create).toMatchObject({ sender: alice.userId, origin_server_ts: expect.any(Number) })
  })
})

describe('TestMSC4289PrivilegedRoomCreators', () => {
  test('the creator is not in users, and may do everything', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    const levels = await alice.state(room, 'm.room.power_levels')
    expect(levels.users).toEqual({})
    expect(levels.events['m.room.tombstone']).toBe(150)
    const max = { ...levels, users: { [bob.userId]: Number.MAX_SAFE_INTEGER } }
    await alice.setState(room, 'm.room.power_levels', '', max)
    expect(await refusal(bob.kick(room, alice.userId))).toMatchObject(forbidden)
    await alice.kick(room, bob.userId)
  })

  test.each([100, 949_342, Number.MAX_SAFE_INTEGER])(
    'the creator can kick an administrator of level %d, who cannot kick the creator',
    async level => {
      const room = await alice.createRoom({ invite: [bob.userId] })
      await bob.join(room)
      await alice.setState(room, 'm.room.power_levels', '', { users: { [bob.userId]: level } })
      expect(await refusal(bob.kick(room, alice.userId))).toMatchObject(forbidden)
      await alice.kick(room, bob.userId)
    },
  )

  test('no level is above what JSON can hold', async () => {
    const room = await alice.createRoom()
    const path = alice.roomPath(room, 'state', 'm.room.power_levels', '')
    const body = `{"users":{"${bob.userId}":9007199254740992}}`
    expect(await alice.request('PUT', path, { body })).toMatchObject({ status: 400 })
  })

  test('power_level_content_override can name others, and not the creator', async () => {
    const override = (userId: string) => ({
      room_version: '12',
      invite: [bob.userId],
      power_level_content_override: { users: { [userId]: 100 } },
    })
    const room = await alice.createRoom(override(bob.userId))
    const { users } = await alice.state(room, 'm.room.power_levels')
    expect(users).toEqual({ [bob.userId]: 100 })
    expect((await refusal(alice.createRoom(override(alice.userId)))).status).toBe(400)
  })

  test('power levels that name a creator are refused with 400', async () => {
    const room = await alice.createRoom()
    const levels = await alice.state(room, 'm.room.power_levels')
    const set = (users: JsonObject) =>
      alice.setState(room, 'm.room.power_levels', '', { ...levels, users })
    expect(await refusal(set({ [alice.userId]: 100 }))).toMatchObject({
      status: 400,
      errcode: 'M_BAD_JSON',
    })
    await set({ [bob.userId]: 100 })
    const override = { users: { [alice.userId]: 100 } }
    const error = await refusal(alice.createRoom({ power_level_content_override: override }))
    expect(error.status).toBe(400)
  })

  test('TestMSC4289PrivilegedRoomCreators_Additional: they are creators, too', async () => {
    const room = await alice.createRoom({
      creation_content: { additional_creators: [bob.userId] },
      invite: [bob.userId],
    })
    expect((await createEvent(room)).content).toEqual({
      room_version: '12',
      additional_creators: [bob.userId],
    })
    await bob.join(room)
    const levels = await bob.state(room, 'm.room.power_levels')
    await bob.setState(room, 'm.room.power_levels', '', { ...levels, events_default: 1_000 })
    await bob.say(room, 'above a thousand')
    const users = { [bob.userId]: 5 }
    expect(
      await refusal(alice.setState(room, 'm.room.power_levels', '', { ...levels, users })),
    ).toMatchObject({ status: 400 })
    expect(await refusal(alice.kick(room, bob.userId))).toMatchObject(forbidden)
  })

  test.each<[JsonObject[string], string]>([
    ['@bob:hs1', 'M_BAD_JSON'],
    [[5], 'M_BAD_JSON'],
    [['bob'], 'M_INVALID_PARAM'],
    [['@bob:hs1', '@bob'], 'M_INVALID_PARAM'],
    [[`@${'b'.repeat(255)}:hs1`], 'M_INVALID_PARAM'],
    [['@invalid:dom$ain$.com'], 'M_INVALID_PARAM'],
  ])(
    'TestMSC4289PrivilegedRoomCreators_AdditionalValidation: refused: %j',
    async (creators, errcode) => {
      const creation_content = { additional_creators: creators }
      const error = await refusal(alice.createRoom({ creation_content }))
      expect(error).toMatchObject({ status: 400, errcode })
    },
  )

  test('TestMSC4289PrivilegedRoomCreators_AdditionalValidation: users of any server', async () => {
    const additional_creators = ['@foo:example.com', '@bar:baz.code']
    const room = await alice.createRoom({ creation_content: { additional_creators } })
    expect((await createEvent(room)).content.additional_creators).toEqual(additional_creators)
  })

  test('in earlier versions additional_creators mean nothing', async () => {
    const room = await alice.createRoom({
      room_version: '11',
      preset: 'public_chat',
      creation_content: { additional_creators: [bob.userId] },
    })
    await bob.join(room)
    expect(await refusal(bob.setState(room, 'm.room.name', '', {}))).toMatchObject(forbidden)
  })

  test('TestMSC4289PrivilegedRoomCreators_InvitedAreCreators, of a trusted_private_chat', async () => {
    const invite = [bob.userId]
    const room = await alice.createRoom({ preset: 'trusted_private_chat', is_direct: true, invite })
    expect((await createEvent(room)).content.additional_creators).toEqual(invite)
  })

  test('TestMSC4289PrivilegedRoomCreators_AdditionalCreatorsAndInvited', async () => {
    const room = await alice.createRoom({
      preset: 'trusted_private_chat',
      invite: [bob.userId],
      creation_content: { additional_creators: ['@dora:elsewhere.test', bob.userId, alice.userId] },
    })
    expect((await createEvent(room)).content.additional_creators).toEqual([
      '@dora:elsewhere.test',
      bob.userId,
    ])
    expect((await alice.state(room, 'm.room.power_levels')).users).toEqual({})
    await bob.join(room)
    await bob.setState(room, 'm.room.power_levels', '', { state_default: 90 })
  })
})

describe('TestPowerLevels, where the default room version is 12', () => {
  test('a PUT that names the creator is 400 and leaves the old levels', async () => {
    const room = await alice.createRoom()
    await alice.setState(room, 'm.room.power_levels', '', { users: {} })
    await alice.setState(room, 'm.room.power_levels', '', {})
    const path = alice.roomPath(room, 'state', 'm.room.power_levels')
    const body = { users: { [alice.userId]: 100 } }
    expect(await refusal(alice.ok('PUT', path, { body }))).toMatchObject({ status: 400 })
    expect(await alice.state(room, 'm.room.power_levels')).toEqual({})
  })
})
