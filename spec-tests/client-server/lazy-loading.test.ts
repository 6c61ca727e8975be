import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JoinedRoom, WireEvent } from '../support/wire.ts'

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

const lazy = JSON.stringify({ lazy_load_members: true })
const lazySync = (limit: number, more: Record<string, unknown> = {}) =>
  JSON.stringify({ room: { state: { lazy_load_members: true }, timeline: { limit, ...more } } })

/** Whose memberships these events are, and which: `[userId, membership]`, in order of user. */
const members = (events: WireEvent[] = []) =>
  events
    .filter(event => event.type === 'm.room.member')
    .map(event => [event.state_key, event.content.membership])
    .sort()

const sorted = (entries: string[][]) => [...entries].sort()

async function sayTimes(user: Client, room: string, count: number): Promise<void> {
  for (let number = 1; number <= count; number++) await user.say(room, `m${number}`)
}

async function comeBack(room: string): Promise<void> {
  await alice.leave(room)
  await alice.join(room)
}

async function roomOfThree(): Promise<string> {
  const room = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(room)
  await charlie.join(room)
  return room
}

describe('GET /_matrix/client/v3/rooms/{roomId}/messages with lazy_load_members', () => {
  test('TestRoomMessagesLazyLoading: the memberships of those who speak, up to `to`', async () => {
    const room = await roomOfThree()
    await bob.say(room, 'test')
    const { next_batch: from } = await alice.sync()
    await charlie.say(room, 'test')
    const { next_batch: to } = await alice.sync()
    await bob.say(room, 'too late')
    const page = await alice.messages(room, { dir: 'f', filter: lazy, from, to })
    expect(page.chunk).toMatchObject([{ sender: charlie.userId }])
    expect(page.state).toMatchObject([
      { type: 'm.room.member', state_key: charlie.userId, content: { membership: 'join' } },
    ])
  })

  test('TestRoomMessagesLazyLoadingLocalUser: one’s own, if all events are one’s own', async () => {
    const room = await alice.createRoom()
    const { next_batch: from } = await alice.sync()
    await alice.say(room, 'test')
    const page = await alice.messages(room, { dir: 'b', filter: lazy, from })
    expect(page.chunk.length).toBeGreaterThan(0)
    expect(page.state).toHaveLength(1)
    expect(members(page.state)).toEqual([[alice.userId, 'join']])
  })

  test('without it there is no state', async () => {
    const room = await roomOfThree()
    expect(await alice.messages(room, { dir: 'b' })).not.toHaveProperty('state')
  })
})

describe('GET /_matrix/client/v3/rooms/{roomId}/context/{eventId} with lazy_load_members', () => {
  test('the memberships of those who speak, and all other state', async () => {
    const room = await roomOfThree()
    const eventId = await bob.say(room, 'hello')
    const path = alice.roomPath(room, 'context', eventId)
    const get = (filter?: string) => alice.ok('GET', path, { query: { limit: 0, filter } })
    const { state } = await get(lazy)
    expect(members(state)).toEqual([[bob.userId, 'join']])
    expect(state.map((event: WireEvent) => event.type)).toContain('m.room.power_levels')
    expect(members((await get()).state)).toHaveLength(3)
  })
})

