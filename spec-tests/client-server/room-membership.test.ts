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

const v3 = '/_matrix/client/v3'

function publicRoom(extra = {}): Promise<string> {
  return alice.createRoom({ visibility: 'public', preset: 'public_chat', ...extra })
}

const membership = (room: string, user: Client) => alice.state(room, 'm.room.member', user.userId)

/** What an answer of /sync says about the user's own membership in the room. */
async function seesJoin(user: Client, room: string): Promise<WireEvent | undefined> {
  const joined = (await user.sync()).rooms.join?.[room]
  const events = [...(joined?.state.events ?? []), ...(joined?.timeline.events ?? [])]
  return events.find(event => event.type === 'm.room.member' && event.state_key === user.userId)
}

describe('TestRoomMembers', () => {
  test('POST /rooms/{roomId}/join can join a room, with no body at all', async () => {
    const room = await publicRoom()
    const headers = { 'Content-Type': 'application/json' }
    expect(await bob.ok('POST', bob.roomPath(room, 'join'), { headers })).toEqual({ room_id: room })
    expect(await seesJoin(bob, room)).toMatchObject({ content: { membership: 'join' } })
  })

  test('POST /join/{roomAlias} can join a room', async () => {
    const room = await publicRoom({ room_alias_name: 'room_alias_random' })
    const path = `${v3}/join/${encodeURIComponent('#room_alias_random:hs1')}`
    const answer = await bob.ok('POST', path, { query: { server_name: 'hs1' } })
    expect(answer).toEqual({ room_id: room })
    expect(await seesJoin(bob, room)).toMatchObject({ content: { membership: 'join' } })
  })

  test('POST /join/{roomId} can join a room', async () => {
    const room = await publicRoom()
    expect(await bob.join(room)).toBe(room)
    expect(await seesJoin(bob, room)).toMatchObject({ content: { membership: 'join' } })
  })

  test('we can be reinvited to a room that we created', async () => {
    const room = await alice.createRoom({ preset: 'private_chat' })
    await alice.invite(room, bob.userId)
    await bob.join(room)
    await alice.setState(room, 'm.room.power_levels', '', {
      invite: 100,
      users: { [alice.userId]: 100, [bob.userId]: 100 },
    })
    await alice.leave(room)
    await bob.invite(room, alice.userId)
    const { rooms, next_batch } = await alice.sync()
    expect(rooms.invite).toHaveProperty([room])
    await alice.join(room)
    const later = await alice.sync({ since: next_batch })
    expect(later.rooms.join).toHaveProperty([room])
  })

  test('POST /join/{roomId} can join a room with custom content', async () => {
    const room = await publicRoom({ room_alias: 'helloWorld' })
    expect(await bob.join(room, { foo: 'bar' })).toBe(room)
    expect(await membership(room, bob)).toEqual({ foo: 'bar', membership: 'join' })
  })

  test('POST /join/{roomAlias} can join a room with custom content', async () => {
    const room = await publicRoom({ room_alias_name: 'room_alias_random2' })
    expect(await bob.join('#room_alias_random2:hs1', { foo: 'bar' })).toBe(room)
    expect(await membership(room, bob)).toEqual({ foo: 'bar', membership: 'join' })
  })

  test('POST /rooms/{roomId}/ban can ban a user', async () => {
    const room = await publicRoom()
    await bob.join(room)
    const { next_batch } = await bob.sync()
    await alice.ban(room, bob.userId, { reason: 'Testing' })
    expect((await bob.sync({ since: next_batch })).rooms.leave).toHaveProperty([room])
    expect(await membership(room, bob)).toEqual({ membership: 'ban', reason: 'Testing' })
  })

  test('POST /rooms/{roomId}/invite can send an invite', async () => {
    const room = await alice.createRoom()
    await alice.invite(room, bob.userId)
    expect(await membership(room, bob)).toEqual({ membership: 'invite' })
  })

  test('POST /rooms/{roomId}/leave can leave a room', async () => {
    const room = await alice.createRoom()
    await alice.invite(room, bob.userId)
    await bob.join(room)
    await bob.leave(room)
    expect(await membership(room, bob)).toEqual({ membership: 'leave' })
  })
})

describe('POST /join: who and where', () => {
  test('the content cannot claim another membership', async () => {
    const room = await publicRoom()
    await bob.join(room, { membership: 'ban', third_party_signed: {} })
    expect(await membership(room, bob)).toEqual({ membership: 'join' })
  })

  test('a room or an alias that does not exist is not found', async () => {
    expect(await refusal(bob.join('!nowhere:hs1'))).toMatchObject({
      status: 404,
      errcode: 'M_NOT_FOUND',
    })
    expect(await refusal(bob.join('#nowhere:hs1'))).toMatchObject({
      status: 404,
      errcode: 'M_NOT_FOUND',
    })
  })

  test('what is neither a room id nor an alias is refused', async () => {
    expect(await refusal(bob.join('nowhere'))).toMatchObject({
      status: 400,
      errcode: 'M_INVALID_PARAM',
    })
  })

  test('GET /joined_rooms lists what was joined, and no more once it is left', async () => {
    const room = await publicRoom()
    const rooms = async () => (await charlie.ok('GET', `${v3}/joined_rooms`)).joined_rooms
    expect(await rooms()).toEqual([])
    await charlie.join(room)
    expect(await rooms()).toEqual([room])
    await charlie.leave(room)
    expect(await rooms()).toEqual([])
  })
})

