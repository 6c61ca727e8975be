import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

const path = '/_matrix/client/v3/login'

let server: TestServer
let nobody: Client
let alice: Client
beforeAll(async () => {
  server = await startServer()
  nobody = server.anonymous()
  alice = await server.user('alice')
})
afterAll(() => server.stop())

const post = (body: JsonObject) => nobody.request('POST', path, { body })
const asUser = (user: string, password = alice.password) => ({
  type: 'm.login.password',
  identifier: { type: 'm.id.user', user },
  password,
})
const whoami = (token: string) =>
  nobody.request('GET', '/_matrix/client/v3/account/whoami', { token })

describe('TestLogin: GET /_matrix/client/v3/login', () => {
  test('there is a set of flows', async () => {
    const { status, headers, body } = await nobody.request('GET', path)
    expect(status).toBe(200)
    expect(headers.get('content-type')).toBe('application/json')
    expect(body).toEqual({
      flows: [{ type: 'm.login.password' }, { type: 'm.login.token', get_login_token: true }],
    })
  })
})

describe('TestLogin: POST /_matrix/client/v3/login', () => {
  test('a user logs in with their user ID', async () => {
    const { status, body } = await post(asUser(alice.userId))
    expect(status).toBe(200)
    expect(body).toEqual({
      user_id: alice.userId,
      access_token: expect.any(String),
      device_id: expect.any(String),
      home_server: 'hs1',
    })
    expect((await whoami(body.access_token)).body.device_id).toBe(body.device_id)
  })

  test('the answer has the device_id of the request', async () => {
    const { body } = await post({ ...asUser(alice.userId), device_id: 'test_device_id' })
    expect(body.device_id).toBe('test_device_id')
    expect((await whoami(body.access_token)).body.device_id).toBe('test_device_id')
  })

  test('a user logs in with the localpart of their user ID', async () => {
    const { body } = await post(asUser('alice-1'))
    expect(body).toMatchObject({ user_id: alice.userId, access_token: expect.any(String) })
  })

  test('a user who does not exist is refused', async () => {
    const answer = await post(asUser('i-dont-exist'))
    expect(answer).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
  })

  test('a wrong password is refused, in the same words', async () => {
    const answer = await post(asUser(alice.userId, 'wrong_password'))
    expect(answer).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
    expect(answer.body).toEqual((await post(asUser('i-dont-exist'))).body)
  })

  test('a user logs in with capitals in their user ID, and GET /account/whoami works', async () => {
    const { body } = await post(asUser('@Alice-1:hs1'))
    expect(body.user_id).toBe(alice.userId)
    expect(await whoami(body.access_token)).toMatchObject({
      status: 200,
      body: { user_id: alice.userId },
    })
  })

  test('the user may stand at the top, as old clients have it', async () => {
    const { password, type } = asUser('')
    expect((await post({ type, user: alice.userId, password })).body.user_id).toBe(alice.userId)
  })

  test("another server's user is refused", async () => {
    expect((await post(asUser('@alice-1:elsewhere.example'))).status).toBe(403)
  })

  test('an unknown type of login is M_UNKNOWN, and none at all a malformed request', async () => {
    expect(await post({ type: 'm.login.magic' })).toMatchObject({
      status: 400,
      body: { errcode: 'M_UNKNOWN' },
    })
    expect((await post({ password: alice.password })).status).toBe(400)
  })

  test('a device that logs in again has one session: the new one', async () => {
    const first = await post({ ...asUser(alice.userId), device_id: 'AGAIN' })
    const second = await post({ ...asUser(alice.userId), device_id: 'AGAIN' })
    expect((await whoami(second.body.access_token)).status).toBe(200)
    expect(await whoami(first.body.access_token)).toMatchObject({
      status: 401,
      body: { errcode: 'M_UNKNOWN_TOKEN' },
    })
  })
})

