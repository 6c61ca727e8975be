import { type Client, RequestFailed, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject, WireEvent } from '../support/wire.ts'

let server: TestServer
let alice: Client
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
})
afterAll(() => server.stop())

function createRoom(visibility: string): Promise<string> {
  return alice.createRoom({
    preset: 'public_chat',
    initial_state: [
      { type: 'm.room.history_visibility', content: { history_visibility: visibility } },
    ],
  })
}

const fetchEvent = (user: Client, room: string, eventId: string) =>
  user.ok('GET', user.roomPath(room, 'event', eventId))

async function expectWhole(user: Client, room: string, eventId: string): Promise<void> {
  expect(await fetchEvent(user, room, eventId)).toMatchObject({
    content: { msgtype: 'm.text', body: 'Hello world' },
    type: 'm.room.message',
    room_id: room,
    sender: alice.userId,
    event_id: eventId,
    origin_server_ts: expect.any(Number),
  })
}

async function expectHidden(user: Client, room: string, eventId: string): Promise<void> {
  const { status, errcode } = await refusal(fetchEvent(user, room, eventId))
  expect({ status, errcode }).toEqual({ status: 404, errcode: 'M_NOT_FOUND' })
}

describe('GET /_matrix/client/v3/rooms/{roomId}/event/{eventId}', () => {
  test('TestFetchHistoricalJoinedEventDenied: joined, from before the join', async () => {
    const bob = await server.user('bob')
    const room = await createRoom('joined')
    const eventId = await alice.say(room, 'Hello world')
    await bob.join(room)
    await expectHidden(bob, room, eventId)
  })

  test('TestFetchHistoricalSharedEvent: shared, from before the join', async () => {
    const bob = await server.user('bob')
    const room = await createRoom('shared')
    const eventId = await alice.say(room, 'Hello world')
    await bob.join(room)
    await expectWhole(bob, room, eventId)
  })

  test('TestFetchHistoricalInvitedEventFromBetweenInvite: invited, from between', async () => {
    const bob = await server.user('bob')
    const room = await createRoom('invited')
    await alice.invite(room, bob.userId)
    const eventId = await alice.say(room, 'Hello world')
    await bob.join(room)
    await expectWhole(bob, room, eventId)
  })

  test('TestFetchHistoricalInvitedEventFromBeforeInvite: invited, from before', async () => {
    const bob = await server.user('bob')
    const room = await createRoom('invited')
    const eventId = await alice.say(room, 'Hello world')
    await alice.invite(room, bob.userId)
    await bob.join(room)
    await expectHidden(bob, room, eventId)
  })

  test('TestFetchEventNonWorldReadable: shared, for somebody outside', async () => {
    const bob = await server.user('bob')
    const room = await createRoom('shared')
    await expectHidden(bob, room, await alice.say(room, 'Hello world'))
  })

  test('TestFetchEventWorldReadable: world_readable, for somebody outside', async () => {
    const bob = await server.user('bob')
    const room = await createRoom('world_readable')
    await expectWhole(bob, room, await alice.say(room, 'Hello world'))
  })
})

/**
 * Each room goes through the same stages, and in each stage something is said and the state
 * `stage` is set: 0 before the invites, 1 while invited, 2 while joined, 3 after the departure.
 */
const stages = ['0', '1', '2', '3']
const visibilities = ['world_readable', 'shared', 'invited', 'joined'] as const
const readers = ['stranger', 'invited', 'joined', 'left', 'back', 'banned'] as const
type Visibility = (typeof visibilities)[number]
type Reader = (typeof readers)[number]

/** Which stages' messages each may read, by the specification's rules. */
const readable: Record<Visibility, Record<Reader, string>> = {
  world_readable: {
    stranger: '0123',
    invited: '0123',
    joined: '0123',
    left: '0123',
    back: '0123',
    banned: '0123',
  },
  shared: { stranger: '', invited: '', joined: '0123', left: '012', back: '0123', banned: '012' },
  invited: { stranger: '', invited: '123', joined: '123', left: '12', back: '12', banned: '12' },
  joined: { stranger: '', invited: '', joined: '23', left: '2', back: '2', banned: '2' },
}

/** The stage as of which each may read the room's state; '' is a refusal. */
const stateStage: Record<Reader, string> = {
  stranger: '',
  invited: '',
  joined: '3',
  left: '2',
  back: '3',
  banned: '2',
}

interface Story {
  room: string
  /** Event ids by stage. */
  said: Record<string, string>
  users: Record<Reader, Client>
}

