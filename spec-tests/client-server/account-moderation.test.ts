import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

const v3 = '/_matrix/client/v3'
const enc = encodeURIComponent

let server: TestServer
let admin: Client
let alice: Client
let bob: Client
let room: string
beforeAll(async () => {
  server = await startServer()
  admin = await server.admin()
})
beforeEach(async () => {
  alice = await server.user('alice')
  bob = await server.user('bob')
  room = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(room)
})
afterAll(() => server.stop())

const path = (verb: 'lock' | 'suspend', userId: string) =>
  `/_matrix/client/v1/admin/${verb}/${enc(userId)}`
const lock = (user: Client, locked = true) =>
  admin.ok('PUT', path('lock', user.userId), { body: { locked } })
const suspend = (user: Client, suspended = true) =>
  admin.ok('PUT', path('suspend', user.userId), { body: { suspended } })
const gist = async (promise: Promise<unknown>) => {
  const { status, errcode } = await refusal(promise)
  return `${status} ${errcode}`
}

describe.each([
  ['lock', 'locked', '/_matrix/client/v1/admin/lock'],
  ['suspend', 'suspended', '/_matrix/client/v1/admin/suspend'],
  ['lock', 'locked', '/_matrix/client/unstable/uk.timedout.msc4323/admin/lock'],
  ['suspend', 'suspended', '/_matrix/client/unstable/uk.timedout.msc4323/admin/suspend'],
])('GET and PUT /admin/%s/{userId}: %s, at %s', (_, name, base) => {
  const ask = (client: Client, method: string, userId: string, body?: JsonObject) =>
    client.request(method, `${base}/${enc(userId)}`, { body })

  test('what was said last is what holds', async () => {
    expect((await ask(admin, 'GET', bob.userId)).body).toEqual({ [name]: false })
    for (const value of [true, true, false]) {
      const { status, body } = await ask(admin, 'PUT', bob.userId, { [name]: value })
      expect({ status, body }).toEqual({ status: 200, body: { [name]: value } })
      expect((await ask(admin, 'GET', bob.userId)).body).toEqual({ [name]: value })
    }
  })

  test('it is for administrators, and about others than them', async () => {
    const another = await server.admin('another')
    const closed = await server.user('closed')
    await closed.ok('POST', `${v3}/account/deactivate`, { body: { auth: closed.proof() } })
    const refusals: [Client, string, number, string][] = [
      [alice, bob.userId, 403, 'M_FORBIDDEN'],
      // Who may not know whether there is such a user is not told.
      [alice, '@nobody:hs1', 403, 'M_FORBIDDEN'],
      [admin, another.userId, 403, 'M_FORBIDDEN'],
      [admin, '@nobody:hs1', 404, 'M_NOT_FOUND'],
      [admin, closed.userId, 404, 'M_NOT_FOUND'],
      [admin, '@bob:elsewhere', 400, 'M_INVALID_PARAM'],
    ]
    for (const [client, userId, status, errcode] of refusals) {
      for (const method of ['GET', 'PUT']) {
        const body = method === 'PUT' ? { [name]: true } : undefined
        const answer = await ask(client, method, userId, body)
        expect([userId, answer.status, answer.body.errcode]).toEqual([userId, status, errcode])
      }
    }
    expect(await ask(admin, 'PUT', admin.userId, { [name]: true })).toMatchObject({ status: 403 })
    expect((await ask(admin, 'GET', admin.userId)).body).toEqual({ [name]: false })
  })
})

test('each leaves the other as it is, and both outlive a restart', async () => {
  await suspend(bob)
  await lock(bob)
  await server.restart()
  expect(await gist(bob.sync())).toBe('401 M_USER_LOCKED')
  await lock(bob, false)
  await server.restart()
  expect(await gist(bob.say(room, 'hello'))).toBe('403 M_USER_SUSPENDED')
  const shown = await admin.ok('GET', `/_synapse/admin/v2/users/${enc(bob.userId)}`)
  expect(shown).toMatchObject({ locked: false, suspended: true })
})

test('administrators find in their capabilities that they can', async () => {
  const capabilities = async (client: Client) =>
    (await client.ok('GET', `${v3}/capabilities`)).capabilities
  expect(await capabilities(admin)).toMatchObject({
    'm.account_moderation': { suspend: true, lock: true },
  })
  expect(await capabilities(alice)).not.toHaveProperty('m.account_moderation')
})

describe('A locked account', () => {
  test('is refused with a soft logout, and is as it was once it is unlocked', async () => {
    await lock(bob)
    for (const asked of [
      bob.sync(),
      bob.say(room, 'hello'),
      bob.ok('GET', `${v3}/account/whoami`),
    ]) {
      const { status, body } = await refusal(asked)
      expect({ status, body }).toMatchObject({
        status: 401,
        body: { errcode: 'M_USER_LOCKED', soft_logout: true },
      })
    }
    await lock(bob, false)
    await bob.say(room, 'hello again')
  })

  test('a long poll that is waiting ends', async () => {
    const { next_batch: since } = await bob.sync()
    const held = server.waiting()
    const poll = bob.sync({ since, timeout: 30_000 })
    poll.catch(() => undefined)
    await server.untilWaiting(held + 1)
    await lock(bob)
    expect(await gist(poll)).toBe('401 M_USER_LOCKED')
  })

  test('nobody logs in to it, and no token is refreshed', async () => {
    const { refresh_token } = await bob.login({ refresh_token: true })
    await lock(bob)
    expect(await gist(bob.login())).toBe('401 M_USER_LOCKED')
    const refreshed = bob.ok('POST', `${v3}/refresh`, { body: { refresh_token }, token: null })
    expect(await gist(refreshed)).toBe('401 M_USER_LOCKED')
    // Whether it is locked is for those to know who can prove that it is theirs.
    bob.password = 'wrong'
    expect(await gist(bob.login())).toBe('403 M_FORBIDDEN')
  })

  test('what it has scheduled is sent', async () => {
    await bob.delay(room, 1_000, 'm.room.message', { msgtype: 'm.text', body: 'late' })
    await lock(bob)
    await server.advance(1_000)
    expect((await alice.messages(room)).chunk[0]?.content.body).toBe('late')
  })

  test('can be logged out of', async () => {
    const other = bob.sibling()
    await other.login()
    await lock(bob)
    await bob.ok('POST', `${v3}/logout`)
    await other.ok('POST', `${v3}/logout/all`)
    await lock(bob, false)
    for (const client of [bob, other]) expect(await gist(client.sync())).toBe('401 M_UNKNOWN_TOKEN')
  })
})

