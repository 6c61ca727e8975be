/** Simplified sliding sync, as Element X and matrix-js-sdk speak it. Spec: MSC4186 */
import { type Client, refusal } from '../support/client.ts'
import { deviceKeysOf, makeKey, oneTimeKeys, upload } from '../support/keys.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

let server: TestServer
let alice: Client
let bob: Client
let room: string
beforeAll(async () => {
  server = await startServer()
})
beforeEach(async () => {
  alice = await server.user('alice')
  bob = await server.user('bob')
  room = await alice.createRoom({ preset: 'public_chat', name: 'Garden' })
  await bob.join(room)
})
afterAll(() => server.stop())

const path = '/_matrix/client/unstable/org.matrix.simplified_msc3575/sync'

function slide(user: Client, body: JsonObject, query: Record<string, string | number> = {}) {
  return user.ok('POST', path, { body, query })
}

/** One list of all rooms. */
function all(list: JsonObject = {}, more: JsonObject = {}): JsonObject {
  const asked = { ranges: [[0, 19]], timeline_limit: 10, required_state: [], ...list }
  return { lists: { all: asked }, ...more }
}

/** The same request again, and again: what each answer says is new. */
function connection(user: Client) {
  let pos: string | undefined
  return async (body: JsonObject, query: Record<string, string | number> = {}) => {
    const answer = await slide(user, body, { ...(pos === undefined ? {} : { pos }), ...query })
    pos = String(answer.pos)
    return answer
  }
}

const bodies = (told: JsonObject) => told.timeline.map((event: JsonObject) => event.content.body)
const keysOf = (told: JsonObject) =>
  told.required_state.map((event: JsonObject) => `${event.type}|${event.state_key}`).sort()
const roomIds = (answer: JsonObject) => Object.keys(answer.rooms)

describe('the flag', () => {
  test('is among the unstable features: Element X does not log in without', async () => {
    const { unstable_features } = await alice.ok('GET', '/_matrix/client/versions')
    expect(unstable_features['org.matrix.simplified_msc3575']).toBe(true)
  })
})

