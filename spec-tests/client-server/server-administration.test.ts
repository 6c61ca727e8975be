import { createHmac } from 'node:crypto'
import { TestAppService } from '../support/app-service.ts'
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

const path = '/_synapse/admin/v1/register'

let server: TestServer
let nobody: Client
beforeAll(async () => {
  server = await startServer()
  nobody = server.anonymous()
})
afterAll(() => server.stop())

async function nonce(): Promise<string> {
  return String((await nobody.ok('GET', path)).nonce)
}

/** The body of a request, signed with the secret that test servers have. */
async function signed(
  username: string,
  { admin = false, ...extra }: JsonObject = {},
): Promise<JsonObject> {
  const password = 'sUp3rs3kr1t'
  const given = await nonce()
  const mac = createHmac('sha1', 'complement')
    .update([given, username, password, admin ? 'admin' : 'notadmin'].join('\0'))
    .digest('hex')
  return { nonce: given, username, password, mac, admin, ...extra }
}

const post = (body: JsonObject) => nobody.request('POST', path, { body })

describe('TestCanRegisterAdmin: /_synapse/admin/v1/register', () => {
  test('who knows the secret can register an administrator', async () => {
    const { status, body } = await post(await signed('admin', { admin: true }))
    expect(status).toBe(200)
    expect(body).toMatchObject({
      user_id: '@admin:hs1',
      access_token: expect.any(String),
      device_id: expect.any(String),
      home_server: 'hs1',
    })
  })
})

describe('TestRegistration: POST /_synapse/admin/v1/register', () => {
  test('an administrator registers with the shared secret', async () => {
    const answer = await post(await signed('adminuser', { admin: true }))
    expect(answer).toMatchObject({ status: 200, body: { user_id: '@adminuser:hs1' } })
  })

  test('a user registers with the shared secret, and logs in with the password', async () => {
    const answer = await post(await signed('user-shared-secret'))
    expect(answer).toMatchObject({ status: 200, body: { user_id: '@user-shared-secret:hs1' } })
    const client = server.anonymous()
    client.userId = answer.body.user_id
    await client.login({ password: 'sUp3rs3kr1t' })
    expect((await client.sync()).next_batch).toEqual(expect.any(String))
  })

  test('symbols in user names are refused', async () => {
    const answer = await post(await signed('us,er'))
    expect(answer).toMatchObject({ status: 400, body: { errcode: 'M_INVALID_USERNAME' } })
  })

  test('capitals in user names become small letters; what is signed has them as sent', async () => {
    const answer = await post(await signed('user-UPPER-shared-SECRET'))
    expect(answer).toMatchObject({
      status: 200,
      body: { user_id: '@user-upper-shared-secret:hs1', access_token: expect.any(String) },
    })
  })

  test('a user name that is taken is M_USER_IN_USE', async () => {
    await post(await signed('only-once'))
    expect(await post(await signed('only-once'))).toMatchObject({
      status: 400,
      body: { errcode: 'M_USER_IN_USE' },
    })
  })

  test('a wrong mac is refused, and so is that of another right', async () => {
    const body = await signed('not-admin')
    for (const wrong of [
      { ...body, mac: '00'.repeat(20) },
      { ...body, mac: 'zz' },
    ]) {
      expect((await post({ ...wrong, nonce: await nonce() })).status).toBe(403)
    }
    expect(await post({ ...body, admin: true })).toMatchObject({
      status: 403,
      body: { errcode: 'M_FORBIDDEN' },
    })
  })

  test('a nonce counts once', async () => {
    const body = await signed('first-use')
    expect((await post(body)).status).toBe(200)
    expect(await post(body)).toMatchObject({ status: 400, body: { errcode: 'M_UNKNOWN' } })
  })

  test('a nonce counts for a minute', async () => {
    const [inTime, late] = [await signed('in-time'), await signed('too-late')]
    await server.advance(59_999)
    expect((await post(inTime)).status).toBe(200)
    await server.advance(1)
    expect((await post(late)).status).toBe(400)
  })
})

