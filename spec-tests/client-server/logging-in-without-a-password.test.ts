import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

const login = '/_matrix/client/v3/login'
const forbidden = { status: 403, body: { errcode: 'M_FORBIDDEN' } }
const secret = 'a secret that is long enough for everybody'

let server: TestServer
let alice: Client
beforeAll(async () => {
  server = await startServer({
    config: {
      jwt: { key: secret, issuer: 'https://id.example', audiences: ['hourglass', 'others'] },
    },
  })
  alice = await server.user('alice')
})
afterAll(() => server.stop())

const post = (at: TestServer, body: JsonObject) => at.anonymous().request('POST', login, { body })

describe('POST /_matrix/client/v1/login/get_token, and POST /login with m.login.token', () => {
  const getToken = (client: Client, body?: JsonObject) =>
    client.request('POST', '/_matrix/client/v1/login/get_token', { body })
  const tokenFor = async (client: Client) =>
    (await getToken(client, { auth: client.proof() })).body.login_token
  const use = (token: string) => post(server, { type: 'm.login.token', token })

  test('it is offered', async () => {
    const { flows } = await alice.ok('GET', login)
    expect(flows).toContainEqual({ type: 'm.login.token', get_login_token: true })
    const { capabilities } = await alice.ok('GET', '/_matrix/client/v3/capabilities')
    expect(capabilities['m.get_login_token']).toEqual({ enabled: true })
  })

  test('a token takes the password, and logs another device in, once', async () => {
    const { status, body } = await getToken(alice)
    expect(status).toBe(401)
    expect(body.flows).toEqual([{ stages: ['m.login.password'] }])
    const given = await getToken(alice, { auth: { ...alice.proof(), session: body.session } })
    expect(given.body).toEqual({ login_token: expect.any(String), expires_in_ms: 120_000 })
    const answer = await use(given.body.login_token)
    expect(answer.body).toMatchObject({ user_id: alice.userId, access_token: expect.any(String) })
    expect(answer.body.device_id).not.toBe(alice.deviceId)
    expect(await use(given.body.login_token)).toMatchObject(forbidden)
  })

  test('two who use it at once do not both get in', async () => {
    const token = await tokenFor(alice)
    const answers = await Promise.all([use(token), use(token)])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 403])
  })

  test('a token ends after two minutes, and not before', async () => {
    const [inTime, late] = [await tokenFor(alice), await tokenFor(alice)]
    await server.advance(119_999)
    expect((await use(inTime)).status).toBe(200)
    await server.advance(1)
    expect(await use(late)).toMatchObject(forbidden)
  })

  test('a token ends with the sessions that a new password ends, or a logout of all devices', async () => {
    const boss = await server.admin()
    const ends: [string, boolean, (bob: Client) => Promise<unknown>][] = [
      [
        'a new password',
        true,
        bob =>
          bob.ok('POST', '/_matrix/client/v3/account/password', {
            body: { new_password: 'another', auth: bob.proof() },
          }),
      ],
      [
        'a new password that leaves the devices',
        false,
        bob =>
          bob.ok('POST', '/_matrix/client/v3/account/password', {
            body: { new_password: 'another', auth: bob.proof(), logout_devices: false },
          }),
      ],
      [
        'a password that an administrator sets',
        true,
        bob =>
          boss.ok('POST', `/_synapse/admin/v1/reset_password/${encodeURIComponent(bob.userId)}`, {
            body: { new_password: 'another' },
          }),
      ],
      ['a logout of all devices', true, bob => bob.ok('POST', '/_matrix/client/v3/logout/all')],
      ['a logout of one', false, bob => bob.ok('POST', '/_matrix/client/v3/logout')],
    ]
    for (const [what, isOver, end] of ends) {
      const [bob, charlie] = [await server.user('bob'), await server.user('charlie')]
      const [token, another] = [await tokenFor(bob), await tokenFor(charlie)]
      await end(bob)
      expect([what, (await use(token)).status]).toEqual([what, isOver ? 403 : 200])
      expect((await use(another)).status).toBe(200)
    }
  })

  test('a token that is none, or is for something else, is refused', async () => {
    const openId = await alice.ok(
      'POST',
      `/_matrix/client/v3/user/${alice.userId}/openid/request_token`,
    )
    for (const token of ['', 'made-up', '\0', String(alice.token), openId.access_token]) {
      expect(await use(token)).toMatchObject(forbidden)
    }
  })

  test('who is deactivated meanwhile does not get in', async () => {
    const bob = await server.user('bob')
    const token = await tokenFor(bob)
    const body = { auth: bob.proof() }
    await bob.ok('POST', '/_matrix/client/v3/account/deactivate', { body })
    expect(await use(token)).toMatchObject({
      status: 403,
      body: { errcode: 'M_USER_DEACTIVATED' },
    })
  })
})

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
const hmac = (algorithm: string, key: string) => (text: string) =>
  createHmac(algorithm, key).update(text).digest('base64url')
