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

const joinedRooms = async (client: Client): Promise<string[]> =>
  (await client.ok('GET', '/_matrix/client/v3/joined_rooms')).joined_rooms

/** The refusal of a room, of which nothing may be left. */
async function refusedRoom(body: JsonObject) {
  const before = await joinedRooms(alice)
  const error = await refusal(alice.createRoom(body))
  expect(await joinedRooms(alice)).toEqual(before)
  return error
}

describe('POST /createRoom: presets', () => {
  test.each([
    ['private_chat', 'invite', 'can_join'],
    ['trusted_private_chat', 'invite', 'can_join'],
    ['public_chat', 'public', 'forbidden'],
  ])('%s: join rule %s, shared history, guests: %s', async (preset, joinRule, guestAccess) => {
    const room = await alice.createRoom({ preset })
    expect(await alice.state(room, 'm.room.join_rules')).toEqual({ join_rule: joinRule })
    expect(await alice.state(room, 'm.room.history_visibility')).toEqual({
      history_visibility: 'shared',
    })
    expect(await alice.state(room, 'm.room.guest_access')).toEqual({ guest_access: guestAccess })
  })

  test('without one, the visibility decides', async () => {
    const open = await alice.createRoom({ visibility: 'public' })
    const closed = await alice.createRoom({ visibility: 'private' })
    const neither = await alice.createRoom()
    expect(await alice.state(open, 'm.room.join_rules')).toEqual({ join_rule: 'public' })
    expect(await alice.state(closed, 'm.room.join_rules')).toEqual({ join_rule: 'invite' })
    expect(await alice.state(neither, 'm.room.join_rules')).toEqual({ join_rule: 'invite' })
  })

  test('trusted_private_chat gives the invited the level of the creator', async () => {
    const invited = { invite: [bob.userId] }
    const trusted = await alice.createRoom({ preset: 'trusted_private_chat', ...invited })
    expect((await alice.state(trusted, 'm.room.power_levels')).users).toEqual({
      [alice.userId]: 100,
      [bob.userId]: 100,
    })
    const priv = await alice.createRoom({ preset: 'private_chat', ...invited })
    expect((await alice.state(priv, 'm.room.power_levels')).users).toEqual({ [alice.userId]: 100 })
  })
})

describe('POST /createRoom: is_direct', () => {
  test('the invited see it in their own membership', async () => {
    const charlie = await server.user('charlie')
    const room = await alice.createRoom({ invite: [charlie.userId], is_direct: true })
    const { events } = (await charlie.sync()).rooms.invite?.[room]?.invite_state ?? { events: [] }
    const own = events.find(event => event.state_key === charlie.userId)
    expect(own?.content).toEqual({ membership: 'invite', is_direct: true })
    // It is about the invite: the creator's membership does not bear it.
    const creator = await alice.state(room, 'm.room.member', alice.userId)
    expect(creator).toEqual({ membership: 'join' })
  })
})

describe('POST /createRoom: room_alias_name', () => {
  test('the alias leads to the room and is its canonical one', async () => {
    const room = await alice.createRoom({ room_alias_name: 'canonical' })
    expect(await alice.state(room, 'm.room.canonical_alias')).toEqual({ alias: '#canonical:hs1' })
    const path = `/_matrix/client/v3/directory/room/${encodeURIComponent('#canonical:hs1')}`
    expect(await bob.ok('GET', path)).toEqual({ room_id: room, servers: ['hs1'] })
    const { aliases } = await alice.ok('GET', alice.roomPath(room, 'aliases'))
    expect(aliases).toEqual(['#canonical:hs1'])
  })

  test('an alias that is taken is refused with M_ROOM_IN_USE', async () => {
    const room = await bob.createRoom({ room_alias_name: 'taken' })
    const error = await refusedRoom({ room_alias_name: 'taken' })
    expect(error).toMatchObject({ status: 400, errcode: 'M_ROOM_IN_USE' })
    const path = `/_matrix/client/v3/directory/room/${encodeURIComponent('#taken:hs1')}`
    expect(await alice.ok('GET', path)).toMatchObject({ room_id: room })
  })

  test.each(['', 'with:colon', 'with space', '#whole:hs1'])(
    'a local part that cannot be one is refused: "%s"',
    async roomAliasName => {
      const error = await refusedRoom({ room_alias_name: roomAliasName })
      expect(error).toMatchObject({ status: 400, errcode: 'M_INVALID_PARAM' })
    },
  )

  test('a refused room does not keep its alias', async () => {
    await refusedRoom({ room_alias_name: 'free-again', invite: [alice.userId] })
    const room = await alice.createRoom({ room_alias_name: 'free-again' })
    expect(await alice.ok('GET', alice.roomPath(room, 'aliases'))).toEqual({
      aliases: ['#free-again:hs1'],
    })
  })
})

