import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

let server: TestServer
let alice: Client
let bob: Client
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  bob = await server.user('bob')
})
afterAll(() => server.stop())

const enc = encodeURIComponent
const stable = (room: string) => `/_matrix/client/v1/room_summary/${enc(room)}`
const summary = (user: Client, room: string) => user.ok('GET', stable(room))
const joinRule = (join_rule: string, extra: JsonObject = {}) => ({
  initial_state: [{ type: 'm.room.join_rules', content: { join_rule, ...extra } }],
})

async function expectUnknown(promise: Promise<unknown>): Promise<void> {
  const { status, errcode } = await refusal(promise)
  expect({ status, errcode }).toEqual({ status: 404, errcode: 'M_NOT_FOUND' })
}

describe('GET /_matrix/client/v1/room_summary/{roomIdOrAlias}', () => {
  test('TestRoomSummaryAllowedRoomIDs: only of restricted rooms, to those who may know', async () => {
    const space = await alice.createRoom({
      preset: 'public_chat',
      creation_content: { type: 'm.space' },
    })
    const allow = [{ type: 'm.room_membership', room_id: space }]
    const restricted = await alice.createRoom({
      room_version: '8',
      ...joinRule('restricted', { allow }),
    })
    expect(await summary(alice, restricted)).toMatchObject({
      room_id: restricted,
      join_rule: 'restricted',
      allowed_room_ids: [space],
    })
    await expectUnknown(summary(bob, restricted))
    await bob.join(space)
    expect(await summary(bob, restricted)).toMatchObject({ membership: 'leave' })

    const invited = await alice.createRoom({ preset: 'private_chat' })
    const own = await summary(alice, invited)
    expect(own.room_id).toBe(invited)
    expect(own).not.toHaveProperty('allowed_room_ids')
  })

  test('what is no room does not let anybody in: ruma reads no summary that names one', async () => {
    const allow = [
      { type: 'm.room_membership', room_id: 'nonsense' },
      { type: 'm.room_membership', room_id: '!space:hs1' },
      { type: 'org.example.other', room_id: '!other:hs1' },
    ]
    const room = await alice.createRoom(joinRule('restricted', { allow }))
    expect(await summary(alice, room)).toMatchObject({ allowed_room_ids: ['!space:hs1'] })
  })

  test('all that is told, under three paths, by id and by alias', async () => {
    const room = await alice.createRoom({
      preset: 'public_chat',
      name: 'Cheese',
      topic: 'Tasty tasty cheese',
      room_alias_name: 'cheese',
      room_version: '11',
      initial_state: [
        { type: 'm.room.encryption', content: { algorithm: 'm.megolm.v1.aes-sha2' } },
        { type: 'm.room.avatar', content: { url: 'mxc://hs1/cheese' } },
      ],
    })
    const expected = {
      room_id: room,
      name: 'Cheese',
      topic: 'Tasty tasty cheese',
      avatar_url: 'mxc://hs1/cheese',
      canonical_alias: '#cheese:hs1',
      num_joined_members: 1,
      join_rule: 'public',
      guest_can_join: false,
      world_readable: false,
      room_version: '11',
      'im.nheko.summary.room_version': '11',
      encryption: 'm.megolm.v1.aes-sha2',
      'im.nheko.summary.encryption': 'm.megolm.v1.aes-sha2',
    }
    const unstable = '/_matrix/client/unstable/im.nheko.summary'
    for (const which of [room, '#cheese:hs1']) {
      for (const path of [
        stable(which),
        `${unstable}/rooms/${enc(which)}/summary`,
        `${unstable}/summary/${enc(which)}`,
      ]) {
        expect(await alice.ok('GET', path)).toEqual({ ...expected, membership: 'join' })
        expect(await server.anonymous().ok('GET', path)).toEqual(expected)
      }
    }
    await expectUnknown(summary(bob, '!unknown:hs1'))
    await expectUnknown(summary(bob, '#unknown:hs1'))
  })

  test.each([
    ['public', 200],
    ['knock', 200],
    ['invite', 404],
    ['private', 404],
  ])('join rule %s: %i to a stranger', async (rule, status) => {
    const room = await alice.createRoom(joinRule(rule))
    expect((await bob.request('GET', stable(room))).status).toBe(status)
    expect((await server.anonymous().request('GET', stable(room))).status).toBe(status)
  })

  test('who is invited may know; who has left or is banned may not', async () => {
    const room = await alice.createRoom()
    await alice.invite(room, bob.userId)
    expect(await summary(bob, room)).toMatchObject({ membership: 'invite' })
    await bob.leave(room)
    await expectUnknown(summary(bob, room))
    await alice.ban(room, bob.userId)
    await expectUnknown(summary(bob, room))
  })

  test('a world readable room is known to the world', async () => {
    const content = { history_visibility: 'world_readable' }
    const room = await alice.createRoom({
      initial_state: [{ type: 'm.room.history_visibility', content }],
    })
    expect(await server.anonymous().ok('GET', stable(room))).toMatchObject({ world_readable: true })
  })
})

