import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

let server: TestServer
let alice: Client
let bob: Client
let charlie: Client
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  bob = await server.user('bob')
  charlie = await server.user('charlie')
})
afterAll(() => server.stop())

const setLevels = (client: Client, room: string, content: JsonObject) =>
  client.setState(room, 'm.room.power_levels', '', content)

const forbidden = { status: 403, errcode: 'M_FORBIDDEN' }

/** A room in which alice has 100 and bob what is given. */
async function roomWithBob(level: number, override: JsonObject = {}): Promise<string> {
  const users = { [alice.userId]: 100, [bob.userId]: level }
  const room = await alice.createRoom({
    preset: 'public_chat',
    power_level_content_override: { users, ...override },
  })
  await bob.join(room)
  return room
}

describe('TestDemotingUsersViaUsersDefault', () => {
  test('a user of level 100 lowers a users_default of 100 to 40', async () => {
    const levels = {
      users: { [alice.userId]: 100, [bob.userId]: 100 },
      events: {},
      notifications: {},
    }
    const room = await alice.createRoom({
      preset: 'public_chat',
      power_level_content_override: { users_default: 100, ...levels },
    })
    await bob.join(room)
    await setLevels(bob, room, { users_default: 40, ...levels })
    expect(await alice.state(room, 'm.room.power_levels')).toMatchObject({ users_default: 40 })
  })
})

describe('TestPowerLevels', () => {
  test('GET /rooms/{roomId}/state/m.room.power_levels: levels are numbers', async () => {
    const room = await alice.createRoom()
    const levels = await alice.state(room, 'm.room.power_levels')
    const single = ['ban', 'kick', 'redact', 'state_default', 'events_default', 'users_default']
    for (const key of [...single, 'invite']) expect(typeof levels[key]).toBe('number')
    for (const key of ['events', 'users']) {
      for (const level of Object.values(levels[key])) expect(typeof level).toBe('number')
    }
    expect(levels.users[alice.userId]).toBeGreaterThan(levels.users_default)
  })

  test('PUT /rooms/{roomId}/state/m.room.power_levels: levels come back as they were set', async () => {
    const room = await alice.createRoom()
    const content = {
      invite: 100,
      users: { [alice.userId]: 100, '@random-other-user:their.home': 20 },
    }
    const eventId = await setLevels(alice, room, content)
    expect((await alice.event(room, eventId)).content).toEqual(content)
  })

  test('PUT m.room.power_levels where the old ones were empty is 403, and changes nothing', async () => {
    const room = await alice.createRoom()
    await setLevels(alice, room, { users: { [alice.userId]: 100 } })
    await setLevels(alice, room, {})
    const path = alice.roomPath(room, 'state', 'm.room.power_levels')
    const error = await refusal(alice.ok('PUT', path, { body: { users: {} } }))
    expect(error).toMatchObject(forbidden)
    expect(await alice.state(room, 'm.room.power_levels')).toEqual({})
  })
})

describe('Power levels are those of the moment of sending', () => {
  test('the same event is refused, permitted and refused again', async () => {
    const room = await roomWithBob(0, { events_default: 1 })
    expect(await refusal(bob.say(room, 'too early'))).toMatchObject(forbidden)
    const levels = await alice.state(room, 'm.room.power_levels')
    await setLevels(alice, room, { ...levels, events_default: 0 })
    await bob.say(room, 'now')
    await setLevels(alice, room, { ...levels, events_default: 1 })
    expect(await refusal(bob.say(room, 'too late'))).toMatchObject(forbidden)
  })

  test('events has a level for each type, above the defaults', async () => {
    const room = await roomWithBob(50, {
      events: { 'm.room.name': 51, 'org.example.free': 0, 'm.reaction': 60 },
    })
    await charlie.join(room)
    expect(await refusal(bob.setState(room, 'm.room.name', '', {}))).toMatchObject(forbidden)
    await bob.setState(room, 'm.room.topic', '', { topic: 'default' })
    await charlie.setState(room, 'org.example.free', '', {})
    expect(await refusal(charlie.setState(room, 'm.room.topic', '', {}))).toMatchObject(forbidden)
    expect(await refusal(bob.send(room, 'm.reaction', {}))).toMatchObject(forbidden)
  })

  test('whoever is not in the room has no level at all', async () => {
    const room = await roomWithBob(100)
    await bob.leave(room)
    expect(await refusal(bob.say(room, 'anyway'))).toMatchObject(forbidden)
    expect(await refusal(bob.setState(room, 'm.room.name', '', {}))).toMatchObject(forbidden)
    expect(await refusal(bob.say('!nowhere:hs1', 'anyway'))).toMatchObject(forbidden)
  })
})

describe('m.room.power_levels: nobody lifts anything above themselves', () => {
  test('neither themselves nor others', async () => {
    const room = await roomWithBob(50, { events: {} })
    const levels = await alice.state(room, 'm.room.power_levels')
    const bobSets = (users: JsonObject) =>
      setLevels(bob, room, { ...levels, users: { ...levels.users, ...users } })
    expect(await refusal(bobSets({ [bob.userId]: 51 }))).toMatchObject(forbidden)
    expect(await refusal(bobSets({ [charlie.userId]: 51 }))).toMatchObject(forbidden)
    await bobSets({ [charlie.userId]: 50 })
    // Now charlie is at bob's level, and out of reach.
    expect(await refusal(bobSets({ [charlie.userId]: 0 }))).toMatchObject(forbidden)
  })

  test('nor do they touch what lies above them', async () => {
    const room = await roomWithBob(50, { events: { 'm.room.name': 100 }, ban: 60 })
    const levels = await alice.state(room, 'm.room.power_levels')
    const bobSets = (change: JsonObject) => setLevels(bob, room, { ...levels, ...change })
    expect(await refusal(bobSets({ ban: 50 }))).toMatchObject(forbidden)
    expect(await refusal(bobSets({ events: {} }))).toMatchObject(forbidden)
    expect(await refusal(bobSets({ users: { [bob.userId]: 50 } }))).toMatchObject(forbidden)
    await bobSets({ kick: 10 })
    expect(await alice.state(room, 'm.room.power_levels')).toEqual({ ...levels, kick: 10 })
  })

  test('whoever has a level may give it up', async () => {
    const room = await roomWithBob(50, { events: {} })
    const levels = await alice.state(room, 'm.room.power_levels')
    const users = { ...levels.users, [bob.userId]: 10 }
    await setLevels(bob, room, { ...levels, users })
    expect(await refusal(bob.setState(room, 'm.room.name', '', {}))).toMatchObject(forbidden)
  })

  test('levels that are no integers are no matter of power: 400 M_BAD_JSON', async () => {
    const room = await roomWithBob(50)
    const levels = await alice.state(room, 'm.room.power_levels')
    for (const change of [{ ban: '50' }, { users: { bob: 1 } }, { events: [] }, { kick: null }]) {
      const error = await refusal(setLevels(alice, room, { ...levels, ...change }))
      expect(error).toMatchObject({ status: 400, errcode: 'M_BAD_JSON' })
    }
    expect(await alice.state(room, 'm.room.power_levels')).toEqual(levels)
  })
})