describe('GET /_matrix/client/v3/sync with lazy_load_members', () => {
  const roomOf = async (user: Client, room: string, query: Record<string, string | boolean>) =>
    (await user.sync(query)).rooms.join?.[room] as JoinedRoom

  test('an initial sync has the members who speak, the heroes, and oneself', async () => {
    // A name leaves no need for heroes.
    const room = await roomOfThree()
    await alice.setState(room, 'm.room.name', '', { name: 'The room' })
    await sayTimes(bob, room, 2)
    const filter = lazySync(2)
    const { state, timeline } = await roomOf(alice, room, { filter })
    expect(timeline.events).toHaveLength(2)
    const oneself = [alice.userId, 'join']
    expect(members(state.events)).toEqual(sorted([oneself, [bob.userId, 'join']]))
    expect(state.events.map(event => event.type)).toContain('m.room.create')

    await alice.setState(room, 'm.room.name', '', {})
    await sayTimes(bob, room, 2)
    const unnamed = await roomOf(alice, room, { filter })
    expect(unnamed.summary?.['m.heroes']).toEqual([bob.userId, charlie.userId])
    expect(members(unnamed.state.events)).toHaveLength(3)
  })

  test('an incremental sync has the members who speak in it', async () => {
    const room = await roomOfThree()
    const { next_batch: since } = await alice.sync()
    await charlie.say(room, 'hello')
    const { state } = await roomOf(alice, room, { since, filter: lazySync(10) })
    expect(members(state.events)).toEqual([[charlie.userId, 'join']])
    expect(state.events).toHaveLength(1)
  })

  test('without it, nobody is told again', async () => {
    const room = await roomOfThree()
    const { next_batch: since } = await alice.sync()
    await charlie.say(room, 'hello')
    expect((await roomOf(alice, room, { since })).state.events).toEqual([])
  })

  test('who joins and speaks within the timeline is in it, and not before it', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    const { next_batch: since } = await alice.sync()
    await bob.join(room)
    await bob.say(room, 'hello')
    const { state, timeline } = await roomOf(alice, room, { since, filter: lazySync(10) })
    expect(members(timeline.events)).toEqual([[bob.userId, 'join']])
    expect(state.events).toEqual([])
  })

  test('a membership that changed in a gap is told, whoever speaks after it', async () => {
    const room = await roomOfThree()
    await alice.setState(room, 'm.room.name', '', { name: 'A room without heroes' })
    const { next_batch: since } = await alice.sync()
    await charlie.leave(room)
    await sayTimes(bob, room, 3)
    const { state, timeline } = await roomOf(alice, room, { since, filter: lazySync(2) })
    expect(timeline.limited).toBe(true)
    expect(members(state.events)).toEqual(
      sorted([
        [bob.userId, 'join'],
        [charlie.userId, 'leave'],
      ]),
    )
  })

  test.each<[string, (room: string) => Promise<void>, Record<string, boolean>]>([
    ['who went and came back meanwhile', comeBack, {}],
    ['who went and came back meanwhile, by state_after', comeBack, { use_state_after: true }],
    ['who asks for the full state', async () => {}, { full_state: true }],
  ])('it is told as well to %s', async (_, meanwhile, query) => {
    const room = await roomOfThree()
    await alice.setState(room, 'm.room.name', '', { name: 'A room without heroes' })
    const { next_batch: since } = await alice.sync()
    await charlie.leave(room)
    await meanwhile(room)
    await sayTimes(bob, room, 3)
    const asked = { since, filter: lazySync(2), ...query }
    const { timeline, state, state_after: after } = await roomOf(alice, room, asked)
    expect(timeline.limited).toBe(true)
    expect(members((after ?? state).events)).toEqual(
      sorted([
        [alice.userId, 'join'],
        [bob.userId, 'join'],
        [charlie.userId, 'leave'],
      ]),
    )
  })

  // matrix-js-sdk keeps the room when one leaves, and asks for its members again only to add to those.
  test.each([false, true])('it is told to who comes back later, invited: %s', async isInvited => {
    const power_level_content_override = { invite: 0 }
    const shape = { preset: 'public_chat', name: 'A room without heroes' }
    const room = await alice.createRoom({ ...shape, power_level_content_override })
    await bob.join(room)
    await charlie.join(room)
    const { next_batch: before } = await alice.sync()
    await alice.leave(room)
    let since = (await alice.sync({ since: before, filter: lazySync(2) })).next_batch
    await charlie.leave(room)
    if (isInvited) await bob.invite(room, alice.userId)
    since = (await alice.sync({ since, filter: lazySync(2) })).next_batch
    await alice.join(room)
    await sayTimes(bob, room, 3)
    for (const isAfter of [false, true]) {
      const asked = { since, filter: lazySync(2), use_state_after: isAfter }
      const { state, state_after: after } = await roomOf(alice, room, asked)
      expect(members((after ?? state).events)).toEqual(
        sorted([
          [alice.userId, 'join'],
          [bob.userId, 'join'],
          [charlie.userId, 'leave'],
        ]),
      )
    }
  })

  test('it is told to who comes back later and goes at once', async () => {
    const room = await roomOfThree()
    const { next_batch: before } = await alice.sync()
    await alice.leave(room)
    const { next_batch: since } = await alice.sync({ since: before })
    await charlie.leave(room)
    await alice.join(room)
    await alice.leave(room)
    for (const isAfter of [false, true]) {
      const asked = { since, filter: lazySync(2), use_state_after: isAfter }
      const left = (await alice.sync(asked)).rooms.leave?.[room]
      const { state, state_after: after } = left as JoinedRoom
      expect(members((after ?? state).events)).toContainEqual([charlie.userId, 'leave'])
    }
  })

  test('a membership that the timeline’s filter leaves out is told', async () => {
    const room = await roomOfThree()
    const { next_batch: since } = await alice.sync()
    await bob.say(room, 'hello')
    await charlie.leave(room)
    const filter = lazySync(10, { types: ['m.room.message'] })
    const { state, timeline } = await roomOf(alice, room, { since, filter })
    expect(timeline.events).toMatchObject([{ sender: bob.userId }])
    expect(members(state.events)).toEqual(
      sorted([
        [bob.userId, 'join'],
        [charlie.userId, 'leave'],
      ]),
    )
  })

  test('full_state has oneself and who speaks, and all other state', async () => {
    const room = await roomOfThree()
    await alice.setState(room, 'm.room.name', '', { name: 'The room' })
    const { next_batch: since } = await bob.sync()
    await charlie.say(room, 'hello')
    const query = { since, full_state: true, filter: lazySync(10) }
    const { state } = await roomOf(bob, room, query)
    const expected = [bob, charlie].map(user => [user.userId, 'join'])
    // The room has a name, so that nobody has to be told for the sake of one.
    expect(members(state.events)).toEqual(sorted(expected))
    expect(state.events.map(event => event.type)).toContain('m.room.name')
  })
})