function jwt(
  claims: JsonObject,
  header: JsonObject = { alg: 'HS256' },
  signature: (text: string) => string = hmac('sha256', secret),
): string {
  const text = `${part(header)}.${part(claims)}`
  return `${text}.${signature(text)}`
}

describe('POST /_matrix/client/v3/login with org.matrix.login.jwt', () => {
  const use = (token: string, extra: JsonObject = {}) =>
    post(server, { type: 'org.matrix.login.jwt', token, ...extra })
  const good = { sub: 'visitor', iss: 'https://id.example', aud: 'hourglass' }
  const inSeconds = (seconds: number) => Math.floor(server.now() / 1_000) + seconds

  test('it is offered', async () => {
    expect((await alice.ok('GET', login)).flows).toContainEqual({ type: 'org.matrix.login.jwt' })
  })

  test('a good token logs in, and makes the user it names', async () => {
    const { status, body } = await use(jwt(good), { device_id: 'PHONE', refresh_token: true })
    expect(status).toBe(200)
    expect(body).toMatchObject({
      user_id: '@visitor:hs1',
      device_id: 'PHONE',
      refresh_token: expect.any(String),
    })
    expect((await use(jwt(good))).body.user_id).toBe('@visitor:hs1')
  })

  test('the user may be there already, and the name is folded', async () => {
    const username = alice.userId.slice(1).replace(':hs1', '').toUpperCase()
    expect((await use(jwt({ ...good, sub: username }))).body.user_id).toBe(alice.userId)
  })

  test('who is new and comes with several devices at once gets in with all of them', async () => {
    const answers = await Promise.all(
      [1, 2, 3, 4].map(() => use(jwt({ ...good, sub: 'newcomer' }))),
    )
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
    expect(new Set(answers.map(({ body }) => body.user_id))).toEqual(new Set(['@newcomer:hs1']))
  })

  test('exp and nbf are looked at, by the time of the server', async () => {
    const exp = inSeconds(60)
    expect((await use(jwt({ ...good, exp }))).status).toBe(200)
    expect(await use(jwt({ ...good, exp: inSeconds(-1) }))).toMatchObject(forbidden)
    expect(await use(jwt({ ...good, nbf: inSeconds(60) }))).toMatchObject(forbidden)
    await server.advance(60_000)
    expect(await use(jwt({ ...good, exp }))).toMatchObject(forbidden)
  })

  const refused: [string, () => string][] = [
    ['another issuer', () => jwt({ ...good, iss: 'https://evil.example' })],
    ['no issuer', () => jwt({ sub: 'visitor', aud: 'hourglass' })],
    ['another audience', () => jwt({ ...good, aud: 'somebody-else' })],
    ['no audience', () => jwt({ sub: 'visitor', iss: 'https://id.example' })],
    ['no subject', () => jwt({ ...good, sub: undefined })],
    ['a subject that is no text', () => jwt({ ...good, sub: 1 })],
    ['a subject that is no user name', () => jwt({ ...good, sub: '@visitor:hs1' })],
    ['a wrong signature', () => jwt(good, { alg: 'HS256' }, hmac('sha256', 'another'))],
    [
      'an algorithm that is not on the list',
      () => jwt(good, { alg: 'HS512' }, hmac('sha512', secret)),
    ],
    ['no signature', () => jwt(good, { alg: 'none' }, () => '')],
    ['a token that is none', () => 'made-up'],
    ['nothing', () => ''],
  ]
  test.each(refused)('%s is refused', async (_, token) => {
    expect(await use(token())).toMatchObject(forbidden)
  })

  test('without a token the request is malformed', async () => {
    expect(await post(server, { type: 'org.matrix.login.jwt' })).toMatchObject({
      status: 400,
      body: { errcode: 'M_MISSING_PARAM' },
    })
  })

  test('who is deactivated does not come back', async () => {
    const bob = await server.user('bob')
    const body = { auth: bob.proof() }
    await bob.ok('POST', '/_matrix/client/v3/account/deactivate', { body })
    const username = bob.userId.slice(1).replace(':hs1', '')
    expect((await use(jwt({ ...good, sub: username }))).body.errcode).toBe('M_USER_DEACTIVATED')
  })
})

