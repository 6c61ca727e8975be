import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JoinedRoom, WireEvent } from '../support/wire.ts'

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

const unstable = 'org.matrix.msc4222.state_after'
/** How it is asked for, and the one name under which it is answered: that which was asked by. */
const dialects = [
  ['use_state_after', 'state_after', {}],
  ['org.matrix.msc4222.use_state_after', unstable, {}],
  // Complement asks by both names, and reads either.
  ['use_state_after', 'state_after', { 'org.matrix.msc4222.use_state_after': true }],
] as const

const stateNames = ['state', 'state_after', unstable] as const
const namesIn = (room: JoinedRoom | undefined) => stateNames.filter(name => room && name in room)
const ids = (events: WireEvent[] = []) => events.map(event => event.event_id)
const lazy = JSON.stringify({
  room: { timeline: { limit: 20 }, state: { lazy_load_members: true } },
})

describe('TestSync (MSC4222): state_after with lazy-loaded members, initial sync', () => {
  test.each(['public_chat', 'private_chat'])(
    'in a %s it has the membership of everybody who is in the timeline',
    async preset => {
      const room = await alice.createRoom({ preset })
      if (preset === 'private_chat') await alice.invite(room, bob.userId)
      await bob.join(room)
      const { rooms } = await alice.sync({
        use_state_after: true,
        'org.matrix.msc4222.use_state_after': true,
        filter: lazy,
      })
      const joined = rooms.join?.[room]
      const senders = new Set(joined?.timeline.events.map(event => event.sender))
      expect(senders).toEqual(new Set([alice.userId, bob.userId]))
      const members = joined?.state_after?.events.filter(event => event.type === 'm.room.member')
      expect(members?.map(event => [event.sender, event.content.membership])).toEqual([
        [alice.userId, 'join'],
        [bob.userId, 'join'],
      ])
    },
  )
})

