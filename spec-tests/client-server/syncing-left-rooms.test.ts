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

const includeLeave = JSON.stringify({ room: { include_leave: true } })

/** A room's membership events of one user, state first. */
const membershipsOf = (user: Client, room: JoinedRoom | undefined) =>
  [...(room?.state.events ?? []), ...(room?.timeline.events ?? [])]
    .filter(event => event.type === 'm.room.member' && event.state_key === user.userId)
    .map(event => event.content.membership)

const restricted = {
  initial_state: [{ type: 'm.room.history_visibility', content: { history_visibility: 'joined' } }],
}

describe('TestSyncLeaveSection: GET /_matrix/client/v3/sync, rooms.leave', () => {
  test('left rooms appear in it', async () => {
    const room = await alice.createRoom()
    await alice.leave(room)
    const { rooms } = await alice.sync({ filter: includeLeave })
    expect(membershipsOf(alice, rooms.leave?.[room]).at(-1)).toBe('leave')
    expect(rooms.join).toBeUndefined()
    expect((await alice.sync()).rooms.leave).toBeUndefined()
  })

  test('left rooms appear in it in a full_state sync', async () => {
    const room = await alice.createRoom()
    const { next_batch: since } = await alice.sync({ filter: includeLeave })
    await alice.leave(room)
    const query = { since, full_state: true, filter: includeLeave }
    const { rooms } = await alice.sync(query)
    expect(rooms.leave?.[room]?.timeline.events).toMatchObject([
      { type: 'm.room.member', content: { membership: 'leave' } },
    ])
    const types = rooms.leave?.[room]?.state.events.map(event => event.type)
    expect(types).toEqual(expect.arrayContaining(['m.room.create', 'm.room.join_rules']))
  })

  test('newly left rooms appear in it in an incremental sync, once', async () => {
    const room = await alice.createRoom()
    const { next_batch: since } = await alice.sync()
    await alice.leave(room)
    const { rooms, next_batch: after } = await alice.sync({ since })
    expect(rooms.leave?.[room]?.timeline).toMatchObject({
      events: [{ type: 'm.room.member', content: { membership: 'leave' } }],
      limited: false,
    })
    expect(rooms.join).toBeUndefined()
    for (const filter of [undefined, includeLeave]) {
      expect((await alice.sync({ since: after, filter })).rooms).toEqual({})
    }
  })
})

test('TestGappedSyncLeaveSection: a departure survives a gap in another room', async () => {
  const filter = await alice.saveFilter({ room: { timeline: { limit: 1 }, include_leave: true } })
  const roomToLeave = await alice.createRoom()
  const roomToSpam = await alice.createRoom()
  const { next_batch: since } = await alice.sync({ filter })
  await alice.leave(roomToLeave)
  for (let count = 0; count < 20; count++) await alice.say(roomToSpam, 'Mr Anderson...')
  const { rooms } = await alice.sync({ filter, since })
  expect(membershipsOf(alice, rooms.leave?.[roomToLeave])).toEqual(['leave'])
  expect(rooms.join?.[roomToSpam]?.timeline).toMatchObject({ limited: true })
})

describe('TestArchivedRoomsHistory: left rooms contain only what was before the departure', () => {
  const madeUp = 'a.madeup.test.state'

  async function archive() {
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    const { next_batch: since } = await bob.sync()
    await alice.say(room, 'before')
    await alice.setState(room, madeUp, '', { my_key: 'before' })
    await bob.leave(room)
    await alice.say(room, 'after')
    await alice.setState(room, madeUp, '', { my_key: 'after' })
    return { room, since }
  }
  const filter = JSON.stringify({
    room: {
      timeline: { types: ['m.room.message', madeUp] },
      state: { types: [madeUp] },
      include_leave: true,
    },
  })
  const emptyTimeline = JSON.stringify({ room: { timeline: { limit: 0 }, include_leave: true } })

  test.each(['initial', 'incremental'])('timeline has events, %s sync', async kind => {
    const { room, since } = await archive()
    const { rooms } = await bob.sync(kind === 'initial' ? { filter } : { filter, since })
    expect(rooms.leave?.[room]?.timeline.events.map(event => event.content)).toEqual([
      { msgtype: 'm.text', body: 'before' },
      { my_key: 'before' },
    ])
    expect(rooms.leave?.[room]?.state.events).toEqual([])
  })

  // Complement always skips the incremental leaf; there is no reason to here.
  test.each(['initial', 'incremental'])('timeline is empty, %s sync', async kind => {
    const { room, since } = await archive()
    const query = kind === 'initial' ? {} : { since }
    const { rooms } = await bob.sync({ ...query, filter: emptyTimeline })
    expect(rooms.leave?.[room]?.timeline.events).toEqual([])
    const state = rooms.leave?.[room]?.state.events ?? []
    const madeUpState = state.filter((event: WireEvent) => event.type === madeUp)
    expect(madeUpState.map(event => event.content)).toEqual([{ my_key: 'before' }])
    expect(membershipsOf(bob, rooms.leave?.[room])).toEqual(['leave'])
  })
})