describe('/_synapse/admin/v1/register without a shared secret in the options', () => {
  let closed: TestServer
  beforeAll(async () => {
    closed = await startServer({
      config: { registration_shared_secret: undefined, registration: false, guests: false },
    })
  })
  afterAll(() => closed.stop())

  test('there is no such endpoint', async () => {
    const client = closed.anonymous()
    for (const answer of [
      await client.request('GET', path),
      await client.request('POST', path, { body: {} }),
      await client.request('POST', path),
    ]) {
      expect(answer).toMatchObject({ status: 404, body: { errcode: 'M_UNRECOGNIZED' } })
    }
  })

  test('where registration is switched off, nobody registers', async () => {
    const answer = await closed.anonymous().request('POST', '/_matrix/client/v3/register', {
      body: { auth: { type: 'm.login.dummy' } },
    })
    expect(answer).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
  })
  test('where guests are switched off, nobody comes in as one', async () => {
    const answer = await closed.anonymous().request('POST', '/_matrix/client/v3/register', {
      body: {},
      query: { kind: 'guest' },
    })
    expect(answer).toMatchObject({ status: 403, body: { errcode: 'M_GUEST_ACCESS_FORBIDDEN' } })
  })
})

const admin = '/_synapse/admin'
const forbidden = { status: 403, body: { errcode: 'M_FORBIDDEN' } }
const enc = encodeURIComponent