describe('rooms', () => {
  test('come as a whole the first time, and then only what is new', async () => {
    const next = connection(alice)
    await bob.say(room, 'one')
    await bob.say(room, 'two')
    const first = await next(all({ timeline_limit: 1, required_state: [['m.room.create', '']] }))
    expect(first.lists).toEqual({ all: { count: 1 } })
    expect(first.rooms[room]).toMatchObject({
      initial: true,
      membership: 'join',
      lists: ['all'],
      name: 'Garden',
      limited: true,
      num_live: 0,
      joined_count: 2,
      invited_count: 0,
      notification_count: 2,
      highlight_count: 0,
    })
    expect(bodies(first.rooms[room])).toEqual(['two'])
    expect(keysOf(first.rooms[room])).toEqual(['m.room.create|'])
    expect(first.rooms[room]).not.toHaveProperty('heroes')

    const same = all({ timeline_limit: 1, required_state: [['m.room.create', '']] })
    expect((await next(same)).rooms).toEqual({})
    await bob.say(room, 'three')
    const third = await next(same)
    expect(bodies(third.rooms[room])).toEqual(['three'])
    expect(third.rooms[room]).toMatchObject({ limited: false, num_live: 1, required_state: [] })
    for (const absent of ['initial', 'name', 'joined_count', 'is_dm']) {
      expect(third.rooms[room]).not.toHaveProperty(absent)
    }
    expect(third.rooms[room].bump_stamp).toBeGreaterThan(first.rooms[room].bump_stamp)
  })

  test('page backwards from prev_batch, and from pos', async () => {
    await bob.say(room, 'one')
    await bob.say(room, 'two')
    const answer = await slide(alice, all({ timeline_limit: 1 }))
    const from = answer.rooms[room].prev_batch
    const { chunk } = await alice.messages(room, { dir: 'b', from, limit: 1 })
    expect(chunk[0]?.content.body).toBe('one')
    const page = await alice.messages(room, { dir: 'b', from: answer.pos, limit: 1 })
    expect(page.chunk[0]?.content.body).toBe('two')
  })

  test('more than the limit since the last answer is a gap', async () => {
    const next = connection(alice)
    await next(all({ timeline_limit: 2 }))
    for (const text of ['one', 'two', 'three']) await bob.say(room, text)
    const { rooms } = await next(all({ timeline_limit: 2 }))
    expect(bodies(rooms[room])).toEqual(['two', 'three'])
    expect(rooms[room]).toMatchObject({ limited: true, num_live: 2 })
  })

  test('a higher limit brings what was left out, a lower one nothing', async () => {
    const next = connection(alice)
    await bob.say(room, 'one')
    await bob.say(room, 'two')
    await next(all({ timeline_limit: 1 }))
    await bob.say(room, 'three')
    await next(all({ timeline_limit: 1 }))
    expect((await next(all({ timeline_limit: 2 }))).rooms).toEqual({})
    const { rooms } = await next(all({ timeline_limit: 3 }))
    expect(bodies(rooms[room])).toEqual(['one', 'two', 'three'])
    expect(rooms[room]).toMatchObject({ unstable_expanded_timeline: true, num_live: 0 })
    expect((await next(all({ timeline_limit: 3 }))).rooms).toEqual({})
    expect((await next(all({ timeline_limit: 1 }))).rooms).toEqual({})
  })

  test('say when name and avatar change, and when they go', async () => {
    const next = connection(alice)
    const named = { membership: 'join', displayname: 'Bob', avatar_url: 'mxc://hs1/bob' }
    await bob.setState(room, 'm.room.member', bob.userId, named)
    await next(all())
    await alice.setState(room, 'm.room.avatar', '', { url: 'mxc://hs1/a' })
    expect((await next(all())).rooms[room]).toMatchObject({ avatar: 'mxc://hs1/a' })
    await alice.setState(room, 'm.room.name', '', {})
    await alice.setState(room, 'm.room.avatar', '', {})
    const { rooms } = await next(all())
    expect(rooms[room]).toMatchObject({ name: null, avatar: null })
    expect(rooms[room].heroes).toEqual([
      { user_id: bob.userId, displayname: 'Bob', avatar_url: 'mxc://hs1/bob' },
    ])
  })

  test('say that name and avatar are gone when they are redacted', async () => {
    const next = connection(bob)
    const name = await alice.setState(room, 'm.room.name', '', { name: 'Orchard' })
    const avatar = await alice.setState(room, 'm.room.avatar', '', { url: 'mxc://hs1/apple' })
    const first = await next(all())
    expect(first.rooms[room]).toMatchObject({ name: 'Orchard', avatar: 'mxc://hs1/apple' })
    await alice.redact(room, avatar)
    const { [room]: faceless } = (await next(all())).rooms
    expect(faceless).toMatchObject({ avatar: null })
    expect(faceless).not.toHaveProperty('name')
    await alice.redact(room, name)
    const { [room]: nameless } = (await next(all())).rooms
    expect(nameless).toMatchObject({ name: null, heroes: [{ user_id: alice.userId }] })
    expect(nameless).not.toHaveProperty('avatar')
    await alice.say(room, 'hello')
    const { [room]: later } = (await next(all())).rooms
    expect(later).not.toHaveProperty('name')
    expect(later).not.toHaveProperty('heroes')
  })

  test('their counts go down when the user has read', async () => {
    const next = connection(alice)
    const eventId = await bob.say(room, 'one')
    expect((await next(all())).rooms[room].notification_count).toBe(1)
    await alice.ok('POST', alice.roomPath(room, 'receipt', 'm.read', eventId), { body: {} })
    expect((await next(all())).rooms[room]).toMatchObject({ notification_count: 0 })
    expect((await next(all())).rooms).toEqual({})
  })

  test('are direct if m.direct says so, from then on', async () => {
    const next = connection(alice)
    expect((await next(all())).rooms[room]).not.toHaveProperty('is_dm')
    const direct = `/_matrix/client/v3/user/${encodeURIComponent(alice.userId)}/account_data/m.direct`
    await alice.ok('PUT', direct, { body: { [bob.userId]: [room] } })
    expect((await next(all())).rooms[room]).toMatchObject({ is_dm: true })
    await alice.ok('PUT', direct, { body: {} })
    expect((await next(all())).rooms[room]).toMatchObject({ is_dm: false })
  })

  test('show no history that the user may not see', async () => {
    const secret = await alice.createRoom({ preset: 'private_chat' })
    const visibility = { history_visibility: 'joined' }
    await alice.setState(secret, 'm.room.history_visibility', '', visibility)
    await alice.say(secret, 'before bob')
    await alice.invite(secret, bob.userId)
    await bob.join(secret)
    const { rooms } = await slide(bob, all())
    expect(rooms[secret].timeline.map((event: JsonObject) => event.type)).toEqual(['m.room.member'])
    expect(rooms[secret].limited).toBe(true)
  })
})