test('POST /createRoom: third parties cannot be invited, and are not passed over', async () => {
  const { next_batch: since } = await alice.sync()
  const invited = { id_server: 'id.example.org', medium: 'email', address: 'bob@example.org' }
  const refused = await refusal(alice.createRoom({ invite_3pid: [invited] }))
  expect(refused).toMatchObject({ status: 403, errcode: 'M_THREEPID_DENIED' })
  expect((await alice.sync({ since })).rooms).toEqual({})
  for (const nobody of [[], null]) await alice.createRoom({ invite_3pid: nobody })
})

describe('POST /createRoom: what cannot be', () => {
  const stateEvent = (type: string, content: JsonObject) => ({
    initial_state: [{ type, state_key: '', content }],
  })

  test.each<[string, JsonObject, string]>([
    ['an invite for something that is no user', { invite: ['bob'] }, 'M_INVALID_PARAM'],
    ['invites that are no list', { invite: 'bob' }, 'M_BAD_JSON'],
    ['an unknown preset', { preset: 'secret_chat' }, 'M_INVALID_PARAM'],
    ['an unknown visibility', { visibility: 'translucent' }, 'M_INVALID_PARAM'],
    ['a name that is no text', { name: 5 }, 'M_BAD_JSON'],
    ['creation_content that is no object', { creation_content: [] }, 'M_BAD_JSON'],
    ['third parties that are no list', { invite_3pid: 'bob@example.org' }, 'M_BAD_JSON'],
    ['initial_state that is no list', { initial_state: {} }, 'M_BAD_JSON'],
    ['initial_state without a type', { initial_state: [{ content: {} }] }, 'M_BAD_JSON'],
    ['initial_state without content', { initial_state: [{ type: 'a.b' }] }, 'M_BAD_JSON'],
    ['a second create event', stateEvent('m.room.create', {}), 'M_INVALID_PARAM'],
    [
      'power levels that lock the creator out',
      { power_level_content_override: { users: {}, state_default: 50 } },
      'M_INVALID_ROOM_STATE',
    ],
    [
      'power levels that are none',
      { power_level_content_override: { users_default: 'high' } },
      'M_INVALID_ROOM_STATE',
    ],
    [
      'an alias of another room',
      stateEvent('m.room.canonical_alias', { alias: '#no:hs1' }),
      'M_BAD_ALIAS',
    ],
  ])('%s', async (_what, body, errcode) => {
    expect(await refusedRoom(body)).toMatchObject({ status: 400, errcode })
  })

  const malformed = { type: 'm.room.member', state_key: 'bob', content: { membership: 'ban' } }
  const noAlias = { type: 'm.room.canonical_alias', state_key: '', content: { alias: '#no:hs1' } }
  const refused = { type: 'm.room.member', state_key: '@bob:hs1', content: { membership: 'join' } }
  const large = { creation_content: { large: 'x'.repeat(70_000) } }
  test.each<[string, JsonObject, string]>([
    ['the rules before a form', { initial_state: [refused, malformed] }, 'M_INVALID_ROOM_STATE'],
    ['a form before the rules', { initial_state: [malformed, refused] }, 'M_INVALID_PARAM'],
    ['one form before another', { initial_state: [noAlias, malformed] }, 'M_BAD_ALIAS'],
    [
      'initial_state before an invite',
      { initial_state: [noAlias], invite: [''] },
      'M_INVALID_PARAM',
    ],
    [
      'initial_state before the invite of the creator',
      { initial_state: [noAlias], invite: ['@alice-1:hs1'] },
      'M_BAD_ALIAS',
    ],
    [
      'an alias before initial_state',
      { room_alias_name: ':', initial_state: [noAlias] },
      'M_INVALID_PARAM',
    ],
    ['the create event before the alias', { ...large, room_alias_name: ':' }, 'M_TOO_LARGE'],
  ])('of two things at once the first is told: %s', async (_what, body, errcode) => {
    expect(await refusedRoom(body)).toMatchObject({ errcode })
  })

  test('an invite for the creator, who is in the room already', async () => {
    const { next_batch } = await bob.sync()
    const error = await refusedRoom({ invite: [bob.userId, alice.userId] })
    expect(error).toMatchObject({ status: 400, errcode: 'M_INVALID_ROOM_STATE' })
    expect((await bob.sync({ since: next_batch })).rooms.invite).toBeUndefined()
  })
})
