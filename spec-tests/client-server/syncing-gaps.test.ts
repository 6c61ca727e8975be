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

const limitOf = (limit: number) => JSON.stringify({ room: { timeline: { limit } } })
const ids = (events: WireEvent[] = []) => events.map(event => event.event_id)

/** Every event of a room that the user may see, oldest first. */
async function allOf(user: Client, room: string): Promise<string[]> {
  return ids((await user.messages(room, { dir: 'f', limit: 1000 })).chunk)
}

/** From a token of /sync back until nothing is left, newest first. */
async function walkBack(user: Client, room: string, token: string | undefined, limit: number) {
  const seen: string[] = []
  for (let from = token; from !== undefined; ) {
    const page = await user.messages(room, { dir: 'b', from, limit })
    seen.push(...ids(page.chunk))
    from = page.end
  }
  return seen
}

async function joinedRoom(user: Client, room: string, query = {}): Promise<JoinedRoom> {
  const { rooms } = await user.sync(query)
  return rooms.join?.[room] as JoinedRoom
}

async function busyRoom(): Promise<string> {
  const room = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(room)
  for (let number = 1; number <= 4; number++) {
    await alice.say(room, `a${number}`)
    await bob.say(room, `b${number}`)
    await alice.setState(room, 'org.example.state', 'key', { number })
  }
  return room
}

describe('GET /_matrix/client/v3/sync, timeline.limited and prev_batch', () => {
  test.each([0, 1, 2, 3, 5, 10, 50])(
    'limit=%i: the timeline, and back from prev_batch, is every event once',
    async limit => {
      const room = await busyRoom()
      const expected = await allOf(bob, room)
      const { timeline } = await joinedRoom(bob, room, { filter: limitOf(limit) })
      expect(timeline.events).toHaveLength(Math.min(limit, expected.length))
      expect(timeline.limited).toBe(limit < expected.length)
      for (const step of [1, 2, 7, 100]) {
        const before = await walkBack(bob, room, timeline.prev_batch, step)
        expect([...before.reverse(), ...ids(timeline.events)]).toEqual(expected)
      }
    },
  )

  test.each([1, 2, 5, 11, 12, 50])(
    'limit=%i: a gap is closed exactly by walking from prev_batch to since',
    async limit => {
      const room = await alice.createRoom({ preset: 'public_chat' })
      await bob.join(room)
      const { next_batch: since } = await bob.sync()
      const sent: string[] = []
      for (let number = 1; number <= 12; number++) sent.push(await alice.say(room, `m${number}`))
      const { timeline } = await joinedRoom(bob, room, { since, filter: limitOf(limit) })
      expect(ids(timeline.events)).toEqual(sent.slice(-limit))
      expect(timeline.limited).toBe(limit < sent.length)
      const gap = await bob.messages(room, {
        dir: 'b',
        from: timeline.prev_batch,
        to: since,
        limit: 100,
      })
      expect([...ids(gap.chunk).reverse(), ...ids(timeline.events)]).toEqual(sent)
    },
  )

  test('forwards from since to next_batch is the same stretch', async () => {
    const room = await busyRoom()
    const { next_batch: since } = await bob.sync()
    const sent = [await alice.say(room, 'one'), await bob.say(room, 'two')]
    const { next_batch: to } = await bob.sync({ since })
    await alice.say(room, 'three')
    expect(ids((await bob.messages(room, { dir: 'f', from: since, to })).chunk)).toEqual(sent)
  })

  test('the state of a gap is told, and that of the timeline is not', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    const { next_batch: since } = await bob.sync()
    const set = (type: string, value: string) => alice.setState(room, type, '', { value })
    await set('org.example.first', 'old')
    const inGap = [await set('org.example.first', 'new')]
    inGap.push(await set('org.example.both', 'in the gap'))
    const shown = [await set('org.example.both', 'in the timeline')]
    shown.push(await alice.say(room, 'last'))
    const { timeline, state } = await joinedRoom(bob, room, { since, filter: limitOf(2) })
    expect(timeline.limited).toBe(true)
    expect(ids(timeline.events)).toEqual(shown)
    expect(ids(state.events)).toEqual(inGap)
  })

  test('without a gap there is no state beside the timeline', async () => {
    const room = await busyRoom()
    const { next_batch: since } = await bob.sync()
    await alice.setState(room, 'm.room.topic', '', { topic: 'news' })
    const { timeline, state } = await joinedRoom(bob, room, { since })
    expect(timeline.events).toHaveLength(1)
    expect(timeline.limited).toBe(false)
    expect(state.events).toEqual([])
  })

  test('the state of an initial sync is that before its timeline', async () => {
    const room = await busyRoom()
    const { timeline, state } = await joinedRoom(bob, room, { filter: limitOf(3) })
    expect(timeline.events.map(event => event.type)).toEqual([
      'm.room.message',
      'm.room.message',
      'org.example.state',
    ])
    const own = state.events.filter(event => event.type === 'org.example.state')
    expect(own.map(event => event.content)).toEqual([{ number: 3 }])
    expect(new Set(state.events.map(event => `${event.type} ${event.state_key}`)).size).toBe(
      state.events.length,
    )
  })

  test('a stretch that one may not see is not jumped over', async () => {
    const room = await alice.createRoom({
      preset: 'public_chat',
      initial_state: [
        { type: 'm.room.history_visibility', content: { history_visibility: 'joined' } },
      ],
    })
    await bob.join(room)
    await alice.setState(room, 'm.room.name', '', { name: 'seen' })
    await bob.leave(room)
    await alice.setState(room, 'm.room.name', '', { name: 'missed' })
    await bob.join(room)
    await alice.say(room, 'welcome back')
    const { timeline, state } = await joinedRoom(bob, room)
    expect(timeline.limited).toBe(true)
    expect(timeline.events.map(event => event.type)).toEqual(['m.room.member', 'm.room.message'])
    const names = state.events.filter(event => event.type === 'm.room.name')
    expect(names.map(event => event.content.name)).toEqual(['missed'])
    const before = await walkBack(bob, room, timeline.prev_batch, 2)
    expect([...before.reverse(), ...ids(timeline.events)]).toEqual(await allOf(bob, room))
  })

  test('a room that one has left is complete up to the departure', async () => {
    const room = await busyRoom()
    const { next_batch: since } = await bob.sync()
    for (let number = 1; number <= 3; number++) await alice.say(room, `m${number}`)
    const expected = await allOf(bob, room)
    await bob.leave(room)
    await alice.say(room, 'after')
    const { rooms } = await bob.sync({ since, filter: limitOf(2) })
    const left = rooms.leave?.[room]
    expect(left?.timeline.limited).toBe(true)
    expect(left?.timeline.events.at(-1)).toMatchObject({ content: { membership: 'leave' } })
    const before = await walkBack(bob, room, left?.timeline.prev_batch, 4)
    expect([...before.reverse(), ...ids(left?.timeline.events).slice(0, -1)]).toEqual(expected)
  })
})
