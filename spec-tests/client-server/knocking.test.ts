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

function roomWith(joinRule: string, extra: JsonObject = {}): Promise<string> {
  const content = { join_rule: joinRule }
  return alice.createRoom({
    initial_state: [{ type: 'm.room.join_rules', state_key: '', content }],
    ...extra,
  })
}

describe('TestKnocking, TestKnockingInMSC3787Room: POST /knock/{roomIdOrAlias}', () => {
  test.each(['7', '8', '9', '10', '11', '12'])(
    'room version %s: a knock asks, an invite answers, and the user joins',
    async version => {
      const bob = await server.user('bob')
      const room = await roomWith('knock', { room_version: version, name: 'Knock, knock' })
      expect(await bob.knock(room, { reason: 'It is me' })).toBe(room)
      const member = await alice.state(room, 'm.room.member', bob.userId)
      expect(member).toEqual({ membership: 'knock', reason: 'It is me' })

      const { rooms } = await bob.sync()
      const { events } = rooms.knock?.[room]?.knock_state ?? { events: [] }
      const seen = events.map(event => event.type)
      expect(seen).toEqual(expect.arrayContaining(['m.room.create', 'm.room.name']))
      expect(events).toContainEqual(
        expect.objectContaining({
          state_key: bob.userId,
          content: { membership: 'knock', reason: 'It is me' },
        }),
      )

      expect(await refusal(bob.join(room))).toMatchObject(forbidden)
      await alice.invite(room, bob.userId)
      await bob.join(room)
      expect((await bob.sync()).rooms.knock).toBeUndefined()
    },
  )

  test.each(['1', '2', '3', '4', '5', '6'])('room version %s has no knocks', async version => {
    const bob = await server.user('bob')
    const room = await roomWith('knock', { room_version: version })
    expect(await refusal(bob.knock(room))).toMatchObject(forbidden)
  })

  test.each(['10', '11', '12'])('room version %s: knock_restricted takes knocks', async version => {
    const bob = await server.user('bob')
    const room = await roomWith('knock_restricted', { room_version: version })
    await bob.knock(room)
    expect((await alice.state(room, 'm.room.member', bob.userId)).membership).toBe('knock')
  })

  test.each(['invite', 'public', 'restricted'])('a room of join rule %s does not', async rule => {
    const bob = await server.user('bob')
    const room = await roomWith(rule)
    expect(await refusal(bob.knock(room))).toMatchObject(forbidden)
  })

  test('by alias', async () => {
    const bob = await server.user('bob')
    const room = await roomWith('knock', { room_alias_name: 'door' })
    expect(await bob.knock('#door:hs1')).toBe(room)
  })

  test('who is in the room, invited or banned cannot knock', async () => {
    const bob = await server.user('bob')
    const room = await roomWith('knock')
    expect(await refusal(alice.knock(room))).toMatchObject(forbidden)
    await alice.invite(room, bob.userId)
    expect(await refusal(bob.knock(room))).toMatchObject(forbidden)
    await alice.ban(room, bob.userId)
    expect(await refusal(bob.knock(room))).toMatchObject(forbidden)
  })

  test('a knock can be withdrawn, and refused', async () => {
    const bob = await server.user('bob')
    const room = await roomWith('knock')
    await bob.knock(room)
    await bob.leave(room)
    expect((await alice.state(room, 'm.room.member', bob.userId)).membership).toBe('leave')
    await bob.knock(room)
    await alice.kick(room, bob.userId)
    expect((await alice.state(room, 'm.room.member', bob.userId)).membership).toBe('leave')
    expect((await bob.sync()).rooms.knock).toBeUndefined()
  })

  test('a room that does not exist is not found', async () => {
    expect(await refusal(alice.knock('!nowhere:hs1'))).toMatchObject({
      status: 404,
      errcode: 'M_NOT_FOUND',
    })
  })
})
