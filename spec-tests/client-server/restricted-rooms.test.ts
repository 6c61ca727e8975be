import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

let server: TestServer
let alice: Client
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
})
afterAll(() => server.stop())

const forbidden = { status: 403, errcode: 'M_FORBIDDEN' }

const joinRules = (joinRule: string, allow: unknown) => ({
  type: 'm.room.join_rules',
  state_key: '',
  content: { join_rule: joinRule, allow } as JsonObject,
})

const membersOf = (room: string) => [{ type: 'm.room_membership', room_id: room, via: ['hs1'] }]

/** A public room, and one that its members may join. */
async function twoRooms(roomVersion: string, joinRule: string, extra: JsonObject = {}) {
  const allowed = await alice.createRoom({ preset: 'public_chat', name: 'Allowed Room' })
  const room = await alice.createRoom({
    preset: 'public_chat',
    name: 'Room',
    room_version: roomVersion,
    initial_state: [joinRules(joinRule, membersOf(allowed))],
    ...extra,
  })
  return { allowed, room }
}

const plain = 'TestRestrictedRoomsLocalJoin'
const knocking = 'TestRestrictedRoomsLocalJoinInMSC3787Room'

describe.each([
  [plain, '8', 'restricted'],
  [plain, '9', 'restricted'],
  [knocking, '10', 'knock_restricted'],
  [plain, '11', 'restricted'],
  [knocking, '12', 'knock_restricted'],
])('%s: room version %s, join rule %s', (_, version, joinRule) => {
  let bob: Client
  let allowed: string
  let room: string
  beforeAll(async () => {
    bob = await server.user('bob')
    ;({ allowed, room } = await twoRooms(version, joinRule))
  })

  test('joining fails initially', async () => {
    expect(await refusal(bob.join(room))).toMatchObject(forbidden)
  })

  test('joining succeeds for who is joined to the allowed room', async () => {
    await bob.join(allowed)
    await bob.join(room)
    const member = await alice.state(room, 'm.room.member', bob.userId)
    expect(member).toEqual({
      membership: 'join',
      join_authorised_via_users_server: alice.userId,
    })
    // join → join: whom a client names there does not matter.
    await bob.setState(room, 'm.room.member', bob.userId, {
      membership: 'join',
      displayname: 'Bobby',
      join_authorised_via_users_server: 'unused',
    })
    const renamed = await alice.state(room, 'm.room.member', bob.userId)
    expect(renamed).toMatchObject({ membership: 'join', displayname: 'Bobby' })
  })

  test('joining fails for who has left the allowed room', async () => {
    await bob.leave(room)
    await bob.leave(allowed)
    expect(await refusal(bob.join(room))).toMatchObject(forbidden)
  })

  test('joining succeeds for who is invited', async () => {
    await alice.invite(room, bob.userId)
    await bob.join(room)
    await bob.leave(room)
    await bob.join(allowed)
  })

  test.each([
    [['invalid']],
    ['invalid'],
    [[{ type: 'm.room_membership' }]],
    [[{ type: 'm.room_membership', room_id: 5 }]],
    [[{ type: 'org.example.other', room_id: '!room:hs1' }]],
    [[]],
    [undefined],
  ])('joining fails with a mangled allow: %j', async allow => {
    const { type, content } = joinRules(joinRule, allow)
    await alice.setState(room, type, '', content)
    expect(await refusal(bob.join(room))).toMatchObject(forbidden)
  })
})

