import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

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

const enc = encodeURIComponent
const slidingPath = '/_matrix/client/unstable/org.matrix.simplified_msc3575/sync'

const configuring = (type: string) => (config: JsonObject) =>
  alice.ok('PUT', `/_matrix/client/v3/user/${enc(alice.userId)}/account_data/${type}`, {
    body: config,
  })
const configureLists = configuring('org.matrix.msc4155.invite_permission_config')
const configureAll = configuring('m.invite_permission_config')
afterEach(async () => {
  await configureLists({})
  await configureAll({})
})

/** What becomes of an invite: the error code, or whether alice hears of it. */
async function inviteFrom(client: Client): Promise<string> {
  const room = await client.createRoom({ preset: 'private_chat' })
  const { next_batch: since } = await alice.sync()
  const invite = client.roomPath(room, 'invite')
  const answer = await client.request('POST', invite, { body: { user_id: alice.userId } })
  if (answer.status !== 200) return `${answer.status} ${answer.body.errcode}`
  const told = [await alice.sync({ since }), await alice.sync()]
  const shown = told.map(({ rooms }) => rooms?.invite?.[room] !== undefined)
  const body = { lists: { all: { ranges: [[0, 99]], timeline_limit: 1, required_state: [] } } }
  const { rooms } = await alice.ok('POST', slidingPath, { body })
  expect(new Set([...shown, room in rooms]).size).toBe(1)
  return shown[0] ? 'shown' : 'ignored'
}

describe('TestInviteFiltering: org.matrix.msc4155.invite_permission_config', () => {
  const blocked = '403 ORG.MATRIX.MSC4155.M_INVITE_BLOCKED'
  const ids = () => ({ bob: bob.userId })
  test.each<[string, (id: { bob: string }) => JsonObject, string, string]>([
    ['without rules', () => ({}), 'shown', 'shown'],
    ['one user is blocked', id => ({ blocked_users: [id.bob] }), blocked, 'shown'],
    ['one user is ignored', id => ({ ignored_users: [id.bob] }), 'ignored', 'shown'],
    ['a server is blocked', () => ({ blocked_servers: ['hs1'] }), blocked, blocked],
    ['a server is ignored', () => ({ ignored_servers: ['hs1'] }), 'ignored', 'ignored'],
    ['servers by a glob', () => ({ blocked_servers: ['h?*'] }), blocked, blocked],
    ['users by a glob', () => ({ blocked_users: ['@bob*:hs1'] }), blocked, 'shown'],
    [
      'a user of a blocked server is allowed',
      id => ({ allowed_users: [id.bob], blocked_servers: ['*'] }),
      'shown',
      blocked,
    ],
    [
      'a user of an allowed server is blocked',
      id => ({ blocked_users: [id.bob], allowed_servers: ['hs1'] }),
      blocked,
      'shown',
    ],
    [
      'allowing counts before ignoring, and that before blocking',
      id => ({ allowed_users: [id.bob], ignored_users: ['*'], blocked_users: ['*'] }),
      'shown',
      'ignored',
    ],
    [
      'nulls and nonsense match nothing',
      () => ({ blocked_users: null, ignored_users: [null, 1], blocked_servers: 'hs1' }),
      'shown',
      'shown',
    ],
    ['switched off', () => ({ enabled: false, blocked_users: ['*'] }), 'shown', 'shown'],
  ])('%s', async (_title, config, ofBob, ofCharlie) => {
    await configureLists(config(ids()))
    expect(await inviteFrom(bob)).toBe(ofBob)
    expect(await inviteFrom(charlie)).toBe(ofCharlie)
  })

  test('it counts whichever way the invite is made', async () => {
    await configureLists({ blocked_users: [bob.userId] })
    const room = await bob.createRoom()
    const content = { membership: 'invite' }
    const byState = bob.setState(room, 'm.room.member', alice.userId, content)
    expect((await refusal(byState)).status).toBe(403)
    const before = await server.rowCounts()
    const inState = { type: 'm.room.member', state_key: alice.userId, content }
    for (const body of [{ invite: [alice.userId] }, { initial_state: [inState] }]) {
      const error = await refusal(bob.createRoom(body))
      expect([error.status, error.errcode]).toEqual([403, 'ORG.MATRIX.MSC4155.M_INVITE_BLOCKED'])
    }
    expect(await server.rowCounts()).toEqual(before)
    await charlie.createRoom({ initial_state: [inState] })
  })
})

describe('m.invite_permission_config: "the user does not wish to receive any room invites"', () => {
  test.each<[string, JsonObject, string]>([
    ['block', { default_action: 'block' }, '403 M_INVITE_BLOCKED'],
    ['allow', { default_action: 'allow' }, 'shown'],
    ['a value that nobody knows', { default_action: ['block'] }, 'shown'],
    ['none', { blocked_users: ['*'] }, 'shown'],
  ])('default_action: %s', async (_title, config, ofBob) => {
    await configureAll(config)
    expect(await inviteFrom(bob)).toBe(ofBob)
  })

  test('an invite that was made before is not told of while they are blocked', async () => {
    const room = await bob.createRoom({ invite: [alice.userId] })
    await configureAll({ default_action: 'block' })
    expect((await alice.sync()).rooms?.invite?.[room]).toBeUndefined()
    await configureAll({ default_action: 'allow' })
    expect((await alice.sync()).rooms?.invite?.[room]).toBeDefined()
  })

  test('it counts whichever way the invite is made', async () => {
    await configureAll({ default_action: 'block' })
    const room = await bob.createRoom()
    const content = { membership: 'invite' }
    const inState = { type: 'm.room.member', state_key: alice.userId, content }
    for (const invited of [
      () => bob.setState(room, 'm.room.member', alice.userId, content),
      () => bob.createRoom({ invite: [alice.userId] }),
      () => bob.createRoom({ initial_state: [inState] }),
    ]) {
      expect(await refusal(invited())).toMatchObject({ status: 403, errcode: 'M_INVITE_BLOCKED' })
    }
  })

  test('beside the lists of MSC4155 the stricter counts', async () => {
    await configureAll({ default_action: 'block' })
    for (const lists of [{ allowed_users: ['*'] }, { blocked_users: ['*'] }]) {
      await configureLists(lists)
      expect(await inviteFrom(bob)).toBe('403 M_INVITE_BLOCKED')
    }
    await configureAll({ default_action: 'allow' })
    expect(await inviteFrom(bob)).toBe('403 ORG.MATRIX.MSC4155.M_INVITE_BLOCKED')
  })
})

describe('is_direct: what a room is for is told to who is invited', () => {
  test('in their invite, as it stood when they were', async () => {
    const room = await bob.createRoom({ invite: [charlie.userId], is_direct: true })
    const { rooms } = await charlie.sync()
    const events = rooms?.invite?.[room]?.invite_state?.events ?? []
    const own = events.find(event => event.state_key === charlie.userId)
    expect(own?.content).toMatchObject({ membership: 'invite', is_direct: true })
  })
})