async function tell(visibility: Visibility): Promise<Story> {
  const room = await createRoom(visibility)
  const users = {} as Record<Reader, Client>
  for (const reader of readers) users[reader] = await server.user(reader)
  const said: Record<string, string> = {}
  const say = async (stage: string) => {
    await alice.setState(room, 'stage', '', { stage })
    said[stage] = await alice.say(room, stage)
  }
  await say('0')
  for (const reader of readers) {
    if (reader !== 'stranger') await alice.invite(room, users[reader].userId)
  }
  await say('1')
  for (const reader of ['joined', 'left', 'back', 'banned'] as const) await users[reader].join(room)
  await say('2')
  await users.left.leave(room)
  await users.back.leave(room)
  const body = { user_id: users.banned.userId }
  await alice.ok('POST', alice.roomPath(room, 'ban'), { body })
  await say('3')
  await users.back.join(room)
  return { room, said, users }
}

const stagesSaid = (events: WireEvent[] = []) =>
  events
    .filter(event => event.type === 'm.room.message')
    .map(event => event.content.body)
    .sort()
    .join('')

/** What a read gives, or the status of its refusal. */
async function statusOr<T>(read: Promise<T>): Promise<T | number> {
  try {
    return await read
  } catch (error) {
    if (error instanceof RequestFailed) return error.status
    throw error
  }
}

describe.each(visibilities)('history_visibility %s, over every way to read', visibility => {
  let story: Story
  beforeAll(async () => {
    story = await tell(visibility)
  })
  const cases = readers.map(reader => [reader, readable[visibility][reader]] as const)
  const isPeeking = visibility === 'world_readable'
  const mayRead = (reader: Reader) => isPeeking || stateStage[reader] !== ''
  const get = (reader: Reader, ...path: string[]) => {
    const user = story.users[reader]
    return statusOr(user.ok('GET', user.roomPath(story.room, ...path), { query: { limit: 100 } }))
  }

  test.each(cases)('/event: somebody %s may read %j', async (reader, expected) => {
    for (const stage of stages) {
      const answer = await get(reader, 'event', String(story.said[stage]))
      if (expected.includes(stage)) expect(answer).toMatchObject({ content: { body: stage } })
      else expect(answer).toBe(404)
    }
  })

  test.each(cases)('/context: somebody %s may read %j', async (reader, expected) => {
    for (const stage of stages) {
      const answer = await get(reader, 'context', String(story.said[stage]))
      if (!expected.includes(stage)) expect(answer).toBe(404)
      else {
        const { event, events_before: before, events_after: after } = answer as JsonObject
        expect(stagesSaid([...before, event, ...after])).toBe(expected)
      }
    }
  })

  test.each(cases)('/messages: somebody %s may read %j', async (reader, expected) => {
    for (const dir of ['b', 'f']) {
      const page = await statusOr(story.users[reader].messages(story.room, { dir, limit: 100 }))
      if (!mayRead(reader)) expect(page).toBe(403)
      else expect(stagesSaid((page as JsonObject).chunk)).toBe(expected)
    }
  })

  test.each(cases)(
    '/sync, and back from its prev_batch: somebody %s may read %j',
    async (...of) => {
      const [reader, expected] = of
      const filter = JSON.stringify({ room: { include_leave: true, timeline: { limit: 100 } } })
      const { rooms } = await story.users[reader].sync({ filter })
      const shown = { ...rooms.join, ...rooms.leave }[story.room]
      if (!shown) {
        expect(stateStage[reader]).toBe('')
        return
      }
      const { events, prev_batch: from } = shown.timeline
      const before = await story.users[reader].messages(story.room, { dir: 'b', from, limit: 100 })
      // A room that one has left ends with the departure, even if the world may read on.
      const isGone = reader === 'left' || reader === 'banned'
      const seen = isGone ? expected.replace('3', '') : expected
      expect(stagesSaid([...before.chunk, ...events])).toBe(seen)
      const stageEvents = [...shown.state.events, ...events].filter(event => event.type === 'stage')
      expect(stageEvents.at(-1)?.content.stage).toBe(stateStage[reader])
    },
  )

  test.each(readers)('/state: somebody %s reads it as it was when they left', async reader => {
    const stage = isPeeking ? '3' : stateStage[reader]
    const one = await get(reader, 'state', 'stage')
    const all = await get(reader, 'state')
    if (stage === '') expect([one, all]).toEqual([403, 403])
    else {
      expect(one).toEqual({ stage })
      const events = all as unknown as WireEvent[]
      expect(events.filter(event => event.type === 'stage')).toMatchObject([{ content: { stage } }])
    }
  })

  test.each(readers)('/members: somebody %s sees who was in it when they left', async reader => {
    const answer = await get(reader, 'members')
    if (!mayRead(reader)) expect(answer).toBe(403)
    else {
      const members = (answer as JsonObject).chunk as WireEvent[]
      const back = members.find(event => event.state_key === story.users.back.userId)
      const isGone = !isPeeking && (reader === 'left' || reader === 'banned')
      // `left` went before `back` did, and `banned` after.
      const asOfDeparture = reader === 'left' ? 'join' : 'leave'
      expect(back?.content.membership).toBe(isGone ? asOfDeparture : 'join')
    }
  })
})