describe('POST /rooms/{roomId}/kick', () => {
  test('TestCannotKickNonPresentUser: a user who was never in the room', async () => {
    const room = await publicRoom()
    const error = await refusal(alice.kick(room, bob.userId, { reason: 'testing' }))
    expect(error).toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
    expect(await refusal(membership(room, bob))).toMatchObject({ status: 404 })
  })

  test('TestCannotKickLeftUser: a user who has left', async () => {
    const room = await publicRoom()
    await bob.join(room)
    await bob.leave(room)
    const error = await refusal(alice.kick(room, bob.userId, { reason: 'testing' }))
    expect(error).toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
    expect(await membership(room, bob)).toEqual({ membership: 'leave' })
  })

  test('a kicked user has left, and may come back if the room is public', async () => {
    const room = await publicRoom()
    await bob.join(room)
    await alice.kick(room, bob.userId, { reason: 'testing' })
    expect(await membership(room, bob)).toEqual({ membership: 'leave', reason: 'testing' })
    expect(await refusal(bob.say(room, 'still here?'))).toMatchObject({ status: 403 })
    await bob.join(room)
    expect(await membership(room, bob)).toEqual({ membership: 'join' })
  })

  test('kicking somebody who is invited takes the invite back', async () => {
    const room = await alice.createRoom({ invite: [bob.userId] })
    await alice.kick(room, bob.userId)
    expect(await refusal(bob.join(room))).toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
  })

  test('needs the kick level, and a higher level than the target', async () => {
    const room = await publicRoom()
    await bob.join(room)
    await charlie.join(room)
    expect(await refusal(bob.kick(room, charlie.userId))).toMatchObject({ status: 403 })
    const users = { [alice.userId]: 100, [bob.userId]: 50, [charlie.userId]: 50 }
    await alice.setState(room, 'm.room.power_levels', '', { users })
    expect(await refusal(bob.kick(room, charlie.userId))).toMatchObject({ status: 403 })
    await alice.setState(room, 'm.room.power_levels', '', {
      users: { ...users, [charlie.userId]: 49 },
    })
    await bob.kick(room, charlie.userId)
    expect(await membership(room, charlie)).toEqual({ membership: 'leave' })
  })
})

describe('POST /rooms/{roomId}/ban and /unban', () => {
  test('TestNotPresentUserCannotBanOthers: power without presence bans nobody', async () => {
    const room = await publicRoom()
    await bob.join(room)
    await alice.setState(room, 'm.room.power_levels', '', { users: { [charlie.userId]: 100 } })
    const error = await refusal(charlie.ban(room, bob.userId, { reason: 'testing' }))
    expect(error).toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
    expect(await membership(room, bob)).toEqual({ membership: 'join' })
  })

  test('a banned user can neither join nor be invited nor leave', async () => {
    const room = await publicRoom()
    await alice.ban(room, bob.userId)
    expect(await refusal(bob.join(room))).toMatchObject({ status: 403 })
    expect(await refusal(alice.invite(room, bob.userId))).toMatchObject({ status: 403 })
    expect(await refusal(bob.leave(room))).toMatchObject({ status: 403 })
    expect(await refusal(alice.kick(room, bob.userId))).toMatchObject({ status: 403 })
    expect(await membership(room, bob)).toEqual({ membership: 'ban' })
  })

  test('an unbanned user has left, and may join again', async () => {
    const room = await publicRoom()
    await alice.ban(room, bob.userId)
    await alice.unban(room, bob.userId, { reason: 'sorry' })
    expect(await membership(room, bob)).toEqual({ membership: 'leave', reason: 'sorry' })
    await bob.join(room)
    expect(await membership(room, bob)).toEqual({ membership: 'join' })
  })

  test('unban is only for the banned: it kicks nobody', async () => {
    const room = await publicRoom()
    await bob.join(room)
    const error = await refusal(alice.unban(room, bob.userId))
    expect(error).toMatchObject({ status: 403, errcode: 'M_BAD_STATE' })
    expect(await membership(room, bob)).toEqual({ membership: 'join' })
  })

  test('needs the ban level', async () => {
    const room = await publicRoom()
    await bob.join(room)
    await charlie.join(room)
    expect(await refusal(bob.ban(room, charlie.userId))).toMatchObject({ status: 403 })
    await alice.ban(room, charlie.userId)
    expect(await refusal(bob.unban(room, charlie.userId))).toMatchObject({ status: 403 })
    expect(await membership(room, charlie)).toEqual({ membership: 'ban' })
  })
})

describe('PUT /rooms/{roomId}/state/m.room.member/{userId}', () => {
  test('changes a membership by the same rules', async () => {
    const room = await publicRoom()
    await bob.setState(room, 'm.room.member', bob.userId, { membership: 'join', displayname: 'B' })
    expect(await membership(room, bob)).toEqual({ membership: 'join', displayname: 'B' })
    const forBob = (client: Client, content: string) =>
      client.setState(room, 'm.room.member', bob.userId, { membership: content })
    expect(await refusal(forBob(charlie, 'leave'))).toMatchObject({ status: 403 })
    expect(await refusal(forBob(alice, 'join'))).toMatchObject({ status: 403 })
    expect(await refusal(forBob(bob, 'owner'))).toMatchObject({ status: 403 })
    await forBob(alice, 'ban')
    expect(await refusal(forBob(bob, 'join'))).toMatchObject({ status: 403 })
    expect(await membership(room, bob)).toEqual({ membership: 'ban' })
  })
})
