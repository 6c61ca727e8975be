import { type Client, delayedEvents, refusal } from '../support/client.ts'
import { crossSigningSet, deviceKeysOf, makeKey } from '../support/keys.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.stop())

const whoami = (client: Client) => client.request('GET', '/_matrix/client/v3/account/whoami')
const changePassword = (client: Client, body: JsonObject) =>
  client.request('POST', '/_matrix/client/v3/account/password', { body })

async function anotherSession(client: Client): Promise<Client> {
  const other = client.sibling()
  await other.login()
  return other
}

/** Others log in with the old password all the while. @returns the tokens that they are given */
async function whileOthersLogIn(client: Client, run: () => Promise<unknown>): Promise<string[]> {
  const tokens: string[] = []
  let isRunning = true
  const logIn = async () => {
    while (isRunning) {
      const other = client.sibling()
      if (await other.login().catch(() => undefined)) tokens.push(String(other.token))
    }
  }
  const others = [1, 2, 3, 4].map(logIn)
  await run()
  isRunning = false
  await Promise.all(others)
  return tokens
}

describe('TestChangePassword: POST /_matrix/client/v3/account/password', () => {
  let alice: Client
  let other: Client
  beforeAll(async () => {
    alice = await server.user('alice')
    other = await anotherSession(alice)
    const answer = await changePassword(alice, {
      auth: alice.proof(),
      new_password: 'my_new_password',
    })
    expect(answer).toMatchObject({ status: 200, body: {} })
  })

  test('the old password does not log in', async () => {
    expect(await refusal(alice.sibling().login())).toMatchObject({
      status: 403,
      errcode: 'M_FORBIDDEN',
    })
  })

  test('the new password logs in', async () => {
    const answer = await alice.sibling().login({ password: 'my_new_password' })
    expect(answer.user_id).toBe(alice.userId)
  })

  test('the session that asked still works', async () => {
    expect((await whoami(alice)).status).toBe(200)
  })

  test('another session does not work any more', async () => {
    expect(await whoami(other)).toMatchObject({
      status: 401,
      body: { errcode: 'M_UNKNOWN_TOKEN' },
    })
  })

  test('who is just logging in with the old password does not stay', async () => {
    const bob = await server.user('bob')
    const tokens = await whileOthersLogIn(bob, async () => {
      const change = { auth: bob.proof(), new_password: 'another' }
      expect((await changePassword(bob, change)).status).toBe(200)
    })
    const answers = await Promise.all(
      tokens.map(token => bob.request('GET', '/_matrix/client/v3/account/whoami', { token })),
    )
    expect(answers.filter(({ status }) => status !== 401)).toEqual([])
  })

  test('other sessions can be kept', async () => {
    const bob = await server.user('bob')
    const kept = await anotherSession(bob)
    const change = { auth: bob.proof(), new_password: 'new_optional', logout_devices: false }
    expect((await changePassword(bob, change)).status).toBe(200)
    expect((await whoami(kept)).status).toBe(200)
    expect((await refusal(bob.sibling().login())).status).toBe(403)
  })

  test('without proof nothing is changed, and the flows are told', async () => {
    const bob = await server.user('bob')
    const { status, body } = await changePassword(bob, { new_password: 'unproven' })
    expect(status).toBe(401)
    expect(body).toEqual({
      flows: [{ stages: ['m.login.password'] }],
      params: {},
      session: expect.any(String),
    })
    expect((await refusal(bob.sibling().login({ password: 'unproven' }))).status).toBe(403)
    await bob.sibling().login()
  })

  test('the proof may come in the session of the challenge, with the user at the top', async () => {
    const bob = await server.user('bob')
    const { session } = (await changePassword(bob, { new_password: 'proven' })).body
    const { type, password } = bob.proof()
    const auth = { type, user: bob.userId, password, session }
    expect((await changePassword(bob, { auth, new_password: 'proven' })).status).toBe(200)
    await bob.sibling().login({ password: 'proven' })
  })

  test("another user's proof is refused", async () => {
    const [bob, charlie] = [await server.user('bob'), await server.user('charlie')]
    const change = { auth: charlie.proof(), new_password: 'stolen' }
    expect(await changePassword(bob, change)).toMatchObject({
      status: 403,
      body: { errcode: 'M_FORBIDDEN' },
    })
    await bob.sibling().login()
    await charlie.sibling().login()
  })
})