describe('TestServerNotices: /_synapse/admin/v1/send_server_notice', () => {
  const path = `${admin}/v1/send_server_notice`
  const hello = { msgtype: 'm.text', body: 'hello from server notices!' }
  let operator: Client
  let alice: Client
  let roomId: string
  let eventId: string
  beforeAll(async () => {
    operator = await server.admin()
    alice = await server.user('alice')
  })

  const notify = async (extra: JsonObject = {}) => {
    const body = { user_id: alice.userId, content: hello, ...extra }
    return operator.request('POST', path, { body })
  }
  const invites = async () => Object.entries((await alice.sync()).rooms?.invite ?? {})

  test('a user may not, and is told so before the body is looked at', async () => {
    for (const body of [undefined, '{', { user_id: alice.userId, content: hello }]) {
      expect(await alice.request('POST', path, { body })).toMatchObject(forbidden)
      expect(await alice.request('PUT', `${path}/1`, { body })).toMatchObject(forbidden)
    }
    expect(await nobody.request('POST', path)).toMatchObject({ status: 401 })
    expect(await invites()).toEqual([])
  })

  test('an administrator may', async () => {
    const { status, body } = await notify()
    expect({ status, body }).toEqual({ status: 200, body: { event_id: expect.any(String) } })
    eventId = body.event_id
  })

  test('the user is invited by the server itself, to a room that is tagged for it', async () => {
    const [[invited, room] = ['', {}], ...others] = await invites()
    expect(others).toEqual([])
    expect(room).toMatchObject({ invite_state: { events: expect.any(Array) } })
    const { events } = (room as { invite_state: { events: JsonObject[] } }).invite_state
    expect(events[0]).toMatchObject({ sender: '@_server:hs1' })
    roomId = invited
    const tags = `/_matrix/client/v3/user/${enc(alice.userId)}/rooms/${enc(roomId)}/tags`
    expect(await alice.ok('GET', tags)).toEqual({ tags: { 'm.server_notice': {} } })
  })

  test('the user cannot reject the invite, in whatever way', async () => {
    const refusal = { status: 403, body: { errcode: 'M_CANNOT_LEAVE_SERVER_NOTICE_ROOM' } }
    const leave = alice.roomPath(roomId, 'leave')
    expect(await alice.request('POST', leave, { body: {} })).toMatchObject(refusal)
    const state = alice.roomPath(roomId, 'state', 'm.room.member', alice.userId)
    const body = { membership: 'leave' }
    expect(await alice.request('PUT', state, { body })).toMatchObject(refusal)

    const delayed = await alice.delayState(roomId, 1_000, 'm.room.member', alice.userId, body)
    await server.advance(1_000)
    expect(await invites()).toHaveLength(1)
    expect(await alice.finalised()).toMatchObject([
      { delayed_event: { delay_id: delayed }, error: refusal.body },
    ])
  })

  test('they can join, and read the notice', async () => {
    await alice.join(roomId)
    expect((await alice.event(roomId, eventId)).content).toEqual(hello)
    expect(await alice.state(roomId, 'm.room.name')).toEqual({ name: 'Server notices' })
    expect(
      await alice.request('PUT', alice.roomPath(roomId, 'send', 'm.room.message', '1'), {
        body: hello,
      }),
    ).toMatchObject(forbidden)
  })

  test('having joined they can leave, and the next notice invites them to the same room', async () => {
    await alice.leave(roomId)
    expect((await notify()).status).toBe(200)
    expect((await invites()).map(([id]) => id)).toEqual([roomId])
    await alice.join(roomId)
    expect((await notify()).status).toBe(200)
    expect((await alice.sync()).rooms?.join?.[roomId]).toBeDefined()
  })

  test('the same transaction is answered as before; without one it is said again', async () => {
    const body = { user_id: alice.userId, content: hello }
    const first = await operator.ok('PUT', `${path}/7`, { body })
    expect(await operator.ok('PUT', `${path}/7`, { body })).toEqual(first)
    expect((await operator.ok('POST', path, { body })).event_id).not.toBe(first.event_id)
  })

  test('another type, and state', async () => {
    const { body } = await notify({ type: 'm.room.topic', state_key: '', content: { topic: 'x' } })
    expect(await alice.state(roomId, 'm.room.topic')).toEqual({ topic: 'x' })
    expect(await alice.event(roomId, body.event_id)).toMatchObject({ sender: '@_server:hs1' })
  })

  test('only to users of this server that there are', async () => {
    const before = await server.rowCounts()
    expect(await notify({ user_id: '@alice:elsewhere' })).toMatchObject({
      status: 400,
      body: { errcode: 'M_INVALID_PARAM' },
    })
    expect(await notify({ user_id: '@nobody:hs1' })).toMatchObject({ status: 404 })
    expect(await notify({ content: { m: 'x'.repeat(66_000) } })).toMatchObject({ status: 413 })
    expect(await server.rowCounts()).toEqual(before)
  })

  test('nobody else can be the server, before the first notice and after', async () => {
    const fresh = await startServer()
    for (const one of [server, fresh]) {
      for (const body of [
        { username: '_server', password: 'x', auth: { type: 'm.login.dummy' } },
      ]) {
        expect(
          await one.anonymous().request('POST', '/_matrix/client/v3/register', { body }),
        ).toMatchObject({ status: 400, body: { errcode: 'M_USER_IN_USE' } })
      }
    }
    await fresh.stop()
    const reset = `${admin}/v1/reset_password/${enc('@_server:hs1')}`
    const body = { new_password: 'x' }
    expect(await operator.request('POST', reset, { body })).toMatchObject({ status: 400 })
    const close = `${admin}/v1/deactivate/${enc('@_server:hs1')}`
    expect(await operator.request('POST', close, { body: {} })).toMatchObject({ status: 400 })
    expect(await notify()).toMatchObject({ status: 200 })
  })

  test('as the server itself nobody comes in, before the first notice and after', async () => {
    const service = await TestAppService.start('all', {
      namespaces: { users: [{ exclusive: false, regex: '@.*' }], aliases: [], rooms: [] },
    })
    const secret = 'a secret that is long enough for everybody'
    const one = await startServer({
      config: { jwt: { key: secret }, app_service_config_files: [service.file] },
    })
    const [client, boss] = [one.anonymous(), await one.admin()]
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const claims = `${part({ alg: 'HS256' })}.${part({ sub: '_server' })}`
    const mac = createHmac('sha256', secret).update(claims).digest('base64url')
    const logIn = (body: JsonObject) =>
      client.request('POST', '/_matrix/client/v3/login', { token: service.asToken, body })
    for (const at of ['before', 'after']) {
      const jwt = { type: 'org.matrix.login.jwt', token: `${claims}.${mac}` }
      expect({ at, ...(await logIn(jwt)) }).toMatchObject(forbidden)
      const user = { type: 'm.login.application_service', user: '_server' }
      expect({ at, ...(await logIn(user)) }).toMatchObject(forbidden)
      const query = { user_id: '@_server:hs1' }
      const whoami = { token: service.asToken, query }
      expect(
        await client.request('GET', '/_matrix/client/v3/account/whoami', whoami),
      ).toMatchObject(forbidden)
      await boss.ok('POST', path, { body: { user_id: boss.userId, content: hello } })
    }
    await one.stop()
    await service.stop()
  })

  test('who is invited can close their account', async () => {
    const charlie = await server.user('charlie')
    await notify({ user_id: charlie.userId })
    const auth = { type: 'm.login.password', user: charlie.userId, password: charlie.password }
    await charlie.ok('POST', '/_matrix/client/v3/account/deactivate', { body: { auth } })
    expect(await notify({ user_id: charlie.userId })).toMatchObject({ status: 404 })
  })
})

