import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

const path = '/_matrix/client/v3/register'
const dummy = { type: 'm.login.dummy' }
const password = 'sUp3rs3kr1t'

let server: TestServer
let nobody: Client
beforeAll(async () => {
  server = await startServer()
  nobody = server.anonymous()
})
afterAll(() => server.stop())

const post = (body: JsonObject) => nobody.request('POST', path, { body })

/** Ask without proof, and come back with the dummy stage in the session that was opened. */
async function registerInTwoSteps(body: JsonObject): Promise<JsonObject> {
  const challenge = await post(body)
  expect(challenge.status).toBe(401)
  expect(challenge.body.session).toEqual(expect.any(String))
  const auth = { ...dummy, session: challenge.body.session }
  return nobody.ok('POST', path, { body: { ...body, auth } })
}

describe('TestRegistration: POST /_matrix/client/v3/register', () => {
  test('without proof the answer is a challenge with flows, params and a session', async () => {
    const { status, headers, body } = await post({})
    expect(status).toBe(401)
    expect(headers.get('content-type')).toBe('application/json')
    expect(body).toEqual({
      flows: [{ stages: ['m.login.dummy'] }],
      params: {},
      session: expect.stringMatching(/./),
    })
  })

  test('a user can be made in two steps, and their token works', async () => {
    const made = await registerInTwoSteps({ username: 'can-create-a-user', password })
    expect(made).toMatchObject({
      user_id: '@can-create-a-user:hs1',
      access_token: expect.any(String),
      device_id: expect.any(String),
    })
    const { body } = await nobody.request('GET', '/_matrix/client/v3/account/whoami', {
      token: made.access_token,
    })
    expect(body).toEqual({ user_id: made.user_id, device_id: made.device_id, is_guest: false })
  })

  test('a user can be made in one request, with a dummy stage that names no session', async () => {
    const body = { auth: dummy, username: 'in-one-request', password }
    expect((await post(body)).body.user_id).toBe('@in-one-request:hs1')
  })

  test('capitals in user names become small letters', async () => {
    const made = await registerInTwoSteps({ username: 'user-UPPER', password })
    expect(made.user_id).toBe('@user-upper:hs1')
  })

  test('the answer has the device_id of the request', async () => {
    const made = await registerInTwoSteps({
      username: 'user-device',
      password,
      device_id: 'my_device_id',
    })
    expect(made.device_id).toBe('my_device_id')
  })

  test.each([
    ...['!', '"', ':', '?', '\\\\', '@', '[', ']', '{', '|', '}', '£', 'é', '\\n', "'"],
    ...[',', ' ', '\n', '\0'],
  ])('a user name with %j is refused before proof is asked for', async character => {
    const body = { username: `user-${character}-reject-please`, password }
    expect(await post(body)).toMatchObject({ status: 400, body: { errcode: 'M_INVALID_USERNAME' } })
    expect((await post({ ...body, auth: dummy })).body.errcode).toBe('M_INVALID_USERNAME')
  })

  test('a user name that makes a user ID of more than 255 bytes is refused', async () => {
    // @ and :hs1 take five of them.
    const { status, body } = await post({ username: 'a'.repeat(251), auth: dummy })
    expect({ status, errcode: body.errcode }).toEqual({
      status: 400,
      errcode: 'M_INVALID_USERNAME',
    })
    expect((await post({ username: 'a'.repeat(250), auth: dummy })).status).toBe(200)
  })

  test('a user name that is taken is refused, with proof and without, in any case', async () => {
    await registerInTwoSteps({ username: 'only-once', password })
    for (const username of ['only-once', 'ONLY-once']) {
      for (const auth of [undefined, dummy]) {
        const answer = await post({ username, password: 'anotherSuperSecret', auth })
        expect(answer).toMatchObject({ status: 400, body: { errcode: 'M_USER_IN_USE' } })
      }
    }
  })

  test('two who want the same name at the same moment do not both get it', async () => {
    const wanted = { username: 'at-the-same-moment', password, auth: dummy }
    const answers = await Promise.all([post(wanted), post(wanted)])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400])
  })

  test.each([...'q3._=-/'])('a user name may have %s in it', async character => {
    const username = `chrtestuser${character}`
    expect((await post({ username, password, auth: dummy })).body.user_id).toBe(`@${username}:hs1`)
  })

  test('a password may have letters beyond ASCII', async () => {
    const wanted = {
      username: 'non-ascii',
      password: 'übers3kr1t',
      device_id: 'xyzzy',
      initial_device_display_name: 'display_name',
    }
    await registerInTwoSteps(wanted)
    const login = (secret: string) =>
      nobody.request('POST', '/_matrix/client/v3/login', {
        body: {
          type: 'm.login.password',
          identifier: { type: 'm.id.user', user: 'non-ascii' },
          password: secret,
        },
      })
    expect((await login('übers3kr1t')).status).toBe(200)
    expect((await login('ubers3kr1t')).status).toBe(403)
  })

  test('the device has the display name that was asked for', async () => {
    const made = await registerInTwoSteps({
      username: 'named-device',
      device_id: 'xyzzy',
      initial_device_display_name: 'display_name',
    })
    const device = await nobody.ok('GET', '/_matrix/client/v3/devices/xyzzy', {
      token: made.access_token,
    })
    expect(device).toMatchObject({ device_id: 'xyzzy', display_name: 'display_name' })
  })

  test('with inhibit_login nobody is logged in', async () => {
    const made = await registerInTwoSteps({ username: 'not-yet', password, inhibit_login: true })
    expect(made.user_id).toBe('@not-yet:hs1')
    expect(made).not.toHaveProperty('access_token')
    expect(made).not.toHaveProperty('device_id')
  })

  test('without a user name the server makes one up, another each time', async () => {
    const [first, second] = [await post({ auth: dummy }), await post({ auth: dummy })]
    expect(first.body.user_id).toMatch(/^@[0-9a-z._=/+-]+:hs1$/)
    expect(second.body.user_id).not.toBe(first.body.user_id)
  })

  test('a session that the server did not open, or that has ended, proves nothing', async () => {
    const unknown = await post({ username: 'late', auth: { ...dummy, session: 'made-up' } })
    expect(unknown).toMatchObject({ status: 401, body: { flows: expect.any(Array) } })
    const { session } = (await post({ username: 'late' })).body
    await server.advance(900_000)
    const late = await post({ username: 'late', auth: { ...dummy, session } })
    expect(late.status).toBe(401)
    expect(late.body.session).not.toBe(session)
  })

  test('a stage that is not part of a flow proves nothing', async () => {
    const auth = { type: 'm.login.password', password }
    const { status, body } = await post({ username: 'wrong-stage', password, auth })
    expect(status).toBe(401)
    expect(body.flows).toEqual([{ stages: ['m.login.dummy'] }])
  })
})

describe('TestRegistration: GET /_matrix/client/v3/register/available', () => {
  const available = (username: string) =>
    nobody.request('GET', `${path}/available`, { query: { username } })

  test('a user name that nobody has is available', async () => {
    const { status, body } = await available('username_should_be_available')
    expect({ status, body }).toEqual({ status: 200, body: { available: true } })
  })

  test('a user name that somebody has is M_USER_IN_USE, in any case', async () => {
    await registerInTwoSteps({ username: 'username_not_available' })
    for (const username of ['username_not_available', 'Username_Not_Available']) {
      expect(await available(username)).toMatchObject({
        status: 400,
        body: { errcode: 'M_USER_IN_USE', error: expect.any(String) },
      })
    }
  })

  test('a user name that nobody may have is M_INVALID_USERNAME', async () => {
    expect(await available('username,should_not_be_valid')).toMatchObject({
      status: 400,
      body: { errcode: 'M_INVALID_USERNAME', error: expect.any(String) },
    })
  })
})