describe('TestDeactivateAccount: POST /_matrix/client/v3/account/deactivate', () => {
  const deactivate = (client: Client, body?: JsonObject) =>
    client.request('POST', '/_matrix/client/v3/account/deactivate', { body })

  test('the password flow is available', async () => {
    const alice = await server.user('alice')
    const { status, body } = await deactivate(alice, {})
    expect(status).toBe(401)
    expect(body.flows).toEqual([{ stages: ['m.login.password'] }])
    expect((await whoami(alice)).status).toBe(200)
  })

  test('a wrong password does not deactivate, and may be tried again', async () => {
    const alice = await server.user('alice')
    expect(await deactivate(alice, { auth: alice.proof('wrong_password') })).toMatchObject({
      status: 401,
      body: {
        errcode: 'M_FORBIDDEN',
        error: expect.any(String),
        flows: [{ stages: ['m.login.password'] }],
        params: {},
        session: expect.any(String),
      },
    })
    expect((await whoami(alice)).status).toBe(200)
  })

  test('the right password deactivates: every session ends', async () => {
    const alice = await server.user('alice')
    const other = await anotherSession(alice)
    const answer = await deactivate(alice, { auth: alice.proof() })
    expect(answer.status).toBe(200)
    expect(['success', 'no-support']).toContain(answer.body.id_server_unbind_result)
    expect((await whoami(alice)).body.errcode).toBe('M_UNKNOWN_TOKEN')
    expect((await whoami(other)).body.errcode).toBe('M_UNKNOWN_TOKEN')
  })

  test('who is deactivated does not log in with their password, and their name stays taken', async () => {
    const alice = await server.user('alice')
    await deactivate(alice, { auth: alice.proof() })
    expect((await refusal(alice.sibling().login())).status).toBe(403)
    const username = alice.userId.slice(1).replace(':hs1', '')
    expect(await refusal(server.anonymous().register(username))).toMatchObject({
      status: 400,
      errcode: 'M_USER_IN_USE',
    })
  })
})

test('User-interactive authentication: who has no password is told so, and asked for none', async () => {
  const bob = server.anonymous()
  await bob.register('without-password', { password: undefined })
  const attempts: [method: string, path: string, body: JsonObject][] = [
    ['POST', '/_matrix/client/v3/account/password', { new_password: 'first' }],
    ['POST', '/_matrix/client/v3/account/deactivate', {}],
    ['POST', '/_matrix/client/v3/delete_devices', { devices: [bob.deviceId] }],
    ['POST', '/_matrix/client/v1/login/get_token', {}],
  ]
  for (const [method, path, body] of attempts) {
    for (const auth of [null, bob.proof()]) {
      const answer = await bob.request(method, path, { body: { ...body, auth } })
      expect(answer).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
    }
  }
  expect((await whoami(bob)).status).toBe(200)
  const { capabilities } = await bob.ok('GET', '/_matrix/client/v3/capabilities')
  expect(capabilities).toMatchObject({
    'm.change_password': { enabled: false },
    'm.get_login_token': { enabled: false },
  })
})

test('POST /_matrix/client/v3/account/deactivate: who is just logging in leaves no device behind', async () => {
  const [bob, admin] = [await server.user('bob'), await server.admin()]
  await whileOthersLogIn(bob, async () => {
    const body = { auth: bob.proof() }
    await bob.ok('POST', '/_matrix/client/v3/account/deactivate', { body })
  })
  const path = `/_matrix/client/v3/admin/whois/${encodeURIComponent(bob.userId)}`
  expect(await admin.ok('GET', path)).toEqual({ user_id: bob.userId, devices: {} })
})