describe('required_state', () => {
  test('takes * for types and keys, $ME, and $LAZY for those of the timeline', async () => {
    await alice.setState(room, 'org.example.a', 'x', {})
    await alice.setState(room, 'org.example.a', 'y', {})
    await bob.say(room, 'hello')
    const ask = async (...required_state: string[][]) =>
      keysOf((await slide(alice, all({ timeline_limit: 1, required_state }))).rooms[room])
    const member = (user: Client) => `m.room.member|${user.userId}`
    expect(await ask(['org.example.a', '*'])).toEqual(['org.example.a|x', 'org.example.a|y'])
    expect(await ask(['*', 'x'])).toEqual(['org.example.a|x'])
    expect(await ask(['m.room.member', '$ME'])).toEqual([member(alice)])
    expect(await ask(['m.room.member', '$LAZY'])).toEqual([member(bob)])
    expect(await ask(['m.room.member', '*'])).toEqual([member(alice), member(bob)].sort())
    const lazy = await ask(['*', '*'], ['m.room.member', '$LAZY'])
    expect(lazy).toContain('m.room.create|')
    expect(lazy.filter((key: string) => key.startsWith('m.room.member'))).toEqual([member(bob)])
    expect((await ask(['*', '*'])).length).toBe(lazy.length + 1)
  })

  test('tells what changes, and at once what is asked for in addition', async () => {
    const next = connection(alice)
    await next(all({ required_state: [['m.room.name', '']] }))
    await alice.setState(room, 'm.room.name', '', { name: 'Meadow' })
    await alice.setState(room, 'm.room.topic', '', { topic: 'grass' })
    const changed = await next(all({ required_state: [['m.room.name', '']] }))
    expect(keysOf(changed.rooms[room])).toEqual(['m.room.name|'])
    const wider = all({
      required_state: [
        ['m.room.topic', ''],
        ['m.room.name', ''],
      ],
    })
    expect(keysOf((await next(wider)).rooms[room])).toEqual(['m.room.topic|'])
    expect((await next(wider)).rooms).toEqual({})
  })

  test('$LAZY tells a member once, and again when they have changed', async () => {
    const next = connection(alice)
    const lazy = all({ required_state: [['m.room.member', '$LAZY']], timeline_limit: 1 })
    await bob.say(room, 'one')
    expect(keysOf((await next(lazy)).rooms[room])).toEqual([`m.room.member|${bob.userId}`])
    await bob.say(room, 'two')
    expect((await next(lazy)).rooms[room].required_state).toEqual([])
    await bob.setState(room, 'm.room.member', bob.userId, { membership: 'join', displayname: 'B' })
    expect((await next(lazy)).rooms[room].required_state[0].content.displayname).toBe('B')
  })

  test('$LAZY tells those again who changed while it was not asked for', async () => {
    const next = connection(alice)
    const lazy = all({ required_state: [['m.room.member', '$LAZY']] })
    await bob.say(room, 'one')
    await next(lazy)
    await bob.setState(room, 'm.room.member', bob.userId, { membership: 'join', displayname: 'B' })
    await next(all())
    await bob.say(room, 'two')
    expect((await next(lazy)).rooms[room].required_state).toMatchObject([
      { state_key: bob.userId, content: { displayname: 'B' } },
    ])
  })
})

describe('lists', () => {
  test('have the latest room first, and grow without telling rooms again', async () => {
    const next = connection(alice)
    const other = await alice.createRoom({})
    await bob.say(room, 'up')
    const first = await next(all({ ranges: [[0, 0]] }))
    expect(first.lists.all.count).toBe(2)
    expect(roomIds(first)).toEqual([room])
    expect(roomIds(await next(all({ ranges: [[0, 99]] })))).toEqual([other])
    expect(roomIds(await next(all({ ranges: [[0, 99]] })))).toEqual([])
  })

  test('a room that was out of view tells all that was missed when it is back', async () => {
    const next = connection(alice)
    const other = await alice.createRoom({})
    await next(all())
    await bob.say(room, 'one')
    await alice.say(other, 'above')
    expect(roomIds(await next(all({ ranges: [[0, 0]] })))).toEqual([other])
    await bob.say(room, 'two')
    const { rooms } = await next(all({ ranges: [[0, 0]] }))
    expect(bodies(rooms[room])).toEqual(['one', 'two'])
    expect(rooms[room].num_live).toBe(1)
  })

  test('filter by invitation, encryption, type, tag, space and directness', async () => {
    const space = await alice.createRoom({ creation_content: { type: 'm.space' } })
    const encrypted = await alice.createRoom({})
    const megolm = { algorithm: 'm.megolm.v1.aes-sha2' }
    await alice.setState(encrypted, 'm.room.encryption', '', megolm)
    await alice.setState(space, 'm.space.child', room, { via: ['hs1'] })
    await alice.setState(space, 'm.space.child', encrypted, {})
    const invited = await bob.createRoom({ invite: [alice.userId] })
    const user = `/_matrix/client/v3/user/${encodeURIComponent(alice.userId)}`
    const tagged = `${user}/rooms/${encodeURIComponent(encrypted)}/tags/u.work`
    await alice.ok('PUT', tagged, { body: {} })
    await alice.ok('PUT', `${user}/account_data/m.direct`, { body: { [bob.userId]: [room] } })
    const ask = async (filters: JsonObject) =>
      new Set(roomIds(await slide(alice, all({ filters, timeline_limit: 0 }))))
    const rest = [room, space, encrypted, invited]
    const without = (...left: string[]) => new Set(rest.filter(id => !left.includes(id)))
    expect(await ask({})).toEqual(new Set(rest))
    expect(await ask({ is_invite: true })).toEqual(new Set([invited]))
    expect(await ask({ is_invited: false })).toEqual(without(invited))
    expect(await ask({ is_encrypted: true })).toEqual(new Set([encrypted]))
    expect(await ask({ is_encrypted: false })).toEqual(without(encrypted))
    expect(await ask({ room_types: ['m.space'] })).toEqual(new Set([space]))
    expect(await ask({ room_types: [null] })).toEqual(without(space))
    expect(await ask({ not_room_types: ['m.space'] })).toEqual(without(space))
    expect(await ask({ tags: ['u.work'] })).toEqual(new Set([encrypted]))
    expect(await ask({ not_tags: ['u.work'] })).toEqual(without(encrypted))
    expect(await ask({ spaces: [space] })).toEqual(new Set([room]))
    expect(await ask({ is_dm: true })).toEqual(new Set([room]))
    expect(await ask({ is_dm: false })).toEqual(without(room))
  })
})