test('TestOlderLeftRoomsNotInLeaveSection: what was told is not told again', async () => {
  const filter = await alice.saveFilter({ room: { timeline: { limit: 1 }, include_leave: true } })
  const roomToLeave = await alice.createRoom({ preset: 'public_chat' })
  const roomToSpam = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(roomToLeave)
  await bob.join(roomToSpam)
  const { next_batch: since } = await alice.sync({ filter })
  await alice.leave(roomToLeave)
  const { rooms, next_batch: after } = await alice.sync({ filter, since })
  expect(membershipsOf(alice, rooms.leave?.[roomToLeave])).toEqual(['leave'])

  await bob.setState(roomToLeave, 'm.room.member', bob.userId, {
    membership: 'join',
    filler: 'Welcome back, my friends',
  })
  for (let count = 0; count < 20; count++) await bob.say(roomToSpam, 'Mr Anderson...')
  const later = await alice.sync({ filter, since: after })
  expect(later.rooms.leave).toBeUndefined()
  expect(later.rooms.join?.[roomToSpam]?.timeline.limited).toBe(true)
})

test('TestLeaveEventVisibility: one sees one’s own departure, though history is restricted', async () => {
  const room = await alice.createRoom({ ...restricted, preset: 'public_chat' })
  await bob.join(room)
  const { next_batch: since } = await alice.sync({ filter: includeLeave })
  await alice.leave(room)
  const { rooms } = await alice.sync({ filter: includeLeave, since })
  expect(rooms.leave?.[room]?.timeline.events).toMatchObject([
    { type: 'm.room.member', sender: alice.userId, content: { membership: 'leave' } },
  ])
  expect(rooms.leave?.[room]?.state.events).toEqual([])
})

describe('TestLeaveEventInviteRejection: one sees that one has rejected an invite', () => {
  test.each(['', 'use_state_after'])('and nothing else of the room %s', async option => {
    const room = await bob.createRoom(restricted)
    const { next_batch: since } = await alice.sync({ filter: includeLeave })
    await bob.invite(room, alice.userId)
    const invited = await alice.sync({ filter: includeLeave, since })
    expect(Object.keys(invited.rooms.invite ?? {})).toEqual([room])
    await alice.leave(room)
    const query = { filter: includeLeave, since: invited.next_batch }
    const { rooms } = await alice.sync(option ? { ...query, [option]: true } : query)
    const left = rooms.leave?.[room]
    expect(left?.timeline.events).toMatchObject([
      { type: 'm.room.member', state_key: alice.userId, content: { membership: 'leave' } },
    ])
    const state = option ? left?.state_after : left?.state
    // MSC4222: a client takes no state from the timeline.
    expect(state?.events).toEqual(option ? left?.timeline.events : [])
    expect(rooms.invite).toBeUndefined()
  })
})