test('POST /_matrix/client/v3/account/deactivate: who is deactivated is in no room any more', async () => {
  const alice = await server.user('alice')
  const bob = await server.user('bob')
  const room = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(room)
  const invited = await alice.createRoom({ invite: [bob.userId] })
  await bob.ok('POST', '/_matrix/client/v3/account/deactivate', { body: { auth: bob.proof() } })
  for (const left of [room, invited]) {
    const { membership } = await alice.state(left, 'm.room.member', bob.userId)
    expect(membership).toBe('leave')
  }
})

test.each([1, 2, 3])(
  'POST /_matrix/client/v3/account/deactivate: who comes into rooms at the same moment is in none either (%i)',
  async () => {
    const [alice, bob] = [await server.user('alice'), await server.user('bob')]
    const rooms = await Promise.all(
      [1, 2, 3, 4].map(() => alice.createRoom({ preset: 'public_chat' })),
    )
    let isOpen = true
    const comeAndGo = async (room: string, i: number) => {
      const join = () =>
        i % 2 === 0
          ? bob.join(room)
          : bob.setState(room, 'm.room.member', bob.userId, { membership: 'join' })
      while (isOpen) {
        await join().catch(() => undefined)
        await bob.leave(room).catch(() => undefined)
      }
    }
    const coming = rooms.map(comeAndGo)
    const body = { auth: bob.proof() }
    await bob.ok('POST', '/_matrix/client/v3/account/deactivate', { body })
    isOpen = false
    await Promise.all(coming)
    for (const room of rooms) {
      const { joined } = await alice.ok('GET', alice.roomPath(room, 'joined_members'))
      expect(Object.keys(joined)).toEqual([alice.userId])
    }
  },
)

test('POST /_matrix/client/v3/account/deactivate: what is written at the same moment does not stay', async () => {
  const kept = [
    'account_data',
    'push_rules',
    'key_backups',
    'cross_signing_keys',
    'dehydrated_devices',
    'thread_subscriptions',
    'receipts',
  ]
  const alice = await server.user('alice')
  const room = await alice.createRoom({ preset: 'public_chat' })
  const root = await alice.say(room, 'a thread')
  for (let round = 0; round < 3; round++) {
    const bob = await server.user('bob')
    await bob.join(room)
    const before = await server.rowCounts()
    const privately = { 'm.read.private': root, 'm.fully_read': root }
    const own = `/_matrix/client/v3/user/${encodeURIComponent(bob.userId)}`
    const subscription = `/_matrix/client/unstable/io.element.msc4306/rooms/${encodeURIComponent(room)}/thread/${encodeURIComponent(root)}/subscription`
    const algorithm = 'm.megolm_backup.v1.curve25519-aes-sha2'
    const device = makeKey('DEHYDRATED')
    const dehydrated = {
      device_id: 'DEHYDRATED',
      device_data: { algorithm: 'none' },
      device_keys: deviceKeysOf(Object.assign(bob.sibling(), { deviceId: 'DEHYDRATED' }), device),
    }
    const writes: (() => [method: string, path: string, body: JsonObject])[] = [
      () => ['PUT', `${own}/account_data/m.test`, { at: round }],
      () => ['PUT', `${own}/rooms/!room:hs1/tags/u.test`, {}],
      () => ['PUT', '/_matrix/client/v3/pushrules/global/override/test', { actions: ['notify'] }],
      () => ['POST', '/_matrix/client/v3/room_keys/version', { algorithm, auth_data: {} }],
      () => [
        'POST',
        '/_matrix/client/v3/keys/device_signing/upload',
        crossSigningSet(bob.userId).body,
      ],
      () => ['PUT', '/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device', dehydrated],
      () => ['PUT', subscription, {}],
      () => ['POST', bob.roomPath(room, 'read_markers'), privately],
    ]
    let isOpen = true
    const writing = writes.map(async write => {
      while (isOpen) {
        const [method, path, body] = write()
        await bob.request(method, path, { body })
      }
    })
    const body = { auth: bob.proof() }
    await bob.ok('POST', '/_matrix/client/v3/account/deactivate', { body })
    isOpen = false
    await Promise.all(writing)
    const after = await server.rowCounts()
    const grown = kept.filter(table => after[table] !== before[table])
    expect(grown).toEqual([])
  }
})