describe.each(dialects)('GET /_matrix/client/v3/sync?%s, answered as %s', (option, name, more) => {
  const asked = { ...more, [option]: true }

  test('it takes the place of `state`, and is there when it is empty', async () => {
    const room = await alice.createRoom()
    const initial = await alice.sync(asked)
    expect(namesIn(initial.rooms.join?.[room])).toEqual([name])
    await alice.say(room, 'hello')
    const { rooms } = await alice.sync({ ...asked, since: initial.next_batch })
    expect(namesIn(rooms.join?.[room])).toEqual([name])
    expect(rooms.join?.[room]?.[name]).toEqual({ events: [] })
  })

  test('in an initial sync it is the state at the end of the timeline', async () => {
    const room = await alice.createRoom()
    for (const topic of ['one', 'two', 'three']) {
      await alice.setState(room, 'm.room.topic', '', { topic })
    }
    const filter = JSON.stringify({ room: { timeline: { limit: 1 } } })
    const topicOf = (events: WireEvent[] | undefined) =>
      events?.filter(event => event.type === 'm.room.topic').map(event => event.content.topic)
    const before = await alice.sync({ filter })
    expect(topicOf(before.rooms.join?.[room]?.state.events)).toEqual(['two'])
    const { rooms } = await alice.sync({ ...asked, filter })
    const after = rooms.join?.[room]?.[name]?.events
    expect(topicOf(after)).toEqual(['three'])
    const all = await alice.ok('GET', alice.roomPath(room, 'state'))
    expect(ids(after).sort()).toEqual(ids(all as unknown as WireEvent[]).sort())
  })

  test('in an incremental sync it is what changed since, in the timeline or in a gap', async () => {
    const room = await alice.createRoom()
    const { next_batch: since } = await alice.sync()
    await alice.setState(room, 'm.room.topic', '', { topic: 'overtaken' })
    const changes = [await alice.setState(room, 'org.example', 'in the gap', {})]
    changes.push(await alice.setState(room, 'm.room.topic', '', { topic: 'in the timeline' }))
    await alice.say(room, 'hello')
    for (const limit of [1, 2, 10]) {
      const filter = JSON.stringify({ room: { timeline: { limit } } })
      const { rooms } = await alice.sync({ ...asked, since, filter })
      expect(rooms.join?.[room]?.timeline.limited).toBe(limit < 4)
      expect(ids(rooms.join?.[room]?.[name]?.events)).toEqual(changes)
    }
  })

  test('a membership that changed is in it, lazily loaded or not', async () => {
    const room = await alice.createRoom({ preset: 'public_chat', name: 'No heroes' })
    await bob.join(room)
    const { next_batch: since } = await alice.sync()
    await bob.leave(room)
    await alice.say(room, 'hello')
    const filter = JSON.stringify({
      room: { timeline: { types: ['m.room.message'] }, state: { lazy_load_members: true } },
    })
    const { rooms } = await alice.sync({ ...asked, since, filter })
    expect(rooms.join?.[room]?.timeline.events).toMatchObject([{ content: { body: 'hello' } }])
    const members = rooms.join?.[room]?.[name]?.events
    expect(members?.map(event => [event.state_key, event.content.membership])).toEqual([
      [alice.userId, 'join'],
      [bob.userId, 'leave'],
    ])
  })

  test('a room that one has left has it too, as of the departure', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    const { next_batch: since } = await bob.sync()
    const topic = await alice.setState(room, 'm.room.topic', '', { topic: 'before' })
    await bob.leave(room)
    await alice.setState(room, 'm.room.topic', '', { topic: 'after' })
    const { rooms } = await bob.sync({ ...asked, since })
    const left = rooms.leave?.[room]
    expect(namesIn(left)).toEqual([name])
    const departure = left?.timeline.events.at(-1)?.event_id
    expect(ids(left?.[name]?.events)).toEqual([topic, departure])

    const filter = JSON.stringify({ room: { include_leave: true } })
    const whole = (await bob.sync({ ...asked, filter })).rooms.leave?.[room]
    expect(namesIn(whole)).toEqual([name])
    const topics = whole?.[name]?.events.filter(event => event.type === 'm.room.topic')
    expect(ids(topics)).toEqual([topic])
  })

  // matrix-js-sdk takes its membership from nowhere else: an invite that was rejected stayed one.
  test('whoever was not in the room at the end has their own membership in it', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    const own = async (since?: string) => {
      const filter = JSON.stringify({ room: { include_leave: since === undefined } })
      const { rooms, next_batch } = await bob.sync({ ...asked, filter, since })
      const events = rooms.leave?.[room]?.[name]?.events ?? []
      const members = events.filter(event => event.state_key === bob.userId)
      return { memberships: members.map(event => event.content.membership), next_batch }
    }
    let { next_batch } = await bob.sync()
    const becomes = async (membership: string) => {
      const told = await own(next_batch)
      expect(told.memberships).toEqual([membership])
      next_batch = told.next_batch
    }
    await alice.invite(room, bob.userId)
    next_batch = (await bob.sync({ since: next_batch })).next_batch
    await bob.leave(room)
    await becomes('leave')
    await alice.ban(room, bob.userId)
    await becomes('ban')
    await alice.unban(room, bob.userId)
    await becomes('leave')
    await bob.join(room)
    next_batch = (await bob.sync({ since: next_batch })).next_batch
    await alice.kick(room, bob.userId)
    await becomes('leave')
    await alice.ban(room, bob.userId)
    await becomes('ban')
    expect((await own()).memberships).toEqual(['ban'])
  })

  test('the filter of the state applies to it', async () => {
    const room = await alice.createRoom()
    const filter = JSON.stringify({ room: { state: { types: ['m.room.create'] } } })
    const { rooms } = await alice.sync({ ...asked, filter })
    expect(rooms.join?.[room]?.[name]?.events.map(event => event.type)).toEqual(['m.room.create'])
  })
})

test('use_state_after=false is as if it were not there; anything else is 400', async () => {
  const room = await alice.createRoom()
  const { rooms } = await alice.sync({ use_state_after: false })
  expect(namesIn(rooms.join?.[room])).toEqual(['state'])
  const path = '/_matrix/client/v3/sync'
  const { status, body } = await alice.request('GET', path, { query: { use_state_after: 'yes' } })
  expect([status, body.errcode]).toEqual([400, 'M_INVALID_PARAM'])
})
