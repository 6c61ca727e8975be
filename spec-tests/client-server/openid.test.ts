import { createPublicKey, verify } from 'node:crypto'
import { request } from 'node:https'
import type { Client } from '../support/client.ts'
import { mustConform } from '../support/must-conform.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

let server: TestServer
let alice: Client
let bob: Client
beforeAll(async () => {
  server = await startServer({ config: { tls: { port: 0 } } })
  alice = await server.user('alice')
  bob = await server.user('bob')
})
afterAll(() => server.stop())

/** As lk-jwt-service with LIVEKIT_INSECURE_SKIP_VERIFY_TLS: any certificate will do. */
function overTls(
  method: string,
  path: string,
  body?: JsonObject,
): Promise<{ status: number | undefined; text: string; body: JsonObject; certificate: string }> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'Content-Type': 'application/json' }
    const options = { method, headers, rejectUnauthorized: false, agent: false } as const
    const asked = request(`${server.tlsUrl}${path}`, options, response => {
      const { raw } = (response.socket as import('node:tls').TLSSocket).getPeerCertificate()
      let text = ''
      response.on('data', chunk => {
        text += chunk
      })
      response.on('end', () => {
        const certificate = raw.toString('base64')
        const { statusCode: status = 0, headers } = response
        try {
          mustConform({ method, path, status, contentType: headers['content-type'] ?? null, text })
          resolve({ status, text, body: JSON.parse(text), certificate })
        } catch (error) {
          reject(error)
        }
      })
    })
    asked.on('error', reject)
    asked.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

const requestToken = (client: Client, userId = client.userId) =>
  client.request('POST', `/_matrix/client/v3/user/${userId}/openid/request_token`, { body: {} })
const userinfo = (token: string) =>
  overTls('GET', `/_matrix/federation/v1/openid/userinfo?access_token=${token}`)
const unknownToken = { status: 401, body: { errcode: 'M_UNKNOWN_TOKEN' } }

describe('POST /_matrix/client/v3/user/{userId}/openid/request_token', () => {
  test('the answer says whose, where, and for how long', async () => {
    expect(await requestToken(alice)).toMatchObject({
      status: 200,
      body: {
        access_token: expect.any(String),
        token_type: 'Bearer',
        matrix_server_name: 'hs1',
        expires_in: 3600,
      },
    })
  })

  test('a new token each time, and the earlier one stays good', async () => {
    const tokens = [await requestToken(alice), await requestToken(alice)]
    const [first, second] = tokens.map(({ body }) => body.access_token)
    expect(first).not.toBe(second)
    expect((await userinfo(first)).body).toEqual({ sub: alice.userId })
    expect((await userinfo(second)).body).toEqual({ sub: alice.userId })
  })

  test('nobody gets a token for another user', async () => {
    expect(await requestToken(alice, bob.userId)).toMatchObject({
      status: 403,
      body: { errcode: 'M_FORBIDDEN' },
    })
  })

  test('it is no access token', async () => {
    const { access_token: token } = (await requestToken(alice)).body
    const answer = await alice.request('GET', '/_matrix/client/v3/account/whoami', { token })
    expect(answer).toMatchObject(unknownToken)
  })
})

describe('GET /_matrix/federation/v1/openid/userinfo', () => {
  test('no token, a made-up one, and an access token are refused', async () => {
    expect(await overTls('GET', '/_matrix/federation/v1/openid/userinfo')).toMatchObject({
      status: 401,
      body: { errcode: 'M_MISSING_TOKEN' },
    })
    expect(await userinfo('made-up')).toMatchObject(unknownToken)
    expect(await userinfo(alice.token ?? '')).toMatchObject(unknownToken)
  })

  test('a token ends after an hour, and not before', async () => {
    const { access_token: token } = (await requestToken(bob)).body
    await server.advance(3_599_999)
    expect((await userinfo(token)).body).toEqual({ sub: bob.userId })
    await server.advance(1)
    expect(await userinfo(token)).toMatchObject(unknownToken)
  })

  test('what has ended is forgotten', async () => {
    await server.advance(3_600_000 * 3)
    expect((await server.rowCounts()).tickets).toBe(0)
  })

  test('who is deactivated is nobody any more', async () => {
    const charlie = await server.user('charlie')
    const { access_token: token } = (await requestToken(charlie)).body
    const auth = { type: 'm.login.password', user: charlie.userId, password: charlie.password }
    await charlie.ok('POST', '/_matrix/client/v3/account/deactivate', { body: { auth } })
    expect(await userinfo(token)).toMatchObject(unknownToken)
  })
})