describe('A suspended account', () => {
  test('reads, and says nothing', async () => {
    const eventId = await alice.say(room, 'hello')
    const own = await bob.say(room, 'my own')
    const hisRoom = await bob.createRoom()
    const elsewhere = await bob.say(hisRoom, 'my own, too')
    const invitedTo = await alice.createRoom({ invite: [bob.userId] })
    const open = await alice.createRoom({ preset: 'public_chat' })
    await suspend(bob)

    const { rooms } = await bob.sync()
    expect(JSON.stringify(rooms.join?.[room]?.timeline)).toContain(eventId)
    expect((await bob.messages(room)).chunk.length).toBeGreaterThan(0)

    const profile = `${v3}/profile/${enc(bob.userId)}`
    const presence = `${v3}/presence/${enc(bob.userId)}/status`
    const refused: Record<string, () => Promise<unknown>> = {
      'sends a message': () => bob.say(room, 'no'),
      'sends state': () => bob.setState(room, 'm.test', '', {}),
      'makes a room': () => bob.createRoom(),
      joins: () => bob.join(open),
      'accepts an invite': () => bob.join(invitedTo),
      'upgrades the room': () =>
        bob.ok('POST', bob.roomPath(hisRoom, 'upgrade'), { body: { new_version: '11' } }),
      invites: () => bob.invite(room, admin.userId),
      'changes the name': () =>
        bob.ok('PUT', `${profile}/displayname`, { body: { displayname: 'B' } }),
      'takes the name away': () => bob.ok('DELETE', `${profile}/displayname`),
      'says how they are': () =>
        bob.ok('PUT', presence, { body: { presence: 'online', status_msg: 'no' } }),
      'redacts what others said': () => bob.redact(room, eventId),
    }
    for (const [what, attempt] of Object.entries(refused)) {
      expect([what, await gist(attempt())]).toEqual([what, '403 M_USER_SUSPENDED'])
    }

    await bob.ok('PUT', presence, { body: { presence: 'online' } })
    // A redaction has a reason, in words: so it must be one.
    const redaction = (redacts: string) =>
      bob.send(room, 'm.room.redaction', { redacts, reason: 'no' })
    expect(await gist(redaction(elsewhere))).toBe('403 M_USER_SUSPENDED')
    await bob.redact(room, own)
    expect(await gist(redaction(own))).toBe('403 M_USER_SUSPENDED')
    await bob.leave(invitedTo)
    await bob.leave(room)
    await bob.login()
    await suspend(bob, false)
    await bob.join(room)
    await bob.say(room, 'back')
  })

  test('what an administrator makes of the profile is shown in the rooms', async () => {
    const profile = `${v3}/profile/${enc(bob.userId)}/displayname`
    await bob.ok('PUT', profile, { body: { displayname: 'Something foul' } })
    await suspend(bob)
    const path = `/_synapse/admin/v2/users/${enc(bob.userId)}`
    await admin.ok('PUT', path, { body: { displayname: 'Bob' } })
    const shown = () => alice.state(room, 'm.room.member', bob.userId)
    expect(await shown()).toEqual({ membership: 'join', displayname: 'Bob' })
    const asState = { membership: 'join', displayname: 'Something foul' }
    const again = bob.setState(room, 'm.room.member', bob.userId, asState)
    expect(await gist(again)).toBe('403 M_USER_SUSPENDED')
    expect(await shown()).toEqual({ membership: 'join', displayname: 'Bob' })
  })

  test('a delayed event is refused when it is due, and sent if the suspension has ended by then', async () => {
    const [during, after] = [
      await bob.delay(room, 1_000, 'm.room.message', { msgtype: 'm.text', body: 'during' }),
      await bob.delay(room, 2_000, 'm.room.message', { msgtype: 'm.text', body: 'after' }),
    ]
    await suspend(bob)
    await server.advance(1_000)
    await suspend(bob, false)
    await server.advance(1_000)
    const ended = new Map((await bob.finalised()).map(one => [one.delayed_event.delay_id, one]))
    expect(ended.get(during)).toMatchObject({
      outcome: 'cancel',
      error: { errcode: 'M_USER_SUSPENDED' },
    })
    expect(ended.get(after)).toMatchObject({ outcome: 'send' })
    expect((await alice.messages(room)).chunk[0]?.content.body).toBe('after')
  })

  test('closes its account, and leaves its rooms', async () => {
    await suspend(bob)
    await bob.ok('POST', `${v3}/account/deactivate`, { body: { auth: bob.proof() } })
    const { joined } = await alice.ok('GET', alice.roomPath(room, 'joined_members'))
    expect(Object.keys(joined)).toEqual([alice.userId])
  })
})