describe('POST /_matrix/client/v3/refresh', () => {
  const refresh = (refreshToken: string) =>
    nobody.request('POST', '/_matrix/client/v3/refresh', { body: { refresh_token: refreshToken } })
  const logIn = async () => (await post({ ...asUser(alice.userId), refresh_token: true })).body

  test('a login has a refresh token only if it asked for one', async () => {
    expect(await logIn()).toMatchObject({
      refresh_token: expect.any(String),
      expires_in_ms: 3_600_000,
    })
    expect((await post(asUser(alice.userId))).body).not.toHaveProperty('refresh_token')
  })

  test('the new pair works; using it ends the old one', async () => {
    const old = await logIn()
    const fresh = (await refresh(old.refresh_token)).body
    expect(fresh).toEqual({
      access_token: expect.any(String),
      refresh_token: expect.any(String),
      expires_in_ms: 3_600_000,
    })
    expect((await whoami(old.access_token)).status).toBe(200)
    expect((await whoami(fresh.access_token)).body.device_id).toBe(old.device_id)
    expect((await whoami(old.access_token)).body.errcode).toBe('M_UNKNOWN_TOKEN')
    expect(await refresh(old.refresh_token)).toMatchObject({
      status: 401,
      body: { errcode: 'M_UNKNOWN_TOKEN' },
    })
  })

  test('an answer that was lost costs nothing: the same token refreshes once more', async () => {
    const old = await logIn()
    const lost = (await refresh(old.refresh_token)).body
    const fresh = (await refresh(old.refresh_token)).body
    expect((await whoami(fresh.access_token)).status).toBe(200)
    expect((await whoami(lost.access_token)).status).toBe(401)
  })

  test('an access token that has expired is soft-logged out, and can still be refreshed', async () => {
    const old = await logIn()
    await server.advance(3_599_999)
    expect((await whoami(old.access_token)).status).toBe(200)
    await server.advance(1)
    expect(await whoami(old.access_token)).toMatchObject({
      status: 401,
      body: { errcode: 'M_UNKNOWN_TOKEN', soft_logout: true },
    })
    const fresh = (await refresh(old.refresh_token)).body
    expect((await whoami(fresh.access_token)).status).toBe(200)
  })

  test('a token that is none is M_UNKNOWN_TOKEN', async () => {
    expect(await refresh('made-up')).toMatchObject({
      status: 401,
      body: { errcode: 'M_UNKNOWN_TOKEN' },
    })
  })
})

describe('TestLogout: POST /_matrix/client/v3/logout', () => {
  const devicesOf = async (client: Client): Promise<string[]> => {
    const { devices } = await client.ok('GET', '/_matrix/client/v3/devices')
    return devices.map((device: JsonObject) => device.device_id)
  }
  const secondDevice = async (client: Client): Promise<Client> => {
    const other = client.sibling()
    await other.login()
    return other
  }

  test('the device that logs out is gone, and its token is unknown', async () => {
    const bob = await server.user('bob')
    const other = await secondDevice(bob)
    expect(await devicesOf(other)).toHaveLength(2)
    await other.ok('POST', '/_matrix/client/v3/logout')
    expect(await refusal(other.sync())).toMatchObject({ status: 401, errcode: 'M_UNKNOWN_TOKEN' })
    expect(await devicesOf(bob)).toEqual([bob.deviceId])
  })

  test('POST /logout/all: all devices of the user are gone', async () => {
    const bob = await server.user('bob')
    const other = await secondDevice(bob)
    expect(await devicesOf(other)).toHaveLength(2)
    await other.ok('POST', '/_matrix/client/v3/logout/all')
    expect((await refusal(other.sync())).status).toBe(401)
    expect((await refusal(bob.sync())).status).toBe(401)
    await bob.login()
    expect(await devicesOf(bob)).toEqual([bob.deviceId])
  })

  test('a token that is none is M_UNKNOWN_TOKEN', async () => {
    const answer = await alice.request('POST', '/_matrix/client/v3/logout', { token: 'invalid' })
    expect(answer).toMatchObject({ status: 401, body: { errcode: 'M_UNKNOWN_TOKEN' } })
  })

  test('no token is M_MISSING_TOKEN', async () => {
    const answer = await alice.request('POST', '/_matrix/client/v3/logout', { token: null })
    expect(answer).toMatchObject({ status: 401, body: { errcode: 'M_MISSING_TOKEN' } })
  })
})