describe('room_subscriptions', () => {
  test('show a room that no list shows, with the most that anybody asks of it', async () => {
    await bob.say(room, 'one')
    await bob.say(room, 'two')
    const subscribed = { room_subscriptions: { [room]: { timeline_limit: 2, required_state: [] } } }
    const alone = await slide(alice, subscribed)
    expect(bodies(alone.rooms[room])).toEqual(['one', 'two'])
    expect(alone.rooms[room]).not.toHaveProperty('lists')
    const list = { timeline_limit: 1, required_state: [['m.room.create', '']] }
    const both = await slide(alice, all(list, subscribed))
    expect(bodies(both.rooms[room])).toEqual(['one', 'two'])
    expect(keysOf(both.rooms[room])).toEqual(['m.room.create|'])
  })

  test('show nothing of a room that is not for the user to see', async () => {
    const charlie = await server.user('charlie')
    const wanted = { timeline_limit: 10, required_state: [['*', '*']] }
    const room_subscriptions = { [room]: wanted, '!nothing:hs1': wanted }
    expect((await slide(charlie, { room_subscriptions })).rooms).toEqual({})
    const invited = await alice.createRoom({ invite: [charlie.userId], name: 'Shed' })
    const { rooms } = await slide(charlie, { room_subscriptions: { [invited]: wanted } })
    expect(rooms[invited]).not.toHaveProperty('timeline')
    expect(rooms[invited]).not.toHaveProperty('required_state')
  })
})

async function banLater(user: Client, shed: string): Promise<void> {
  await user.leave(shed)
  await alice.ban(shed, user.userId)
}

async function declineLater(user: Client, shed: string): Promise<void> {
  await user.leave(shed)
  await alice.invite(shed, user.userId)
  await user.leave(shed)
}

