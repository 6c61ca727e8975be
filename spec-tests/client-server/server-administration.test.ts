import { createHmac } from 'node:crypto'
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