test('POST /_matrix/client/v3/account/deactivate: how far they have read stays where others saw it', async () => {
  const [alice, bob] = [await server.user('alice'), await server.user('bob')]
  const rooms = [
    await alice.createRoom({ preset: 'public_chat' }),
    await alice.createRoom({ preset: 'public_chat' }),
  ]
  const before = await server.rowCounts()
  for (const room of rooms) {
    await bob.join(room)
    const eventId = await alice.say(room, 'hello')
    const at = { 'm.read': eventId, 'm.read.private': eventId, 'm.fully_read': eventId }
    await bob.ok('POST', bob.roomPath(room, 'read_markers'), { body: at })
  }
  await bob.leave(rooms[0] ?? '')
  await bob.ok('POST', '/_matrix/client/v3/account/deactivate', { body: { auth: bob.proof() } })
  const { receipts, account_data } = await server.rowCounts()
  expect({ receipts, account_data }).toEqual({
    receipts: Number(before.receipts) + rooms.length,
    account_data: before.account_data,
  })
})

test('POST /_matrix/client/v3/account/deactivate: who is banned, or whose room is deleted, at the same moment', async () => {
  const [alice, admin] = [await server.user('alice'), await server.admin()]
  for (let round = 0; round < 5; round++) {
    const bob = await server.user('bob')
    const rooms = await Promise.all(
      Array.from({ length: 6 }, () => alice.createRoom({ preset: 'public_chat' })),
    )
    for (const room of rooms) await bob.join(room)
    // The rooms are left in some order; somewhere on the way the two meet.
    const ends = rooms.map((room, i) =>
      i % 2 === 0
        ? alice.ban(room, bob.userId)
        : admin.ok('DELETE', `/_synapse/admin/v1/rooms/${encodeURIComponent(room)}`, { body: {} }),
    )
    const path = '/_matrix/client/v3/account/deactivate'
    const closed = bob.request('POST', path, { body: { auth: bob.proof() } })
    await Promise.all(ends)
    expect(await closed).toMatchObject({ status: 200 })
    expect((await whoami(bob)).status).toBe(401)
  }
})

test('POST /_matrix/client/v3/account/deactivate: a delayed join does not bring its user back', async () => {
  const alice = await server.user('alice')
  const bob = await server.user('bob')
  const room = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(room)
  const { delay_id } = await bob.ok(
    'PUT',
    `${bob.roomPath(room, 'state', 'm.room.member', bob.userId)}?org.matrix.msc4140.delay=1000`,
    { body: { membership: 'join' } },
  )
  await bob.ok('POST', '/_matrix/client/v3/account/deactivate', { body: { auth: bob.proof() } })
  const sent = await alice.request('POST', `${delayedEvents}/${delay_id}/send`)
  expect(sent.status).toBe(404)
  await server.advance(2_000)
  const { membership } = await alice.state(room, 'm.room.member', bob.userId)
  expect(membership).toBe('leave')
})

test('POST /_matrix/client/v3/account/deactivate: nothing is kept of what was scheduled', async () => {
  const alice = await server.user('alice')
  const bob = await server.user('bob')
  const room = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(room)
  await alice.delay(room, 60_000, 'm.test', { of: 'alice' })
  const { delayed_events: before } = await server.rowCounts()
  const [sent = '', cancelled = ''] = [
    await bob.delay(room, 60_000, 'm.test', {}),
    await bob.delay(room, 60_000, 'm.test', {}),
    await bob.delay(room, 60_000, 'm.test', {}),
  ]
  await bob.manage(sent, 'send')
  await bob.manage(cancelled, 'cancel')
  await bob.ok('POST', '/_matrix/client/v3/account/deactivate', { body: { auth: bob.proof() } })
  const { delayed_events: after } = await server.rowCounts()
  expect(after).toBe(before)
})

describe('GET /_matrix/client/v3/account/whoami', () => {
  test('the device of the token is told', async () => {
    const alice = await server.user('alice')
    expect((await whoami(alice)).body).toEqual({
      user_id: alice.userId,
      device_id: alice.deviceId,
      is_guest: false,
    })
  })
})