describe('org.matrix.login.jwt with a public key, and claims of other names', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const es256 = (text: string) =>
    sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString(
      'base64url',
    )
  let other: TestServer
  beforeAll(async () => {
    const claims = { subject_claim: 'login', display_name_claim: 'name' }
    other = await startServer({
      config: { jwt: { key: pem, algorithms: ['ES256'], ...claims } },
    })
  })
  afterAll(() => other.stop())
  const use = (token: string) => post(other, { type: 'org.matrix.login.jwt', token })

  test('a token logs in', async () => {
    const token = jwt({ login: 'visitor', name: 'A Visitor' }, { alg: 'ES256' }, es256)
    const { body } = await use(token)
    expect(body.user_id).toBe('@visitor:hs1')
    const visitor = other.anonymous()
    visitor.token = body.access_token
    const room = await visitor.createRoom()
    const member = await visitor.state(room, 'm.room.member', '@visitor:hs1')
    expect(member).toEqual({ membership: 'join', displayname: 'A Visitor' })
  })

  test('a display name that cannot be kept is left out', async () => {
    for (const [login, name] of Object.entries({
      nul: 'a\0b',
      half: 'a\ud800b',
      long: 'x'.repeat(70_000),
      none: '',
      number: 1,
    })) {
      const { status, body } = await use(jwt({ login, name }, { alg: 'ES256' }, es256))
      expect(status).toBe(200)
      const client = other.anonymous()
      client.token = body.access_token
      const room = await client.createRoom()
      const member = await client.state(room, 'm.room.member', body.user_id)
      expect(member).toEqual({ membership: 'join' })
    }
  })

  test('the public key is not a secret to sign with', async () => {
    const token = jwt({ login: 'visitor' }, { alg: 'HS256' }, hmac('sha256', pem))
    expect(await use(token)).toMatchObject(forbidden)
  })

  test('a token with an audience is for somebody else', async () => {
    const token = jwt({ login: 'visitor', aud: 'hourglass' }, { alg: 'ES256' }, es256)
    expect(await use(token)).toMatchObject(forbidden)
  })
})

describe('Without a key in the options', () => {
  test('there is no login by JWT', async () => {
    const plain = await startServer()
    expect((await plain.anonymous().ok('GET', login)).flows).not.toContainEqual({
      type: 'org.matrix.login.jwt',
    })
    expect(await post(plain, { type: 'org.matrix.login.jwt', token: 'x' })).toMatchObject(forbidden)
    await plain.stop()
  })
})
