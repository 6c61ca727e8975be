import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { WireEvent } from '../support/wire.ts'

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

type Query = Record<string, string>

async function membersOf(client: Client, room: string, query: Query = {}): Promise<WireEvent[]> {
  return (await client.ok('GET', client.roomPath(room, 'members'), { query })).chunk
}

/** Who is in the answer, in the order of their names. */
async function namesOf(client: Client, room: string, query: Query = {}): Promise<string[]> {
  return (await membersOf(client, room, query)).map(event => String(event.state_key)).sort()
}

describe('TestGetRoomMembers: GET /rooms/{roomId}/members', () => {
  test('lists the membership events of the room', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    const members = await membersOf(alice, room)
    expect(members.map(event => [event.type, event.state_key, event.room_id])).toEqual([
      ['m.room.member', alice.userId, room],
      ['m.room.member', bob.userId, room],
    ])
    expect(members[1]).toMatchObject({ sender: bob.userId, content: { membership: 'join' } })
  })

  test('is refused to those who were never in the room', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    expect(await refusal(membersOf(bob, room))).toMatchObject({
      status: 403,
      errcode: 'M_FORBIDDEN',
    })
  })

  test('shows those who have left the room as it was then', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    await bob.leave(room)
    await charlie.join(room)
    expect(await namesOf(bob, room)).toEqual([alice.userId, bob.userId])
    expect(await namesOf(alice, room)).toEqual([alice.userId, bob.userId, charlie.userId])
  })
})

describe('TestGetRoomMembersAtPoint: GET /rooms/{roomId}/members?at=', () => {
  test('lists the members as the sync of that prev_batch saw them', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    await alice.say(room, 'Hello world!')
    const { rooms, next_batch } = await alice.sync()
    const at = rooms.join?.[room]?.timeline.prev_batch ?? ''
    await bob.join(room)
    await bob.say(room, 'Hello back')
    expect(await namesOf(alice, room, { at })).toEqual([alice.userId])
    expect(await namesOf(alice, room, { at: next_batch })).toEqual([alice.userId])
    const later = (await alice.sync()).rooms.join?.[room]?.timeline.prev_batch ?? ''
    expect(await namesOf(alice, room, { at: later })).toEqual([alice.userId, bob.userId])
  })

  test('does not show those who have left what came later', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    await bob.leave(room)
    await charlie.join(room)
    const { next_batch: at } = await alice.sync()
    expect(await namesOf(alice, room, { at })).toContain(charlie.userId)
    expect(await namesOf(bob, room, { at })).not.toContain(charlie.userId)
  })

  test('a token that is none is refused', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    expect(await refusal(membersOf(alice, room, { at: 'yesterday' }))).toMatchObject({
      status: 400,
      errcode: 'M_INVALID_PARAM',
    })
  })
})

describe('TestGetFilteredRoomMembers: GET /rooms/{roomId}/members, filtered', () => {
  let room: string
  beforeAll(async () => {
    room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    await bob.leave(room)
  })

  test('not_membership=leave', async () => {
    expect(await namesOf(alice, room, { not_membership: 'leave' })).toEqual([alice.userId])
  })
  test('membership=leave', async () => {
    expect(await namesOf(alice, room, { membership: 'leave' })).toEqual([bob.userId])
  })
  test('membership=join', async () => {
    expect(await namesOf(alice, room, { membership: 'join' })).toEqual([alice.userId])
  })
  test('both at once: either is enough', async () => {
    const all = [alice.userId, bob.userId].sort()
    const either = { membership: 'join', not_membership: 'join' }
    expect((await namesOf(alice, room, either)).sort()).toEqual(all)
    const same = { membership: 'leave', not_membership: 'join' }
    expect(await namesOf(alice, room, same)).toEqual([bob.userId])
  })
  test('a filter that nobody passes', async () => {
    expect(await namesOf(alice, room, { membership: 'ban' })).toEqual([])
  })
})