describe('POST /rooms/{roomId}/report, /rooms/{roomId}/report/{eventId}, /users/{userId}/report', () => {
  const report = (path: string, body: JsonObject) => bob.ok('POST', path, { body })
  const reports = async () => (await server.rowCounts()).reports

  test('what one may know of is reported, and the report is kept', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    const eventId = await alice.say(room, 'something bad')
    const before = Number(await reports())
    const body = { reason: 'it is bad' }
    expect(await report(bob.roomPath(room, 'report'), body)).toEqual({})
    expect(await report(bob.roomPath(room, 'report', eventId), { score: -100 })).toEqual({})
    const user = `/_matrix/client/v3/users/${enc(alice.userId)}/report`
    expect(await report(user, { reason: '' })).toEqual({})
    expect(await reports()).toBe(before + 3)
  })

  test('what one may not know of is 404, and nothing is kept', async () => {
    const hidden = await alice.createRoom()
    const eventId = await alice.say(hidden, 'not for bob')
    const before = await reports()
    const body = { reason: 'curiosity' }
    await expectUnknown(report(bob.roomPath(hidden, 'report'), body))
    await expectUnknown(report(bob.roomPath(hidden, 'report', eventId), body))
    await expectUnknown(report('/_matrix/client/v3/users/%40nobody%3Ahs1/report', body))
    expect(await reports()).toBe(before)
  })

  test('an event is reported by who is in its room, not by who may read it', async () => {
    const open = { history_visibility: 'world_readable' }
    const initial_state = [{ type: 'm.room.history_visibility', content: open }]
    const room = await alice.createRoom({ preset: 'public_chat', initial_state })
    const eventId = await alice.say(room, 'something bad')
    const path = bob.roomPath(room, 'report', eventId)
    const before = await reports()
    await expectUnknown(report(path, {}))
    await bob.join(room)
    await bob.leave(room)
    await expectUnknown(report(path, {}))
    expect(await reports()).toBe(before)
  })

  test.each<[string, (room: string) => Promise<void>]>([
    ['whose invite one has declined', room => bob.leave(room)],
    ['that one was banned from, being invited', room => alice.ban(room, bob.userId)],
    [
      'that one has left, and forgotten',
      async room => {
        await bob.join(room)
        await bob.leave(room)
        await bob.forget(room)
      },
    ],
  ])('a room %s can be reported', async (_, act) => {
    const room = await alice.createRoom({ invite: [bob.userId] })
    await act(room)
    expect(await report(bob.roomPath(room, 'report'), { reason: 'spam' })).toEqual({})
  })

  test('a room and a user are not reported without a reason', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    for (const path of [
      bob.roomPath(room, 'report'),
      `/_matrix/client/v3/users/${enc(alice.userId)}/report`,
    ]) {
      const failed = await refusal(report(path, {}))
      expect([failed.status, failed.errcode]).toEqual([400, 'M_MISSING_PARAM'])
    }
  })
})
