import type { Client } from '../support/client.ts'
import { allEndpoints, startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

const register = '/_matrix/client/v3/register'
const forbidden = { status: 403, body: { errcode: 'M_GUEST_ACCESS_FORBIDDEN' } }

let server: TestServer
let alice: Client
let guest: Client
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  guest = await aGuest()
})
afterAll(() => server.stop())

async function aGuest(): Promise<Client> {
  const client = server.anonymous()
  const { body } = await client.request('POST', register, { body: {}, query: { kind: 'guest' } })
  client.userId = body.user_id
  client.deviceId = body.device_id
  client.token = body.access_token
  return client
}

const whoami = (client: Client) => client.request('GET', '/_matrix/client/v3/account/whoami')
const join = (client: Client, room: string) =>
  client.request('POST', client.roomPath(room, 'join'), { body: {} })
/** A public room that guests may join, or one that they may not. */
const aRoom = (guestAccess: string) =>
  alice.createRoom({
    preset: 'public_chat',
    initial_state: [{ type: 'm.room.guest_access', content: { guest_access: guestAccess } }],
  })
const membership = async (room: string, client: Client) =>
  (await alice.state(room, 'm.room.member', client.userId)).membership

describe('POST /_matrix/client/v3/register?kind=guest', () => {
  test('a guest needs no name, no password and no proof', async () => {
    const { body } = await guest.request('POST', register, { body: {}, query: { kind: 'guest' } })
    expect(body).toEqual({
      user_id: expect.stringMatching(/^@[a-z]+:hs1$/),
      access_token: expect.any(String),
      device_id: expect.any(String),
      home_server: 'hs1',
    })
  })

  test('what names a guest is ignored, but for the name of the device', async () => {
    const body = { username: 'chosen', password: 'x', initial_device_display_name: 'A browser' }
    const made = await guest.request('POST', register, { body, query: { kind: 'guest' } })
    expect(made.body.user_id).not.toBe('@chosen:hs1')
    const { devices } = await alice.ok('GET', '/_matrix/client/v3/devices', {
      token: made.body.access_token,
    })
    expect(devices).toMatchObject([{ display_name: 'A browser' }])
  })

  test('GET /account/whoami says that it is a guest', async () => {
    expect((await whoami(guest)).body).toEqual({
      user_id: guest.userId,
      device_id: guest.deviceId,
      is_guest: true,
    })
  })
})

describe('Guests may do what the specification lists, and nothing else', () => {
  // Spec: Client-Server API "Guest Access", "Client behaviour".
  const listed = [
    'GET /v3/rooms/{}/state',
    'GET /v3/rooms/{}/context/{}',
    'GET /v3/rooms/{}/event/{}',
    'GET /v3/rooms/{}/state/{}/{}',
    'GET /v3/rooms/{}/messages',
    'GET /v3/rooms/{}/members',
    'GET /v3/rooms/{}/initialSync',
    'GET /v3/events',
    'GET /v3/sync',
    'GET /v1/media/download/{}/{}',
    'GET /v1/media/download/{}/{}/{}',
    'GET /v1/media/thumbnail/{}/{}',
    'POST /v3/rooms/{}/join',
    'POST /v3/rooms/{}/leave',
    'PUT /v3/rooms/{}/send/{}/{}',
    'PUT /v3/rooms/{}/state/{}/{}',
    'PUT /v3/sendToDevice/{}/{}',
    'PUT /v3/profile/{}/displayname',
    'GET /v3/devices',
    'GET /v3/devices/{}',
    'PUT /v3/devices/{}',
    'GET /v3/account/whoami',
    'POST /v3/keys/upload',
    'POST /v3/keys/query',
    'POST /v3/keys/claim',
  ]
  const further = [
    'GET /v3/capabilities',
    'GET /v1/room_summary/{}',
    'GET /v1/rtc/transports',
    'GET /unstable/org.matrix.msc4143/rtc/transports',
    'POST /v3/join/{}',
    'POST /v3/logout',
    'POST /v3/logout/all',
  ]
  // Under v1 the drafts had /send and /state with a delay in the query.
  const isDelayedEvents = (path: string) =>
    /delayed_event|msc4140|msc4157|future|v1\/rooms\/:roomId\/(send|state)\//.test(path)
  const shape = (path: string) =>
    path.replace('/_matrix/client', '').replace(/[{}]/g, '').replace(/:\w+/g, '{}')

  const cases = allEndpoints()
    .filter(({ auth }) => auth === 'user')
    .flatMap(({ method, paths }) => paths.map(path => ({ method, path })))
    .filter(({ path }) => path.startsWith('/_matrix/client') && !path.includes('/profile/'))
    .map(({ method, path }) => ({ method, path, name: `${method} ${shape(path)}` }))
  const isOpen = ({ name, path }: { name: string; path: string }) =>
    listed.includes(name) || further.includes(name) || isDelayedEvents(path)

  const ask = async ({ method, path }: { method: string; path: string }) => {
    const visitor = /logout/.test(path) ? await aGuest() : guest
    const filled = path.replace(/[{}]/g, '').replace(/:\w+/g, 'x')
    return visitor.request(method, filled, { body: method === 'GET' ? undefined : {} })
  }

  test.each(cases.filter(isOpen))('$name is open to guests', async endpoint => {
    expect((await ask(endpoint)).body.errcode).not.toBe('M_GUEST_ACCESS_FORBIDDEN')
  })

  test.each(cases.filter(endpoint => !isOpen(endpoint)))('$name is not', async endpoint => {
    expect(await ask(endpoint)).toMatchObject(forbidden)
  })

  test('the lists are not empty', () => {
    expect(cases.filter(isOpen).length).toBeGreaterThan(20)
  })
})