describe('invites and departures', () => {
  const mine = { required_state: [['m.room.member', '$ME']] }

  test('an invite comes stripped, the room as a whole when it is joined', async () => {
    const charlie = await server.user('charlie')
    const next = connection(charlie)
    const shed = await alice.createRoom({ invite: [charlie.userId], name: 'Shed' })
    const { rooms } = await next(all(mine))
    expect(rooms[shed]).toMatchObject({ initial: true, membership: 'invite' })
    const types = rooms[shed].invite_state.map((event: JsonObject) => event.type)
    expect(types).toEqual(expect.arrayContaining(['m.room.create', 'm.room.name', 'm.room.member']))
    expect((await next(all(mine))).rooms).toEqual({})
    await charlie.join(shed)
    expect((await next(all(mine))).rooms[shed]).toMatchObject({
      initial: true,
      membership: 'join',
      name: 'Shed',
      joined_count: 2,
    })
  })

  test('an invite that is declined is told as a departure, with nothing else of the room', async () => {
    const charlie = await server.user('charlie')
    const next = connection(charlie)
    const shed = await alice.createRoom({ invite: [charlie.userId], name: 'Shed' })
    await next(all(mine))
    await charlie.leave(shed)
    const { rooms } = await next(all({ required_state: [['*', '*']] }))
    expect(rooms[shed].membership).toBe('leave')
    expect(keysOf(rooms[shed])).toEqual([`m.room.member|${charlie.userId}`])
    expect(rooms[shed].timeline).toHaveLength(1)
    expect((await slide(charlie, all(mine))).rooms).toEqual({})
  })

  test('a room that is left tells so, and nothing of what comes after', async () => {
    const next = connection(bob)
    await next(all(mine))
    await bob.leave(room)
    await alice.say(room, 'gone?')
    await alice.setState(room, 'm.room.name', '', { name: 'Without bob' })
    const { rooms } = await next(all({ required_state: [['*', '*']] }))
    expect(rooms[room].membership).toBe('leave')
    expect(rooms[room].timeline).toHaveLength(1)
    expect(rooms[room].timeline[0].content.membership).toBe('leave')
    expect(JSON.stringify(rooms)).not.toContain('Without bob')
    expect(rooms[room]).not.toHaveProperty('joined_count')
    expect((await next(all({ required_state: [['*', '*']] }))).rooms).toEqual({})
    // Somebody who left knows; a new connection is not told.
    expect((await slide(bob, all())).rooms).toEqual({})
  })

  test('a room that is left tells so, too, if all the world may read what comes later', async () => {
    const next = connection(bob)
    await next(all(mine))
    await alice.say(room, 'the last that he hears')
    await bob.leave(room)
    await alice.say(room, 'among us')
    const open = { history_visibility: 'world_readable' }
    await alice.setState(room, 'm.room.history_visibility', '', open)
    await alice.say(room, 'to everybody')
    const { [room]: told } = (await next(all(mine))).rooms
    expect(told).toMatchObject({ membership: 'leave', limited: false, num_live: 2 })
    expect(bodies(told)).toEqual(['the last that he hears', undefined])
    expect(told.timeline[1].content.membership).toBe('leave')
  })

  test('who was put out sees so on a new connection; who comes back gets the whole room', async () => {
    const next = connection(bob)
    await next(all())
    await alice.kick(room, bob.userId)
    expect((await slide(bob, all({}, { conn_id: 'b' }))).rooms[room].membership).toBe('leave')
    await next(all())
    await bob.join(room)
    expect((await next(all())).rooms[room]).toMatchObject({ initial: true, limited: true })
  })

  test.each<[string, (user: Client, shed: string) => Promise<void>]>([
    ['that one has left', (user, shed) => user.leave(shed)],
    ['that one was banned from after one had left', banLater],
    ['whose invite one declines after one had left', declineLater],
  ])('of a room %s the present membership is in required_state', async (_, depart) => {
    const next = connection(bob)
    await next(all(mine))
    await depart(bob, room)
    const { [room]: told } = (await next(all(mine))).rooms
    const [membership] = told.timeline.slice(-1)
    expect(membership.content.membership).toBe(told.membership)
    // matrix-rust-sdk takes a room for joined that is told without.
    expect(told.required_state).toEqual([membership])
  })

  test.each<[string, (user: Client, shed: string) => Promise<void>]>([
    ['left', (user, shed) => user.leave(shed)],
    ['been put out of', (user, shed) => alice.kick(shed, user.userId)],
  ])('a room that one has %s is not told again for being direct', async (_, depart) => {
    const shed = await alice.createRoom({ invite: [bob.userId] })
    const next = connection(bob)
    const direct = `/_matrix/client/v3/user/${encodeURIComponent(bob.userId)}/account_data/m.direct`
    await bob.ok('PUT', direct, { body: { [alice.userId]: [room] } })
    await next(all(mine))
    await depart(bob, shed)
    await depart(bob, room)
    expect(roomIds(await next(all(mine))).sort()).toEqual([room, shed].sort())
    await bob.ok('PUT', direct, { body: { [alice.userId]: [shed] } })
    expect((await next(all(mine))).rooms).toEqual({})
  })

  test('a room that one has forgotten stays forgotten, whoever bans one from it', async () => {
    const next = connection(bob)
    await next(all(mine))
    await bob.leave(room)
    await bob.forget(room)
    expect((await next(all(mine))).rooms[room].membership).toBe('leave')
    await alice.ban(room, bob.userId)
    expect((await next(all(mine))).rooms).toEqual({})
    expect((await slide(bob, all(mine))).rooms).toEqual({})
  })

  test('an invite that is direct no more says so', async () => {
    const shed = await alice.createRoom({ invite: [bob.userId] })
    const next = connection(bob)
    const direct = `/_matrix/client/v3/user/${encodeURIComponent(bob.userId)}/account_data/m.direct`
    await bob.ok('PUT', direct, { body: { [alice.userId]: [shed] } })
    expect((await next(all(mine))).rooms[shed]).toMatchObject({ is_dm: true })
    await bob.ok('PUT', direct, { body: {} })
    const { [shed]: told } = (await next(all(mine))).rooms
    expect(told).toMatchObject({ membership: 'invite', is_dm: false })
    expect(told).toHaveProperty('invite_state')
  })

  test('an invite from somebody who is ignored is not shown', async () => {
    const ignored = `/_matrix/client/v3/user/${encodeURIComponent(alice.userId)}/account_data/m.ignored_user_list`
    await alice.ok('PUT', ignored, { body: { ignored_users: { [bob.userId]: {} } } })
    const shed = await bob.createRoom({ invite: [alice.userId] })
    expect(roomIds(await slide(alice, all()))).not.toContain(shed)
  })
})