describe('Users, in the hands of an administrator', () => {
  let operator: Client
  let alice: Client
  const user = (id: string) => `${admin}/v2/users/${enc(id)}`
  beforeAll(async () => {
    operator = await server.admin()
    alice = await server.user('alice')
  })

  test('all of it is for administrators alone', async () => {
    const own = enc(alice.userId)
    const requests: [string, string, JsonObject?][] = [
      ['GET', `${admin}/v2/users`],
      ['GET', user(alice.userId)],
      ['PUT', user(alice.userId), { admin: true }],
      ['GET', `${admin}/v1/users/${own}/admin`],
      ['PUT', `${admin}/v1/users/${own}/admin`, { admin: true }],
      ['POST', `${admin}/v1/reset_password/${own}`, { new_password: 'x' }],
      ['POST', `${admin}/v1/deactivate/${own}`],
      ['GET', `${admin}/v1/whois/${own}`],
      ['GET', `${admin}/v1/rooms`],
      ['GET', `${admin}/v1/rooms/!x:hs1`],
      ['GET', '/_hourglass/admin/v1/delayed_events'],
    ]
    for (const [method, path, body] of requests) {
      expect(await alice.request(method, path, { body })).toMatchObject(forbidden)
      expect(await nobody.request(method, path, { body })).toMatchObject({ status: 401 })
    }
  })

  test('one is made, shown, listed and changed', async () => {
    const id = '@made-by-hand:hs1'
    const made = await operator.request('PUT', user(id), {
      body: { password: 'first', displayname: 'Dave' },
    })
    expect(made).toMatchObject({
      status: 201,
      body: { name: id, displayname: 'Dave', admin: false },
    })
    expect(await operator.ok('GET', user(id))).toEqual(made.body)
    const dave = server.anonymous()
    dave.userId = id
    dave.password = 'first'
    await dave.login()

    const changed = await operator.request('PUT', user(id), {
      body: { password: 'second', admin: true, displayname: 'David' },
    })
    expect(changed).toMatchObject({ status: 200, body: { displayname: 'David', admin: true } })
    expect(await dave.request('GET', '/_matrix/client/v3/account/whoami')).toMatchObject({
      status: 401,
    })
    dave.password = 'second'
    await dave.login()
    expect(await dave.ok('GET', `${admin}/v2/users`, { query: { name: 'MADE-by' } })).toEqual({
      users: [changed.body],
      total: 1,
    })
    const page = await dave.ok('GET', `${admin}/v2/users`, { query: { limit: 1, from: 1 } })
    expect(page).toMatchObject({ users: [expect.any(Object)], next_token: '2' })
  })

  describe('the list', () => {
    const part = 'listed-'
    const ids = (answer: JsonObject) => answer.users.map((one: JsonObject) => one.name)
    const list = (query: Record<string, string | number>) =>
      operator.ok('GET', `${admin}/v2/users`, { query })
    const [zoe, adam, gone] = ['a-zoe', 'b-adam', 'c-gone'].map(one => `@${part}${one}:hs1`)
    beforeAll(async () => {
      const make = (id = '', body: JsonObject) => operator.ok('PUT', user(id), { body })
      // By whatever else they are sorted, adam comes first.
      await make(adam, { displayname: 'Adam Listed-too', avatar_url: 'mxc://hs1/adam' })
      await server.advance(1_000)
      await make(zoe, { displayname: 'Zoe', admin: true })
      await make(gone, {})
      await make(gone, { deactivated: true })
    })

    test.each([
      ['in the order of their ids', { name: part }, [zoe, adam]],
      ['name is looked for in display names, too', { name: 'ADAM lis' }, [adam]],
      ['but not in the name of the server', { name: 'hs1' }, []],
      ['user_id is looked for in all of the id', { user_id: 'zoe:HS1' }, [zoe]],
      ['of name and user_id, name', { name: 'b-adam', user_id: 'zoe' }, [adam]],
      ['deactivated=true', { name: part, deactivated: 'true' }, [zoe, adam, gone]],
      ['admins=true', { name: part, admins: 'true' }, [zoe]],
      ['admins=false', { name: part, admins: 'false' }, [adam]],
      ['dir=b', { name: part, dir: 'b' }, [adam, zoe]],
      ['order_by=displayname', { name: part, order_by: 'displayname' }, [adam, zoe]],
      ['order_by=admin', { name: part, order_by: 'admin' }, [adam, zoe]],
      ['order_by=creation_ts', { name: part, order_by: 'creation_ts' }, [adam, zoe]],
      ['order_by=avatar_url', { name: part, order_by: 'avatar_url' }, [adam, zoe]],
      ['order_by=name&dir=b', { name: part, order_by: 'name', dir: 'b' }, [adam, zoe]],
      [
        'order_by=deactivated',
        { name: part, deactivated: 'true', order_by: 'deactivated', dir: 'b' },
        [gone, zoe, adam],
      ],
    ])('%s', async (_, query, expected) => {
      const answer = await list(query)
      expect([ids(answer), answer.total]).toEqual([expected, expected.length])
    })

    test('pages of it go on where the last ended', async () => {
      const first = await list({ name: part, order_by: 'displayname', limit: 1 })
      expect([ids(first), first.total, first.next_token]).toEqual([[adam], 2, '1'])
      const second = await list({ name: part, order_by: 'displayname', limit: 1, from: 1 })
      expect([ids(second), second.total, second.next_token]).toEqual([[zoe], 2, undefined])
    })

    test('guests are in it unless they are not wanted', async () => {
      const guest = await nobody.ok('POST', '/_matrix/client/v3/register', {
        query: { kind: 'guest' },
        body: {},
      })
      const query = { user_id: String(guest.user_id) }
      expect(ids(await list(query))).toEqual([guest.user_id])
      expect(ids(await list({ ...query, guests: 'false' }))).toEqual([])
      // By its name, the guest would not come first.
      await operator.ok('PUT', user('@zzzz:hs1'), { body: {} })
      const last = await list({ order_by: 'is_guest', dir: 'b', limit: 1 })
      expect(ids(last)).toEqual([guest.user_id])
    })

    test('what cannot be asked is refused', async () => {
      for (const query of [
        { order_by: 'shoe_size' },
        { dir: 'up' },
        { guests: 'maybe' },
        { admins: '1' },
        { deactivated: '' },
      ]) {
        expect(await operator.request('GET', `${admin}/v2/users`, { query })).toMatchObject({
          status: 400,
          body: { errcode: 'M_INVALID_PARAM' },
        })
      }
    })
  })

  test('one who is made by two at once is made once, and changed by the other', async () => {
    const put = (displayname: string) =>
      operator.request('PUT', user('@made-at-once:hs1'), { body: { displayname } })
    const answers = await Promise.all(['A', 'B', 'C'].map(put))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 201])
  })

  test('what is no user of this server is not made', async () => {
    const before = await server.rowCounts()
    for (const id of ['@x:elsewhere', '@Upper:hs1', '@a b:hs1', '@_server:hs1']) {
      expect(await operator.request('PUT', user(id), { body: {} })).toMatchObject({ status: 400 })
    }
    expect(await operator.request('GET', user('@nobody:hs1'))).toMatchObject({ status: 404 })
    expect(await server.rowCounts()).toEqual(before)
  })

  test('a password is reset, and the devices end unless they are to stay', async () => {
    const bob = await server.user('bob')
    const path = `${admin}/v1/reset_password/${enc(bob.userId)}`
    const kept = { new_password: 'kept', logout_devices: false }
    expect(await operator.ok('POST', path, { body: kept })).toEqual({})
    await bob.sync()
    bob.password = 'kept'
    await bob.login()
    await operator.ok('POST', path, { body: { new_password: 'ended' } })
    await expect(bob.sync()).rejects.toMatchObject({ status: 401 })
    await expect(bob.login()).rejects.toMatchObject({ status: 403 })
    const nobodys = `${admin}/v1/reset_password/${enc('@nobody:hs1')}`
    expect(await operator.request('POST', nobodys, { body: kept })).toMatchObject({ status: 404 })
  })

  test('administrators are made and unmade, by others', async () => {
    const path = (id: string) => `${admin}/v1/users/${enc(id)}/admin`
    const bob = await server.user('bob')
    expect(await operator.ok('GET', path(bob.userId))).toEqual({ admin: false })
    await operator.ok('PUT', path(bob.userId), { body: { admin: true } })
    expect(await bob.ok('GET', path(operator.userId))).toEqual({ admin: true })
    expect(await bob.request('PUT', path(bob.userId), { body: { admin: false } })).toMatchObject({
      status: 400,
    })
    await operator.ok('PUT', path(bob.userId), { body: { admin: false } })
    expect(await bob.request('GET', path(bob.userId))).toMatchObject(forbidden)
  })

  test('an account is closed, with what is scheduled in its name', async () => {
    const bob = await server.user('bob')
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(roomId)
    await bob.delay(roomId, 1_000, 'm.test', {})
    await operator.ok('POST', `${admin}/v1/deactivate/${enc(bob.userId)}`, { body: {} })
    await server.advance(1_000)
    const { chunk } = await alice.messages(roomId, { dir: 'b', limit: 1 })
    expect(chunk).toMatchObject([{ type: 'm.room.member', content: { membership: 'leave' } }])
    expect(await operator.ok('GET', user(bob.userId))).toMatchObject({ deactivated: true })
    await expect(bob.login()).rejects.toMatchObject({ status: 403 })
  })

  const change = (id: string, body: JsonObject) => operator.request('PUT', user(id), { body })
  const refused = { status: 400, body: { errcode: 'M_INVALID_PARAM' } }

  test('an account is closed by a change, too, with all that closing it means', async () => {
    const bob = await server.user('bob')
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(roomId)
    await bob.delay(roomId, 1_000, 'm.test', {})
    const closing = { deactivated: true, displayname: 'Gone', password: 'new' }
    for (const _again of [1, 2]) {
      expect(await change(bob.userId, closing)).toMatchObject({
        status: 200,
        body: { deactivated: true, displayname: null },
      })
    }
    await server.advance(1_000)
    const { chunk } = await alice.messages(roomId, { dir: 'b', limit: 1 })
    expect(chunk).toMatchObject([{ type: 'm.room.member', content: { membership: 'leave' } }])
    await expect(bob.login({ password: 'new' })).rejects.toMatchObject({ status: 403 })
    await expect(bob.sync()).rejects.toMatchObject({ status: 401 })
  })

  test('nobody opens a closed account again, or changes it', async () => {
    const bob = await server.user('bob')
    expect(await change(bob.userId, { deactivated: false })).toMatchObject({ status: 200 })
    await change(bob.userId, { deactivated: true })
    for (const body of [
      { deactivated: false },
      { displayname: 'Bob' },
      { avatar_url: 'mxc://hs1/bob' },
      { password: 'x', admin: true },
    ]) {
      expect(await change(bob.userId, body)).toMatchObject(refused)
    }
    expect(await operator.ok('GET', user(bob.userId))).toMatchObject({
      deactivated: true,
      displayname: null,
      avatar_url: null,
      admin: false,
    })
  })

  test('a picture is set, shown in the rooms, and taken away; also of who is made with it', async () => {
    const picture = { avatar_url: 'mxc://hs1/picture' }
    const made = await change('@with-picture:hs1', { ...picture, displayname: '' })
    expect(made).toMatchObject({ status: 201, body: { ...picture, displayname: null } })
    const bob = await server.user('bob')
    const roomId = await bob.createRoom()
    expect(await change(bob.userId, picture)).toMatchObject({ status: 200, body: picture })
    expect(await bob.state(roomId, 'm.room.member', bob.userId)).toMatchObject(picture)
    await change(bob.userId, { avatar_url: '' })
    expect(await bob.state(roomId, 'm.room.member', bob.userId)).not.toHaveProperty('avatar_url')
    for (const avatar_url of [`mxc://hs1/${'x'.repeat(1_000)}`, 'https://example.org/bob.png']) {
      expect(await change(bob.userId, { avatar_url })).toMatchObject(refused)
    }
  })

  test('what users do not have here is refused, unless it asks for none of it', async () => {
    const bob = await server.user('bob')
    const before = await server.rowCounts()
    for (const body of [
      { threepids: [{ medium: 'email', address: 'bob@example.org' }] },
      { external_ids: [{ auth_provider: 'x', external_id: 'bob' }] },
      { user_type: 'bot' },
      { approved: false },
    ]) {
      for (const id of [bob.userId, '@never-made:hs1']) {
        expect(await change(id, { ...body, displayname: 'New' })).toMatchObject(refused)
      }
    }
    expect(await server.rowCounts()).toEqual(before)
    const none = {
      locked: false,
      threepids: [],
      external_ids: [],
      user_type: null,
      approved: true,
    }
    expect(await change(bob.userId, none)).toMatchObject({
      status: 200,
      body: { displayname: null },
    })
  })

  test('`locked` locks, and what may not be locked is not changed otherwise either', async () => {
    const bob = await server.user('bob')
    expect(await change(bob.userId, { locked: true })).toMatchObject({ body: { locked: true } })
    expect(await bob.request('GET', '/_matrix/client/v3/sync')).toMatchObject({ status: 401 })
    expect(await change(bob.userId, { locked: false })).toMatchObject({ body: { locked: false } })
    await bob.sync()
    const made = { password: 'sand', locked: true }
    expect(await change('@made-locked:hs1', made)).toMatchObject({
      status: 201,
      body: { locked: true },
    })
    for (const [id, extra] of [
      [operator.userId, {}],
      [bob.userId, { admin: true }],
      ['@never-made:hs1', { admin: true }],
    ] as const) {
      const answer = await change(id, { locked: true, displayname: 'Nobody', ...extra })
      expect(answer).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
      const shown = await operator.request('GET', user(id))
      expect(shown.body.displayname).not.toBe('Nobody')
    }
  })

  test('no administrator is locked or suspended: neither becomes one before that ends', async () => {
    const admins = `${admin}/v1/users`
    for (const [verb, name] of [
      ['lock', 'locked'],
      ['suspend', 'suspended'],
    ] as const) {
      const bob = await server.user('bob')
      const restriction = `/_matrix/client/v1/admin/${verb}/${enc(bob.userId)}`
      await operator.ok('PUT', restriction, { body: { [name]: true } })
      const body = { admin: true }
      for (const answer of [
        await change(bob.userId, { ...body, displayname: 'Nobody' }),
        await operator.request('PUT', `${admins}/${enc(bob.userId)}/admin`, { body }),
      ]) {
        expect(answer).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
      }
      expect(await operator.ok('GET', user(bob.userId))).toMatchObject({
        admin: false,
        displayname: null,
        [name]: true,
      })
      await operator.ok('PUT', restriction, { body: { [name]: false } })
      expect(await change(bob.userId, body)).toMatchObject({ status: 200, body })
    }
    const carol = await server.user('carol')
    await change(carol.userId, { locked: true })
    const both = { locked: false, admin: true }
    expect(await change(carol.userId, both)).toMatchObject({ status: 200, body: both })
  })

  test('who may not be demoted is not changed otherwise either', async () => {
    const body = { admin: false, displayname: 'Nobody', password: 'lost' }
    expect(await change(operator.userId, body)).toMatchObject({ status: 400 })
    const { displayname } = await operator.ok('GET', user(operator.userId))
    expect(displayname).not.toBe('Nobody')
  })

  test('where somebody was last seen', async () => {
    const answer = await operator.ok('GET', `${admin}/v1/whois/${enc(alice.userId)}`)
    expect(answer).toMatchObject({
      user_id: alice.userId,
      devices: { [alice.deviceId]: { sessions: [{ connections: [{ ip: '127.0.0.1' }] }] } },
    })
  })

  test('the version of the server', async () => {
    expect(await nobody.ok('GET', `${admin}/v1/server_version`)).toEqual({
      server_version: expect.stringMatching(/^Hourglass \d/),
    })
  })
})