describe('m.room.guest_access', () => {
  test('a guest joins and speaks where guests can join', async () => {
    const room = await aRoom('can_join')
    expect((await join(guest, room)).status).toBe(200)
    await guest.say(room, 'hello')
    expect(await membership(room, guest)).toBe('join')
  })

  test('a guest does not join where guests are forbidden, nor where nothing is said', async () => {
    expect(await join(guest, await aRoom('forbidden'))).toMatchObject(forbidden)
    expect(await join(guest, await aRoom('anything_else'))).toMatchObject(forbidden)
  })

  test('not by alias, not by a state event, and not though invited', async () => {
    const room = await alice.createRoom({
      preset: 'public_chat',
      room_alias_name: 'no-guests',
      invite: [guest.userId],
    })
    const path = `/_matrix/client/v3/join/${encodeURIComponent('#no-guests:hs1')}`
    expect(await guest.request('POST', path, { body: {} })).toMatchObject(forbidden)
    const state = guest.roomPath(room, 'state', 'm.room.member', guest.userId)
    const body = { membership: 'join' }
    expect(await guest.request('PUT', state, { body })).toMatchObject(forbidden)
    expect(await membership(room, guest)).toBe('invite')
  })

  test('when guests are not let in any more, those who are there leave, and only they', async () => {
    const room = await aRoom('can_join')
    const bob = await server.user('bob')
    for (const member of [bob, guest]) await join(member, room)
    await alice.setState(room, 'm.room.guest_access', '', { guest_access: 'forbidden' })
    expect(await membership(room, guest)).toBe('leave')
    expect(await membership(room, bob)).toBe('join')
    expect(await guest.request('GET', guest.roomPath(room, 'joined_members'))).toMatchObject({
      status: 403,
    })
  })

  test('the same when the event that lets them in is redacted', async () => {
    const room = await aRoom('can_join')
    await join(guest, room)
    const state = await alice.ok('GET', alice.roomPath(room, 'state'))
    const event = (state as unknown as JsonObject[]).find(
      ({ type }) => type === 'm.room.guest_access',
    )
    await alice.redact(room, event?.event_id)
    expect(await membership(room, guest)).toBe('leave')
  })

  test('a delayed join does not get around it', async () => {
    const room = await aRoom('can_join')
    await guest.delayState(room, 1_000, 'm.room.member', guest.userId, { membership: 'join' })
    await alice.setState(room, 'm.room.guest_access', '', { guest_access: 'forbidden' })
    await server.advance(1_000)
    expect(await guest.finalised()).toMatchObject([{ error: forbidden.body }])
  })
})

test('MSC4140: a guest schedules, restarts and sends', async () => {
  const room = await aRoom('can_join')
  await join(guest, room)
  const delayId = await guest.delay(room, 10_000, 'm.test', { n: 1 })
  await server.advance(9_999)
  expect((await guest.manage(delayId, 'restart')).status).toBe(200)
  await server.advance(9_999)
  expect(await guest.scheduled()).toMatchObject([{ delay_id: delayId }])
  await server.advance(1)
  expect(await guest.scheduled()).toEqual([])
})

describe('POST /_matrix/client/v3/register with guest_access_token', () => {
  const upgrade = (client: Client, extra: JsonObject = {}) =>
    client.request('POST', register, {
      token: null,
      body: {
        auth: { type: 'm.login.dummy' },
        guest_access_token: client.token ?? null,
        username: client.userId.slice(1).replace(':hs1', ''),
        password: 'a password at last',
        ...extra,
      },
    })

  test('a guest becomes a user, with the same id, in the same rooms', async () => {
    const visitor = await aGuest()
    const room = await aRoom('can_join')
    await join(visitor, room)
    const { status, body } = await upgrade(visitor)
    expect(status).toBe(200)
    expect(body.user_id).toBe(visitor.userId)
    visitor.token = body.access_token
    expect((await whoami(visitor)).body.is_guest).toBe(false)
    expect(await visitor.createRoom()).toMatch(/^!/)
    await alice.setState(room, 'm.room.guest_access', '', { guest_access: 'forbidden' })
    expect(await membership(room, visitor)).toBe('join')
    await visitor.sibling().login({ password: 'a password at last' })
  })

  test("not without the guest's own name, and not with a token that is no guest's", async () => {
    const visitor = await aGuest()
    expect(await upgrade(visitor, { username: undefined })).toMatchObject({
      status: 400,
      body: { errcode: 'M_MISSING_PARAM' },
    })
    expect(await upgrade(visitor, { username: 'somebody-else' })).toMatchObject({
      status: 400,
      body: { errcode: 'M_INVALID_USERNAME' },
    })
    for (const token of [alice.token, 'made-up']) {
      expect(await upgrade(visitor, { guest_access_token: token })).toMatchObject({
        status: 401,
        body: { errcode: 'M_UNKNOWN_TOKEN' },
      })
    }
    expect((await whoami(visitor)).body.is_guest).toBe(true)
  })

  test('once', async () => {
    const visitor = await aGuest()
    const answers = await Promise.all([upgrade(visitor), upgrade(visitor)])
    expect(answers.map(({ status }) => status).sort()).not.toEqual([200, 200])
  })
})