describe('lk-jwt-service: its two calls, over TLS and without an access token', () => {
  test('it finds out who it is, keeps the leave from being sent, and sends it', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    const key = `_${alice.userId}_${alice.deviceId}_m.call`
    const type = 'org.matrix.msc3401.call.member'
    const delayId = await alice.delayState(room, 18_000, type, key, {})
    await alice.setState(room, type, key, { application: 'm.call' })

    const openIdToken = (await requestToken(alice)).body
    expect((await userinfo(openIdToken.access_token)).body).toEqual({ sub: alice.userId })

    const manage = (action: string) =>
      overTls(
        'POST',
        `/_matrix/client/unstable/org.matrix.msc4140/delayed_events/${delayId}/${action}`,
        {},
      )
    for (let beat = 0; beat < 3; beat++) {
      await server.advance(17_000)
      expect(await manage('restart')).toMatchObject({ status: 200, body: {} })
    }
    expect(await bob.state(room, type, key)).toEqual({ application: 'm.call' })
    expect((await manage('send')).status).toBe(200)
    expect(await bob.state(room, type, key)).toEqual({})
    expect((await manage('restart')).status).toBe(404)
  })

  test('the delegation that Element Call probes for does not exist, with TLS neither', async () => {
    const path = '/_matrix/client/unstable/io.element.msc4195/rtc/livekit/delegate_delayed_leave'
    expect(await overTls('POST', path)).toMatchObject({
      status: 404,
      body: { errcode: 'M_UNRECOGNIZED' },
    })
  })
})

describe('TestInboundFederationKeys: GET /_matrix/key/v2/server', () => {
  test('the key is there, signed with itself, as canonical JSON', async () => {
    const { text, body } = await overTls('GET', '/_matrix/key/v2/server')
    const { signatures, ...signed } = body
    expect(signed).toEqual({
      server_name: 'hs1',
      old_verify_keys: {},
      valid_until_ts: server.now() + 86_400_000,
      verify_keys: { [String(Object.keys(signatures.hs1)[0])]: { key: expect.any(String) } },
    })
    expect(Object.keys(body)).toEqual(Object.keys(body).sort())
    const [[keyId, signature]] = Object.entries<string>(signatures.hs1) as [[string, string]]
    const { signatures: _, ...rest } = JSON.parse(text)
    const x = Buffer.from(body.verify_keys[keyId].key, 'base64').toString('base64url')
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
    const bytes = Buffer.from(JSON.stringify(rest))
    expect(verify(null, bytes, key, Buffer.from(signature, 'base64'))).toBe(true)
  })
})

describe('The certificate and the way to it', () => {
  test('the certificate that the server made is kept', async () => {
    const { certificate } = await overTls('GET', '/_matrix/client/versions')
    await server.restart()
    expect((await overTls('GET', '/_matrix/client/versions')).certificate).toBe(certificate)
  })

  test('GET /.well-known/matrix/client over TLS leads to TLS', async () => {
    const { body } = await overTls('GET', '/.well-known/matrix/client')
    expect(body['m.homeserver'].base_url).toBe(server.tlsUrl)
  })

  test('GET /.well-known/matrix/server: nowhere to be found without a public address', async () => {
    expect(await overTls('GET', '/.well-known/matrix/server')).toMatchObject({
      status: 404,
      body: { errcode: 'M_NOT_FOUND' },
    })
  })
})

describe('A server that is reached through a proxy', () => {
  let proxied: TestServer
  const transports = [{ type: 'livekit', livekit_service_url: 'https://rtc.example.org/jwt' }]
  beforeAll(async () => {
    proxied = await startServer({
      config: { public_base_url: 'https://matrix.example.org', rtc_transports: transports },
    })
  })
  afterAll(() => proxied.stop())

  test('GET /.well-known/matrix/server names the proxy', async () => {
    const { body } = await proxied.anonymous().request('GET', '/.well-known/matrix/server')
    expect(body).toEqual({ 'm.server': 'matrix.example.org:443' })
  })

  test('GET /.well-known/matrix/client names it too, and where calls are held', async () => {
    const { body } = await proxied.anonymous().request('GET', '/.well-known/matrix/client')
    expect(body).toEqual({
      'm.homeserver': { base_url: 'https://matrix.example.org' },
      'org.matrix.msc4143.rtc_foci': transports,
    })
  })

  test('MSC4143: GET …/rtc/transports says the same, to users only', async () => {
    const user = await proxied.user('alice')
    for (const path of [
      '/_matrix/client/v1/rtc/transports',
      '/_matrix/client/unstable/org.matrix.msc4143/rtc/transports',
    ]) {
      expect(await user.ok('GET', path)).toEqual({ rtc_transports: transports })
      expect((await user.request('GET', path, { token: null })).status).toBe(401)
    }
  })
})