describe('Restricted rooms: who lets in', () => {
  test('one of several allowed rooms is enough', async () => {
    const bob = await server.user('bob')
    const { allowed, room } = await twoRooms('11', 'restricted')
    const rules = joinRules('restricted', [
      'invalid',
      ...membersOf('!no:hs1'),
      ...membersOf(allowed),
    ])
    await alice.setState(room, rules.type, '', rules.content)
    await bob.join(allowed)
    await bob.join(room)
    expect((await alice.state(room, 'm.room.member', bob.userId)).membership).toBe('join')
  })

  test('being invited to the allowed room is not being in it', async () => {
    const bob = await server.user('bob')
    const { allowed, room } = await twoRooms('11', 'restricted')
    await alice.invite(allowed, bob.userId)
    expect(await refusal(bob.join(room))).toMatchObject(forbidden)
  })

  test('a member who may invite, and nobody if there is none', async () => {
    const bob = await server.user('bob')
    const charlie = await server.user('charlie')
    const { allowed, room } = await twoRooms('11', 'restricted', {
      power_level_content_override: { invite: 50 },
    })
    await bob.join(allowed)
    await charlie.join(allowed)
    await bob.join(room)
    await alice.leave(room)
    expect(await refusal(charlie.join(room))).toMatchObject(forbidden)
  })

  test('a user who is banned is not let in', async () => {
    const bob = await server.user('bob')
    const { allowed, room } = await twoRooms('11', 'restricted')
    await bob.join(allowed)
    await alice.ban(room, bob.userId)
    expect(await refusal(bob.join(room))).toMatchObject(forbidden)
  })

  const joined = { membership: 'join' }

  test('a join that is sent as state is vouched for, too', async () => {
    const bob = await server.user('bob')
    const { allowed, room } = await twoRooms('11', 'restricted')
    expect(await refusal(bob.setState(room, 'm.room.member', bob.userId, joined))).toMatchObject(
      forbidden,
    )
    await bob.join(allowed)
    await bob.setState(room, 'm.room.member', bob.userId, joined)
    expect(await alice.state(room, 'm.room.member', bob.userId)).toEqual({
      ...joined,
      join_authorised_via_users_server: alice.userId,
    })
    await bob.say(room, 'I am in')
  })

  test('a join that is delayed is vouched for when it is sent', async () => {
    const bob = await server.user('bob')
    const charlie = await server.user('charlie')
    const { allowed, room } = await twoRooms('11', 'restricted')
    for (const user of [bob, charlie]) {
      await user.join(allowed)
      await user.join(room)
      await user.delayState(room, 1_000, 'm.room.member', user.userId, joined)
      await user.leave(room)
    }
    await charlie.leave(allowed)
    await server.advance(1_000)
    await bob.say(room, 'I am in again')
    expect(await refusal(charlie.say(room, 'I am in again'))).toMatchObject(forbidden)
  })

  test('nobody vouches for themselves: not in the body of a join', async () => {
    const bob = await server.user('bob')
    const { room } = await twoRooms('11', 'restricted')
    const claim = { join_authorised_via_users_server: alice.userId }
    expect(await refusal(bob.join(room, claim))).toMatchObject(forbidden)
  })

  test('nobody vouches for themselves: not in the content of a membership', async () => {
    const bob = await server.user('bob')
    const { room } = await twoRooms('11', 'restricted')
    const content = { membership: 'join', join_authorised_via_users_server: alice.userId }
    const error = await refusal(bob.setState(room, 'm.room.member', bob.userId, content))
    expect(error).toMatchObject(forbidden)
    expect(await refusal(bob.say(room, 'I am in'))).toMatchObject(forbidden)
  })

  test('nobody vouches for themselves: not in a membership that is delayed', async () => {
    const bob = await server.user('bob')
    const { room } = await twoRooms('11', 'restricted')
    const content = { membership: 'join', join_authorised_via_users_server: alice.userId }
    await bob.request('PUT', bob.roomPath(room, 'state', 'm.room.member', bob.userId), {
      query: { 'org.matrix.msc4140.delay': 1_000 },
      body: content,
    })
    await server.advance(1_000)
    expect(await refusal(bob.say(room, 'I am in'))).toMatchObject(forbidden)
  })

  test('before version 8 nobody is let in that way', async () => {
    const bob = await server.user('bob')
    const { allowed, room } = await twoRooms('7', 'restricted')
    await bob.join(allowed)
    expect(await refusal(bob.join(room))).toMatchObject(forbidden)
  })
})