test('GET /_matrix/client/v3/sync, rooms.leave: what one keeps for the room is told with it', async () => {
  const room = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(room)
  const tag = (name: string) =>
    `/_matrix/client/v3/user/${encodeURIComponent(bob.userId)}/rooms/${encodeURIComponent(room)}/tags/${name}`
  await bob.ok('PUT', tag('u.old'), { body: {} })
  const keptIn = async (query: Record<string, string>) =>
    (await bob.sync(query)).rooms.leave?.[room]?.account_data.events
  const { next_batch: since } = await bob.sync()
  await bob.leave(room)
  expect(await keptIn({ since })).toEqual([])
  const tagged = (...names: string[]) => [
    { type: 'm.tag', content: { tags: Object.fromEntries(names.map(name => [name, {}])) } },
  ]
  expect(await keptIn({ filter: includeLeave })).toEqual(tagged('u.old'))
  await bob.ok('PUT', tag('u.archived'), { body: {} })
  expect(await keptIn({ since })).toEqual(tagged('u.old', 'u.archived'))
  expect(await keptIn({ filter: includeLeave })).toEqual(tagged('u.old', 'u.archived'))
  const withoutTags = { include_leave: true, account_data: { not_types: ['m.tag'] } }
  expect(await keptIn({ filter: JSON.stringify({ room: withoutTags }) })).toEqual([])
})

describe('GET /_matrix/client/v3/sync: other ways to be out of a room', () => {
  test('a kick and a ban are told once, with who did it', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    const body = { user_id: bob.userId, reason: 'enough' }
    await bob.join(room)
    let since = (await bob.sync()).next_batch
    for (const [action, membership] of [
      ['kick', 'leave'],
      ['ban', 'ban'],
    ] as const) {
      await alice.ok('POST', alice.roomPath(room, action), { body })
      const { rooms, next_batch } = await bob.sync({ since })
      const content = { membership, reason: 'enough' }
      expect(rooms.leave?.[room]).toMatchObject({
        timeline: { events: [{ sender: alice.userId, state_key: bob.userId, content }] },
        // Nothing of the room is told again.
        state: { events: [] },
      })
      since = next_batch
      expect((await bob.sync({ since })).rooms).toEqual({})
    }
  })

  test('a knock that is withdrawn, and one that is refused', async () => {
    const room = await alice.createRoom({
      initial_state: [{ type: 'm.room.join_rules', content: { join_rule: 'knock' } }],
    })
    const { next_batch: since } = await bob.sync()
    for (const isRefused of [false, true]) {
      await bob.ok('POST', `/_matrix/client/v3/knock/${encodeURIComponent(room)}`, { body: {} })
      const knocked = await bob.sync({ since })
      expect(Object.keys(knocked.rooms.knock ?? {})).toEqual([room])
      if (isRefused) {
        await alice.ok('POST', alice.roomPath(room, 'kick'), { body: { user_id: bob.userId } })
      } else await bob.leave(room)
      const { rooms } = await bob.sync({ since: knocked.next_batch })
      expect(membershipsOf(bob, rooms.leave?.[room])).toEqual(['leave'])
      expect(rooms.knock).toBeUndefined()
    }
  })

  test('who comes back after the window is told of the departure as of any other', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    const { next_batch: since } = await bob.sync()
    await alice.setState(room, 'm.room.name', '', { name: 'before the gap' })
    for (let n = 0; n < 10; n++) await alice.say(room, String(n))
    await bob.leave(room)
    // An answer ends with the hundredth message to a device.
    const messages = { [bob.userId]: { [bob.deviceId]: {} } }
    for (let n = 0; n < 101; n++) {
      const path = `/_matrix/client/v3/sendToDevice/m.test/${n}`
      await alice.ok('PUT', path, { body: { messages } })
    }
    await bob.join(room)
    const { rooms, next_batch: after } = await bob.sync({ since })
    expect(rooms.leave?.[room]).toMatchObject({
      timeline: { limited: true },
      state: { events: [{ type: 'm.room.name', content: { name: 'before the gap' } }] },
    })
    const { rooms: later } = await bob.sync({ since: after })
    expect(membershipsOf(bob, later.join?.[room])).toContain('join')
  })

  test('who joins and leaves within one window is told of the departure', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    const { next_batch: since } = await bob.sync()
    await bob.join(room)
    await bob.leave(room)
    const { rooms } = await bob.sync({ since })
    expect(rooms.join).toBeUndefined()
    expect(membershipsOf(bob, rooms.leave?.[room])).toEqual(['join', 'leave'])
  })
})