test('TestMembershipOnEvents: unsigned.membership is what one was just after the event', async () => {
  const bob = await server.user('bob')
  const room = await createRoom('shared')
  const before = await alice.say(room, 'before')
  await alice.invite(room, bob.userId)
  const invited = await alice.say(room, 'invited')
  await bob.join(room)
  const after = await alice.say(room, 'after')
  const { timeline } = (await bob.sync()).rooms.join?.[room] ?? { timeline: { events: [] } }
  const membershipAt = (eventId: string) =>
    timeline.events.find(event => event.event_id === eventId)?.unsigned?.membership
  expect([before, invited, after].map(membershipAt)).toEqual(['leave', 'invite', 'join'])
  const own = timeline.events.find(event => event.state_key === bob.userId)
  expect(own?.unsigned?.membership).toBe('invite')
  const joins = timeline.events.filter(event => event.content.membership === 'join')
  expect(joins.at(-1)).toMatchObject({ state_key: bob.userId, unsigned: { membership: 'join' } })
  const [first] = (await alice.messages(room, { dir: 'f' })).chunk
  expect(first).toMatchObject({ type: 'm.room.create', unsigned: { membership: 'leave' } })
})

test('a change of the visibility holds from the event on, and not for what was before', async () => {
  const bob = await server.user('bob')
  const room = await createRoom('joined')
  const before = await alice.say(room, 'Hello world')
  const change = { history_visibility: 'shared' }
  const changeId = await alice.setState(room, 'm.room.history_visibility', '', change)
  const after = await alice.say(room, 'Hello world')
  await bob.join(room)
  await expectHidden(bob, room, before)
  // An event that changes the visibility is seen by whoever could before or after it.
  expect((await fetchEvent(bob, room, changeId)).content).toEqual(change)
  await expectWhole(bob, room, after)
})

describe('what an event says of another is hidden where that other is', () => {
  const setVisibility = (room: string, history_visibility: string) =>
    alice.setState(room, 'm.room.history_visibility', '', { history_visibility })

  test('prev_content and prev_sender: of state that was set before one joined', async () => {
    const bob = await server.user('bob')
    const room = await createRoom('joined')
    await alice.setState(room, 'm.room.topic', '', { topic: 'secret' })
    await bob.join(room)
    const eventId = await alice.setState(room, 'm.room.topic', '', { topic: 'known' })
    expect((await alice.event(room, eventId)).unsigned).toMatchObject({
      prev_content: { topic: 'secret' },
      prev_sender: alice.userId,
      replaces_state: expect.any(String),
    })
    const { unsigned } = await bob.event(room, eventId)
    for (const key of ['prev_content', 'prev_sender', 'replaces_state']) {
      expect(unsigned).not.toHaveProperty(key)
    }
    const later = await alice.setState(room, 'm.room.topic', '', { topic: 'public' })
    expect((await bob.event(room, later)).unsigned?.prev_content).toEqual({ topic: 'known' })
  })

  test("prev_content: of one's own membership one knows", async () => {
    const bob = await server.user('bob')
    const room = await createRoom('joined')
    await alice.invite(room, bob.userId)
    await bob.join(room)
    const { chunk } = await bob.messages(room, { dir: 'b', limit: 1 })
    expect(chunk[0]?.unsigned?.prev_content).toMatchObject({ membership: 'invite' })
  })

  test('redacted_because: the reason of a redaction that came after one had left', async () => {
    const bob = await server.user('bob')
    const room = await createRoom('shared')
    await bob.join(room)
    const eventId = await alice.say(room, 'Hello world')
    await bob.leave(room)
    const redactionId = await alice.redact(room, eventId, { reason: 'secret' })
    const seen = (user: Client) => user.event(room, eventId)
    expect((await seen(alice)).unsigned?.redacted_because).toMatchObject({
      event_id: redactionId,
      content: { reason: 'secret' },
    })
    const hidden = await seen(bob)
    expect(hidden.content).toEqual({})
    expect(hidden.unsigned?.redacted_because).toMatchObject({ type: 'm.room.redaction' })
    expect(JSON.stringify(hidden)).not.toContain('secret')
  })

  test('/members?at= a time that is hidden is refused', async () => {
    const [bob, charlie] = [await server.user('bob'), await server.user('charlie')]
    const room = await createRoom('joined')
    await charlie.join(room)
    const { next_batch: at } = await alice.sync()
    await charlie.leave(room)
    await bob.join(room)
    const members = (user: Client) =>
      user.ok('GET', user.roomPath(room, 'members'), { query: { at, membership: 'join' } })
    expect((await members(alice)).chunk).toHaveLength(2)
    expect(await refusal(members(bob))).toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
    await setVisibility(room, 'shared')
    expect(await refusal(members(bob))).toMatchObject({ status: 403 })
  })
})