describe('connections', () => {
  test('a pos that nobody gave out, or of another connection, is 400 M_UNKNOWN_POS', async () => {
    const { pos } = await slide(alice, all())
    const other = await server.user('charlie')
    for (const attempt of [
      slide(alice, all(), { pos: 'p1_1' }),
      slide(alice, all(), { pos: 'nonsense' }),
      slide(alice, all({}, { conn_id: 'other' }), { pos }),
      slide(other, all(), { pos }),
    ]) {
      expect(await refusal(attempt)).toMatchObject({ status: 400, errcode: 'M_UNKNOWN_POS' })
    }
    expect((await slide(alice, all(), { pos })).rooms).toEqual({})
  })

  test('the same pos again tells the same again, until a later one shows that it arrived', async () => {
    const first = await slide(alice, all())
    await bob.say(room, 'one')
    const lost = await slide(alice, all(), { pos: first.pos })
    const again = await slide(alice, all(), { pos: first.pos })
    expect(bodies(again.rooms[room])).toEqual(['one'])
    expect(again.rooms).toEqual(lost.rooms)
    const last = await slide(alice, all(), { pos: again.pos })
    expect(last.rooms).toEqual({})
    const refused = await refusal(slide(alice, all(), { pos: first.pos }))
    expect(refused.errcode).toBe('M_UNKNOWN_POS')
  })

  test('two of one device do not know of each other', async () => {
    const list = connection(alice)
    const second = connection(alice)
    await list(all({}, { conn_id: 'room-list' }))
    expect(roomIds(await second(all({}, { conn_id: 'second' })))).toEqual([room])
    await bob.say(room, 'one')
    expect(roomIds(await second(all({}, { conn_id: 'second' })))).toEqual([room])
    expect(roomIds(await list(all({}, { conn_id: 'room-list' })))).toEqual([room])
  })

  test('a device has ten at most, and a restart ends them all', async () => {
    const positions: string[] = []
    for (let count = 0; count <= 10; count++) {
      positions.push(String((await slide(alice, { conn_id: `c${count}` })).pos))
    }
    const go = (count: number) =>
      slide(alice, { conn_id: `c${count}` }, { pos: positions[count] ?? '' })
    expect((await refusal(go(0))).errcode).toBe('M_UNKNOWN_POS')
    await go(1)
    await server.restart()
    expect((await refusal(go(2))).errcode).toBe('M_UNKNOWN_POS')
  })

  test('an answer is held until something happens, or the time is up', async () => {
    const next = connection(alice)
    await next(all(), { timeout: 30_000 })
    const held = next(all(), { timeout: 30_000 })
    await server.untilWaiting(1)
    await bob.say(room, 'wake up')
    expect(bodies((await held).rooms[room])).toEqual(['wake up'])
    const quiet = next(all(), { timeout: 30_000 })
    await server.untilWaiting(1)
    await server.advance(30_000)
    expect((await quiet).rooms).toEqual({})
  })
})

