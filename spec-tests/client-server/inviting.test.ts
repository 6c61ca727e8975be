import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'

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

const privateRoom = (extra = {}) => alice.createRoom({ preset: 'private_chat', ...extra })

const membership = async (room: string, user: Client) =>
  (await alice.state(room, 'm.room.member', user.userId)).membership

describe('TestRoomsInvite: POST /rooms/{roomId}/invite', () => {
  test('users can be invited to invite-only rooms, and join', async () => {
    const room = await privateRoom()
    await alice.invite(room, bob.userId)
    const { rooms, next_batch } = await bob.sync()
    expect(rooms.invite).toHaveProperty([room])
    await bob.join(room)
    const joined = await bob.sync({ since: next_batch })
    expect(joined.rooms.join).toHaveProperty([room])
    expect(joined.rooms.invite).toBeUndefined()
    expect(await membership(room, bob)).toBe('join')
  })

  test('uninvited users cannot join', async () => {
    const room = await privateRoom()
    expect(await refusal(bob.join(room))).toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
  })

  test('an invited user can reject the invite', async () => {
    const room = await privateRoom()
    await alice.invite(room, bob.userId)
    const { next_batch } = await alice.sync()
    await bob.leave(room)
    const { rooms } = await alice.sync({ since: next_batch })
    expect(rooms.join?.[room]?.timeline.events).toEqual([
      expect.objectContaining({
        type: 'm.room.member',
        sender: bob.userId,
        state_key: bob.userId,
        content: { membership: 'leave' },
      }),
    ])
    expect(await refusal(bob.join(room))).toMatchObject({ status: 403 })
  })

  test('an invited user can reject the invite to a room that is now empty', async () => {
    const room = await privateRoom()
    await alice.invite(room, bob.userId)
    const invited = await bob.sync()
    expect(invited.rooms.invite).toHaveProperty([room])
    await alice.leave(room)
    await bob.leave(room)
    const rejected = await bob.sync({ since: invited.next_batch })
    expect(rejected.rooms.leave).toHaveProperty([room])
    const later = await bob.sync({ since: rejected.next_batch })
    expect(later.rooms.invite).toBeUndefined()
    expect((await bob.sync()).rooms.invite?.[room]).toBeUndefined()
  })

  test('users cannot invite themselves', async () => {
    const room = await privateRoom()
    expect(await refusal(alice.invite(room, alice.userId))).toMatchObject({
      status: 403,
      errcode: 'M_FORBIDDEN',
    })
    expect(await membership(room, alice)).toBe('join')
  })

  test('users cannot invite a user who is in the room already', async () => {
    const room = await privateRoom({ invite: [bob.userId] })
    await bob.join(room)
    expect(await refusal(alice.invite(room, bob.userId))).toMatchObject({
      status: 403,
      errcode: 'M_FORBIDDEN',
    })
    expect(await membership(room, bob)).toBe('join')
  })

  test('an invited user sees what room it is, and who invites', async () => {
    const room = await privateRoom({ name: 'Invites room', invite: [bob.userId] })
    const { events } = (await bob.sync()).rooms.invite?.[room]?.invite_state ?? { events: [] }
    const seen = Object.fromEntries(
      events.map(event => [`${event.type} ${event.state_key}`, event.content]),
    )
    expect(seen).toMatchObject({
      'm.room.create ': { room_version: '11' },
      'm.room.join_rules ': { join_rule: 'invite' },
      'm.room.name ': { name: 'Invites room' },
      [`m.room.member ${alice.userId}`]: { membership: 'join' },
      [`m.room.member ${bob.userId}`]: { membership: 'invite' },
    })
  })

  test('we can be reinvited to a room that we created', async () => {
    const room = await privateRoom({ invite: [bob.userId] })
    await bob.join(room)
    await alice.setState(room, 'm.room.power_levels', '', { users: { [bob.userId]: 100 } })
    await alice.leave(room)
    expect(await refusal(alice.join(room))).toMatchObject({ status: 403 })
    await bob.invite(room, alice.userId)
    expect((await alice.sync()).rooms.invite).toHaveProperty([room])
    await alice.join(room)
    expect(await membership(room, alice)).toBe('join')
  })
})

describe('POST /rooms/{roomId}/invite: who may', () => {
  test('whoever reaches the invite level', async () => {
    const room = await alice.createRoom({
      preset: 'public_chat',
      power_level_content_override: { invite: 50 },
    })
    await bob.join(room)
    expect(await refusal(bob.invite(room, charlie.userId))).toMatchObject({
      status: 403,
      errcode: 'M_FORBIDDEN',
    })
    await alice.setState(room, 'm.room.power_levels', '', {
      users: { [alice.userId]: 100 },
      invite: 0,
    })
    await bob.invite(room, charlie.userId)
    expect(await membership(room, charlie)).toBe('invite')
  })

  test('nobody who is not in the room, nor who is only invited', async () => {
    const room = await privateRoom()
    expect(await refusal(bob.invite(room, charlie.userId))).toMatchObject({ status: 403 })
    await alice.invite(room, bob.userId)
    expect(await refusal(bob.invite(room, charlie.userId))).toMatchObject({ status: 403 })
    expect(await refusal(membership(room, charlie))).toMatchObject({ status: 404 })
  })

  test('nobody, to a room that does not exist', async () => {
    expect(await refusal(alice.invite('!nowhere:hs1', bob.userId))).toMatchObject({ status: 403 })
  })

  test('the reason is told', async () => {
    const room = await privateRoom()
    const body = { user_id: bob.userId, reason: 'Because' }
    await alice.ok('POST', alice.roomPath(room, 'invite'), { body })
    expect(await alice.state(room, 'm.room.member', bob.userId)).toEqual({
      membership: 'invite',
      reason: 'Because',
    })
  })

  test('an email address is refused: there is no identity server to ask whose it is', async () => {
    const room = await privateRoom()
    const body = { id_server: 'id.example', id_access_token: 'x', medium: 'email', address: 'b@ob' }
    const error = await refusal(alice.ok('POST', alice.roomPath(room, 'invite'), { body }))
    expect(error).toMatchObject({ status: 403, errcode: 'M_THREEPID_DENIED' })
  })

  test.each([
    [{}, 'M_MISSING_PARAM'],
    [{ user_id: 'bob' }, 'M_INVALID_PARAM'],
    [{ user_id: 7 }, 'M_BAD_JSON'],
  ])('a body without a user ID is refused: %j', async (body, errcode) => {
    const room = await privateRoom()
    const error = await refusal(alice.ok('POST', alice.roomPath(room, 'invite'), { body }))
    expect(error).toMatchObject({ status: 400, errcode })
  })
})