describe('extensions', () => {
  const enabled = { enabled: true }
  const roomsOfTyping = (user: Client) => user.roomPath(room, 'typing', user.userId)

  test('nothing is told that is not asked for', async () => {
    expect((await slide(alice, all())).extensions).toEqual({})
    const off = { to_device: { enabled: false }, typing: {} }
    expect((await slide(alice, { extensions: off })).extensions).toEqual({})
  })

  test('to_device gives messages until since acknowledges them, no more than limit', async () => {
    const to = { messages: { [alice.userId]: { '*': { n: 1 } } } }
    const send = (n: number) =>
      bob.ok('PUT', `/_matrix/client/v3/sendToDevice/m.test/${n}`, { body: to })
    await send(1)
    await send(2)
    await send(3)
    const ask = async (more: JsonObject) =>
      (await slide(alice, { extensions: { to_device: { ...enabled, ...more } } })).extensions
        .to_device
    const two = await ask({ limit: 2 })
    expect(two.events).toEqual([
      { type: 'm.test', sender: bob.userId, content: { n: 1 } },
      { type: 'm.test', sender: bob.userId, content: { n: 1 } },
    ])
    expect((await ask({})).events).toHaveLength(3)
    const rest = await ask({ since: two.next_batch })
    expect(rest.events).toHaveLength(1)
    expect((await ask({ since: rest.next_batch })).events).toEqual([])
    expect((await ask({})).events).toEqual([])
  })

  test('to_device wakes a connection that has nothing but encryption', async () => {
    const next = connection(alice)
    const ask = (since?: string) => ({
      conn_id: 'encryption',
      extensions: { to_device: { ...enabled, since }, e2ee: enabled },
    })
    const { extensions } = await next(ask())
    expect(extensions.e2ee).toMatchObject({
      device_lists: { changed: [], left: [] },
      device_one_time_keys_count: { signed_curve25519: 0 },
      device_unused_fallback_key_types: [],
    })
    const held = next(ask(extensions.to_device.next_batch), { timeout: 30_000 })
    await server.untilWaiting(1)
    const body = { messages: { [alice.userId]: { [alice.deviceId]: {} } } }
    await bob.ok('PUT', '/_matrix/client/v3/sendToDevice/m.wake/1', { body })
    expect((await held).extensions.to_device.events).toHaveLength(1)
  })

  test('e2ee counts the one-time keys that the device has left', async () => {
    const charlie = await server.user('charlie')
    const key = makeKey()
    await upload(charlie, {
      device_keys: deviceKeysOf(charlie, key),
      one_time_keys: oneTimeKeys(charlie, key, ['A', 'B']),
    })
    const { e2ee } = (await connection(charlie)({ extensions: { e2ee: enabled } })).extensions
    expect(e2ee.device_one_time_keys_count).toEqual({ signed_curve25519: 2 })
  })

  test('e2ee names those who come to share a room, and those who share none any more', async () => {
    const next = connection(alice)
    const ask = { extensions: { e2ee: enabled } }
    await next(ask)
    const charlie = await server.user('charlie')
    await charlie.join(room)
    const came = (await next(ask)).extensions.e2ee.device_lists
    expect(came).toEqual({ changed: [charlie.userId], left: [] })
    await charlie.leave(room)
    const went = (await next(ask)).extensions.e2ee.device_lists
    expect(went).toEqual({ changed: [], left: [charlie.userId] })
  })

  test('account_data gives all at first, then what changes; a room’s with the room', async () => {
    const user = `/_matrix/client/v3/user/${encodeURIComponent(alice.userId)}`
    const inRoom = `${user}/rooms/${encodeURIComponent(room)}/account_data`
    await alice.ok('PUT', `${user}/account_data/m.a`, { body: { n: 1 } })
    await alice.ok('PUT', `${inRoom}/m.b`, { body: { n: 1 } })
    const next = connection(alice)
    const ask = (range: number[]) =>
      all({ ranges: [range] }, { extensions: { account_data: enabled } })
    await alice.createRoom({})
    const first = (await next(ask([0, 0]))).extensions.account_data
    const types = first.global.map((event: JsonObject) => event.type).sort()
    expect(types).toEqual(['m.a', 'm.push_rules'])
    expect(first.rooms).toEqual({})
    const grown = (await next(ask([0, 9]))).extensions.account_data
    expect(grown).toEqual({ global: [], rooms: { [room]: [{ type: 'm.b', content: { n: 1 } }] } })
    await alice.ok('PUT', `${inRoom}/m.b`, { body: { n: 2 } })
    const changed = (await next(ask([0, 9]))).extensions.account_data
    expect(changed).toEqual({ global: [], rooms: { [room]: [{ type: 'm.b', content: { n: 2 } }] } })
  })

  test('receipts at first tells of the events that are shown, and the user’s own', async () => {
    const old = await alice.say(room, 'old')
    const recent = await alice.say(room, 'recent')
    const read = (user: Client, eventId: string) =>
      user.ok('POST', user.roomPath(room, 'receipt', 'm.read', eventId), { body: {} })
    const charlie = await server.user('charlie')
    await charlie.join(room)
    await read(charlie, old)
    await read(alice, old)
    const last = await alice.say(room, 'last')
    await read(bob, last)
    const next = connection(alice)
    const ask = all(
      { timeline_limit: 1 },
      { extensions: { receipts: { ...enabled, rooms: ['*'] } } },
    )
    const { receipts } = (await next(ask)).extensions
    expect(receipts.rooms[room].type).toBe('m.receipt')
    expect(Object.keys(receipts.rooms[room].content[old]['m.read'])).toEqual([alice.userId])
    expect(Object.keys(receipts.rooms[room].content[last]['m.read'])).toEqual([bob.userId])
    await read(charlie, recent)
    const changed = (await next(ask)).extensions.receipts.rooms[room].content
    expect(Object.keys(changed[recent]['m.read'])).toEqual([charlie.userId])
  })

  test('typing tells who types, and when nobody does any more', async () => {
    const next = connection(alice)
    const ask = all({}, { extensions: { typing: enabled } })
    expect((await next(ask)).extensions.typing.rooms).toEqual({})
    await bob.ok('PUT', roomsOfTyping(bob), { body: { typing: true, timeout: 10_000 } })
    expect((await next(ask)).extensions.typing.rooms[room]).toEqual({
      type: 'm.typing',
      content: { user_ids: [bob.userId] },
    })
    await bob.ok('PUT', roomsOfTyping(bob), { body: { typing: false } })
    expect((await next(ask)).extensions.typing.rooms[room].content.user_ids).toEqual([])
    const elsewhere = all({}, { extensions: { typing: { ...enabled, lists: [], rooms: [] } } })
    await bob.ok('PUT', roomsOfTyping(bob), { body: { typing: true, timeout: 10_000 } })
    expect((await next(elsewhere)).extensions.typing.rooms).toEqual({})
  })

  test.each<[JsonObject, { listed: boolean; subscribed: boolean }]>([
    [{}, { listed: true, subscribed: true }],
    [{ lists: ['all'] }, { listed: true, subscribed: true }],
    [{ lists: ['other'] }, { listed: false, subscribed: true }],
    [{ lists: [] }, { listed: false, subscribed: true }],
    [
      { lists: [], rooms: ['*'] },
      { listed: false, subscribed: true },
    ],
    [
      { lists: ['all'], rooms: [] },
      { listed: true, subscribed: false },
    ],
    [
      { lists: [], rooms: [] },
      { listed: false, subscribed: false },
    ],
  ])(
    'typing with %j: of all lists and subscriptions, unless it names some',
    async (which, told) => {
      const den = await alice.createRoom({ preset: 'public_chat' })
      await bob.join(den)
      const direct = `/_matrix/client/v3/user/${encodeURIComponent(alice.userId)}/account_data/m.direct`
      await alice.ok('PUT', direct, { body: { [bob.userId]: [den] } })
      for (const roomId of [room, den]) {
        const typing = bob.roomPath(roomId, 'typing', bob.userId)
        await bob.ok('PUT', typing, { body: { typing: true, timeout: 10_000 } })
      }
      const { extensions } = await slide(
        alice,
        all(
          { filters: { is_dm: false } },
          {
            room_subscriptions: { [den]: { timeline_limit: 1, required_state: [] } },
            extensions: { typing: { ...enabled, ...which } },
          },
        ),
      )
      expect({
        listed: room in extensions.typing.rooms,
        subscribed: den in extensions.typing.rooms,
      }).toEqual(told)
    },
  )
})

describe('bad input', () => {
  const list = { timeline_limit: 1, required_state: [] }
  test.each<[string, JsonObject, string]>([
    ['lists that are no object', { lists: [] }, 'M_BAD_JSON'],
    ['a list without timeline_limit', { lists: { a: {} } }, 'M_MISSING_PARAM'],
    ['a negative limit', { lists: { a: { ...list, timeline_limit: -1 } } }, 'M_INVALID_PARAM'],
    ['a fraction', { lists: { a: { ...list, timeline_limit: 0.5 } } }, 'M_BAD_JSON'],
    ['a range backwards', { lists: { a: { ...list, ranges: [[3, 1]] } } }, 'M_BAD_JSON'],
    ['a pair of one', { lists: { a: { ...list, required_state: [['x']] } } }, 'M_INVALID_PARAM'],
    ['no room id', { room_subscriptions: { nonsense: list } }, 'M_INVALID_PARAM'],
    [
      'a foreign since',
      { extensions: { to_device: { enabled: true, since: 'x' } } },
      'M_INVALID_PARAM',
    ],
  ])('%s is refused', async (_, body, errcode) => {
    expect(await refusal(slide(alice, body))).toMatchObject({ status: 400, errcode })
  })

  test('more than a hundred lists are refused', async () => {
    const lists = Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`l${n}`, list]))
    expect((await refusal(slide(alice, { lists }))).status).toBe(400)
  })
})

describe('TestMSC4308ThreadSubscriptionsSlidingSync: thread subscriptions', () => {
  const name = 'io.element.msc4308.thread_subscriptions'
  const ask = (limit?: number) => ({ extensions: { [name]: { enabled: true, limit } } })
  const change = (method: 'PUT' | 'DELETE', root: string) =>
    alice.ok(
      method,
      alice
        .roomPath(room, 'thread', root, 'subscription')
        .replace('/v3/', '/unstable/io.element.msc4306/'),
      method === 'PUT' ? { body: {} } : {},
    )
  const page = (query: Record<string, string | number>) =>
    alice.ok('GET', '/_matrix/client/unstable/io.element.msc4308/thread_subscriptions', {
      query: { dir: 'b', ...query },
    })
  const told = async (answer: Promise<JsonObject>) => (await answer).extensions[name]
  const manual = { automatic: false, bump_stamp: expect.any(Number) }

  test('come with the first answer, and with later ones when they change', async () => {
    const root = await bob.say(room, 'what do you think?')
    const next = connection(alice)
    expect(await told(next(ask(2)))).toEqual({})
    await change('PUT', root)
    expect(await told(next(ask(2)))).toEqual({ subscribed: { [room]: { [root]: manual } } })
    expect(await told(connection(alice)({ conn_id: 'other', ...ask(2) }))).toMatchObject({
      subscribed: expect.anything(),
    })
    const held = next(ask(2), { timeout: 30_000 })
    await server.untilWaiting(1)
    await change('DELETE', root)
    const { automatic: _, ...stamp } = manual
    expect(await told(held)).toEqual({ unsubscribed: { [room]: { [root]: stamp } } })
    expect(await told(connection(bob)(ask(2)))).toEqual({})
  })

  test('those that are too many are paged through, down to what the connection had', async () => {
    const next = connection(alice)
    const { pos } = await next(ask())
    const roots: string[] = []
    for (let n = 0; n < 5; n++) {
      const root = await bob.say(room, `root ${n}`)
      roots.push(root)
      await change('PUT', root)
    }
    const namesIn = ({ subscribed }: JsonObject) => Object.keys(subscribed[room])
    const first = await told(next(ask(2)))
    expect(namesIn(first)).toEqual([roots[4], roots[3]])
    const second = await page({ from: first.prev_batch, to: pos, limit: 2 })
    expect(namesIn(second)).toEqual([roots[2], roots[1]])
    const last = await page({ from: second.end, to: pos, limit: 2 })
    // ruma, which Element X catches up with, reads no page that lacks either.
    expect(last).toEqual({
      subscribed: { [room]: { [String(roots[0])]: manual } },
      unsubscribed: {},
    })
    expect(await page({ from: pos })).toEqual({ subscribed: {}, unsubscribed: {} })
    expect(namesIn(await page({}))).toEqual([...roots].reverse())
  })
})
