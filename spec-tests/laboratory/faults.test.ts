/** Faults at exact points, set over HTTP by a test in any language. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { get, type RequestOptions as HttpsOptions } from 'node:https'
import { connect } from 'node:tls'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { TestAppService } from '../support/app-service.ts'
import { type Answer, type Client, delayedEvents, type RequestOptions } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

const faults = '/_hourglass/lab/v1/faults'
const v3 = '/_matrix/client/v3'
const whoAmI = `${v3}/account/whoami`
const hour = 3_600_000
const sendEndpoint = 'PUT /_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}'
const restartEndpoint =
  'POST /_matrix/client/unstable/org.matrix.msc4140/delayed_events/{delay_id}/restart'

let server: TestServer
let alice: Client
let bob: Client
let room: string
let otherRoom: string
beforeAll(async () => {
  // What breaks by order need not be logged.
  server = await startServer({ config: { lab: true, log_level: 'fatal' } })
  alice = await server.user('alice')
  bob = await server.user('bob')
  room = await alice.createRoom({ preset: 'public_chat' })
  otherRoom = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(room)
})
afterEach(async () => {
  await lab('DELETE')
  for (const { delay_id } of await alice.scheduled()) await alice.manage(delay_id, 'cancel')
})
afterAll(() => server.stop())

const lab = (method: string, body?: JsonObject, path = '') =>
  server.anonymous().request(method, `${faults}${path}`, { body })

/** Whether it has the shape that the served OpenAPI file gives. */
let isDescribed: (fault: JsonObject) => boolean
beforeAll(async () => {
  const { components } = await server.anonymous().ok('GET', '/_hourglass/lab/v1/openapi.json')
  const ajv = new Ajv2020({ strict: false })
  isDescribed = ajv.compile({ components, $ref: '#/components/schemas/FaultOptions' })
})

async function set(fault: JsonObject): Promise<JsonObject> {
  const { status, body } = await lab('POST', fault)
  expect({ status, body }).toMatchObject({ status: 200 })
  expect(isDescribed(fault)).toBe(true)
  return body
}

const strikes = async (): Promise<JsonObject[]> => (await lab('GET')).body.strikes

/** Undefined: there was no answer. */
async function attempt(
  client: Client,
  method: string,
  path: string,
  options: RequestOptions = {},
): Promise<Answer | undefined> {
  try {
    return await client.request(method, path, options)
  } catch (error) {
    // Also of a connection that is closed in good order before an answer.
    expect(error).toHaveProperty('code', 'ECONNRESET')
    return undefined
  }
}

const say = (client: Client, txnId: string, roomId = room) =>
  attempt(client, 'PUT', client.roomPath(roomId, 'send', 'm.room.message', txnId), {
    body: { msgtype: 'm.text', body: txnId },
  })
const heard = async (roomId = room) =>
  (await alice.messages(roomId, { dir: 'b', limit: 20 })).chunk.map(({ content }) => content.body)
const manage = (client: Client, delayId: string, action: string, token?: null) =>
  attempt(client, 'POST', `${delayedEvents}/${delayId}/${action}`, { token })

describe('answer_lost: the work is committed, and the connection closes without an answer', () => {
  test('a message is there, and sending it again with its transaction id finds the answer', async () => {
    await set({ kind: 'answer_lost', endpoint: sendEndpoint })
    expect(await say(alice, 'lost-1')).toBeUndefined()
    expect((await heard())[0]).toBe('lost-1')
    const again = await say(alice, 'lost-1')
    expect(again?.status).toBe(200)
    expect((await heard()).filter(body => body === 'lost-1')).toHaveLength(1)
  })

  test('a restart has counted', async () => {
    const delayId = await alice.delay(room, 8_000, 'm.test', {})
    await set({ kind: 'answer_lost', endpoint: restartEndpoint })
    await server.advance(5_000)
    expect(await manage(bob, delayId, 'restart', null)).toBeUndefined()
    await server.advance(7_999)
    expect(await alice.scheduled()).toHaveLength(1)
    await server.advance(1)
    expect(await alice.scheduled()).toHaveLength(0)
  })

  test('a refusal has committed nothing, so it is told', async () => {
    await set({ kind: 'answer_lost' })
    expect((await manage(alice, 'unknown', 'restart'))?.status).toBe(404)
    expect(await strikes()).toEqual([])
  })
})

describe('connection_reset: before anything is done', () => {
  test('nothing has been done, and the next attempt does it', async () => {
    await set({ kind: 'connection_reset', user_id: alice.userId })
    await expect(alice.say(room, 'reset')).rejects.toThrow('read ECONNRESET')
    expect((await heard())[0]).not.toBe('reset')
    await alice.say(room, 'not reset')
    expect((await heard())[0]).toBe('not reset')
  })
})

describe('over TLS', () => {
  let other: TestServer
  beforeAll(async () => {
    other = await startServer({ config: { tls: { port: 0 } } })
  })
  afterAll(() => other.stop())

  const ask = (token: string, options: HttpsOptions): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const headers = { Authorization: `Bearer ${token}` }
      const url = `${other.tlsUrl}${whoAmI}`
      get(url, { agent: false, headers, ...options }, answer => {
        answer.resume()
        resolve(answer.statusCode)
      }).on('error', reject)
    })

  test('connection_reset is the same', async () => {
    const charlie = await other.user('charlie')
    other.fault({ kind: 'connection_reset', userId: charlie.userId })
    const asking = ask(charlie.token ?? '', { rejectUnauthorized: false })
    await expect(asking).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(other.faults.strikes()).toHaveLength(1)
    expect(await ask(charlie.token ?? '', { rejectUnauthorized: false })).toBe(200)
  })

  test('who knows the certificate of our own making takes it by the time of the machine', async () => {
    const charlie = await other.user('charlie')
    const { hostname, port } = new URL(other.tlsUrl)
    const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const ca = socket.getPeerX509Certificate()?.toString()
    socket.destroy()
    expect(await ask(charlie.token ?? '', { ca })).toBe(200)
  })
})

describe('rate_limited: 429, and nothing is done', () => {
  test.each([
    ['the body and the header', { retry_after_ms: 1_500 }, 1_500, '2'],
    ['neither', {}, undefined, null],
    [
      'a header of its own, such as a date',
      { retry_after: 'Tue, 01 Jan 2030 00:00:05 GMT' },
      undefined,
      'Tue, 01 Jan 2030 00:00:05 GMT',
    ],
    ['no header', { retry_after_ms: 7_000, retry_after: null }, 7_000, null],
  ])('%s', async (_, chosen, inBody, inHeader) => {
    await set({ kind: 'rate_limited', ...chosen })
    const answer = await say(alice, 'limited')
    expect(answer).toMatchObject({ status: 429, body: { errcode: 'M_LIMIT_EXCEEDED' } })
    expect(answer?.body.retry_after_ms).toBe(inBody)
    expect(answer?.headers.get('Retry-After')).toBe(inHeader)
    expect(answer?.headers.get('Access-Control-Allow-Origin')).toBe('*')
    expect((await heard())[0]).not.toBe('limited')
  })
})

describe('error: 5xx, and nothing is done', () => {
  test('as this server says it, or as a proxy does', async () => {
    await set({ kind: 'error', status: 503 })
    await set({ kind: 'error', status: 502, body: '<h1>Bad Gateway</h1>' })
    expect(await say(alice, 'broken')).toMatchObject({
      status: 503,
      body: { errcode: 'M_UNKNOWN' },
    })
    // Not by the client of these tests, which takes only what the specification has.
    const fromProxy = await fetch(`${server.baseUrl}${v3}/capabilities`)
    expect([fromProxy.status, await fromProxy.text()]).toEqual([502, '<h1>Bad Gateway</h1>'])
    expect(fromProxy.headers.get('Content-Type')).toBe('text/html')
    expect((await heard())[0]).not.toBe('broken')
  })
})

describe('delays, on the clock of the server', () => {
  test('request_delayed: nothing is done before', async () => {
    await set({ kind: 'request_delayed', delay_ms: 5_000, user_id: alice.userId })
    const { now } = (await server.anonymous().ok('GET', '/_hourglass/lab/v1/clock')) as JsonObject
    const saying = alice.say(room, 'late')
    await struck(1)
    await server.advance(4_999)
    expect((await bob.messages(room, { dir: 'b', limit: 1 })).chunk[0]?.content.body).not.toBe(
      'late',
    )
    await server.advance(1)
    const event = await bob.event(room, await saying)
    expect(event.origin_server_ts).toBe(now + 5_000)
  })

  test('answer_delayed: it is done, and nobody is told', async () => {
    await set({ kind: 'answer_delayed', delay_ms: 5_000, user_id: alice.userId })
    let isAnswered = false
    const saying = alice.say(room, 'told late').then(() => {
      isAnswered = true
    })
    await struck(1)
    expect((await bob.messages(room, { dir: 'b', limit: 1 })).chunk[0]?.content.body).toBe(
      'told late',
    )
    await server.advance(4_999)
    expect(isAnswered).toBe(false)
    await server.advance(1)
    await saying
  })

  test('who hangs up meanwhile has not asked', async () => {
    await set({ kind: 'request_delayed', delay_ms: 5_000, user_id: alice.userId })
    const hangUp = new AbortController()
    const path = alice.roomPath(room, 'send', 'm.room.message', 'gone')
    const { signal } = hangUp
    const asking = alice.request('PUT', path, { body: { msgtype: 'm.text', body: 'gone' }, signal })
    await struck(1)
    hangUp.abort()
    await expect(asking).rejects.toThrow()
    await server.advance(5_000)
    expect((await heard())[0]).not.toBe('gone')
  })

  test('a request that is held before, and again after', async () => {
    for (const kind of ['request_delayed', 'answer_delayed']) {
      await set({ kind, delay_ms: 10_000, user_id: alice.userId })
    }
    let isAnswered = false
    const asking = alice.request('GET', whoAmI).finally(() => {
      isAnswered = true
    })
    await struck(1)
    await server.advance(19_999)
    expect([isAnswered, (await strikes()).length]).toEqual([false, 2])
    await server.advance(1)
    expect((await asking).status).toBe(200)
  })

  test('a request that waits for the clock by itself, when it has been let go', async () => {
    const { content_uri: uri } = await alice.ok('POST', '/_matrix/media/v1/create', { body: {} })
    await set({ kind: 'request_delayed', delay_ms: 10_000, user_id: alice.userId })
    const path = `/_matrix/client/v1/media/download/${String(uri).replace('mxc://', '')}`
    const asking = alice.request('GET', path, { query: { timeout_ms: 20_000 } })
    await struck(1)
    await server.advance(30_000)
    expect(await asking).toMatchObject({ status: 504, body: { errcode: 'M_NOT_YET_UPLOADED' } })
  })

  test('a long poll that a restart lets go is not caught again', async () => {
    const { next_batch: since } = await alice.sync()
    await set({ kind: 'answer_delayed', delay_ms: hour, endpoint: `GET ${v3}/sync` })
    const query = { since, timeout: 30_000 }
    const poll = alice.request('GET', `${v3}/sync`, { query })
    await server.untilWaiting(1)
    await server.restart()
    expect((await poll).status).toBe(200)
  })

  test('a server that stops holds nobody', async () => {
    const other = await startServer({ config: { lab: true } })
    const charlie = await other.user('charlie')
    other.fault({ kind: 'request_delayed', delayMs: hour })
    const asking = charlie.request('GET', whoAmI)
    while (other.faults.strikes().length === 0) await new Promise(setImmediate)
    await other.stop()
    expect((await asking).status).toBe(200)
  })

  async function struck(count: number): Promise<void> {
    while ((await strikes()).length < count);
  }
})

describe('serialisation_failure: all is done, and undone at the COMMIT', () => {
  test('a request is 500 and has done nothing; the next attempt does it, once', async () => {
    await set({ kind: 'serialisation_failure', endpoint: sendEndpoint, room_id: room })
    expect((await say(alice, 'undone'))?.status).toBe(500)
    expect((await heard())[0]).not.toBe('undone')
    expect((await say(alice, 'undone'))?.status).toBe(200)
    expect((await heard()).filter(body => body === 'undone')).toHaveLength(1)
  })

  test('what is due stays scheduled, and is sent after the back-off, once', async () => {
    const delayId = await alice.delay(room, 1_000, 'm.room.message', { body: 'fired' })
    await alice.delay(room, 900, 'm.room.message', { body: 'another' })
    await set({ kind: 'serialisation_failure', delay_id: delayId, endpoint: 'fire', count: 2 })
    await server.advance(1_000)
    expect((await alice.scheduled()).map(({ delay_id }) => delay_id)).toEqual([delayId])
    expect((await heard())[0]).toBe('another')
    await server.advance(1_000)
    expect(await alice.scheduled()).toHaveLength(1)
    await server.advance(2_000)
    expect(await alice.scheduled()).toEqual([])
    expect((await heard()).filter(body => body === 'fired')).toHaveLength(1)
    const common = { kind: 'serialisation_failure', endpoint: 'fire', delay_id: delayId }
    const scope = { user_id: alice.userId, room_id: room }
    expect(await strikes()).toMatchObject([
      { ...common, ...scope },
      { ...common, ...scope },
    ])
  })

  test('due with others it is undone with them, and all are tried one by one at once', async () => {
    const [first = ''] = await Promise.all(
      [1, 2, 3].map(i => alice.delay(room, 1_000, 'm.room.message', { body: `${i}` })),
    )
    const dueAt = server.now() + 1_000
    await set({ kind: 'serialisation_failure', delay_id: first, endpoint: 'fire', count: 2 })
    await server.advance(1_000)
    expect((await strikes()).map(({ ts }) => ts)).toEqual([dueAt, dueAt])
    expect((await alice.scheduled()).map(({ delay_id }) => delay_id)).toEqual([first])
    await server.advance(1_000)
    expect(await alice.scheduled()).toEqual([])
  })

  test('what broke when it was due and is restarted is sent at its new time', async () => {
    const delayId = await alice.delay(room, 8_000, 'm.room.message', { body: 'restarted' })
    await set({ kind: 'serialisation_failure', delay_id: delayId, endpoint: 'fire', count: 7 })
    // 1 + 2 + 4 + 8 + 16 + 32 s after it was due it breaks once more, and is then left for a minute.
    await server.advance(8_000 + 63_000)
    expect((await alice.manage(delayId, 'restart')).status).toBe(200)
    await server.advance(7_999)
    expect(await alice.scheduled()).toHaveLength(1)
    await server.advance(1)
    expect(await alice.scheduled()).toEqual([])
    expect((await heard())[0]).toBe('restarted')
  })

  test.each(['cancel', 'restart', 'send'])(
    '%s without a token, by the user whose delayed event it is, whatever the dialect',
    async action => {
      const delayId = await alice.delay(room, hour, 'm.test', { action })
      const [before] = await alice.scheduled()
      await set({ kind: 'serialisation_failure', user_id: alice.userId, room_id: room })
      const body = { action }
      const path = `${delayedEvents}/${delayId}`
      expect((await attempt(bob, 'POST', path, { body, token: null }))?.status).toBe(500)
      expect(await alice.scheduled()).toEqual([before])
      expect((await attempt(bob, 'POST', path, { body, token: null }))?.status).toBe(200)
    },
  )

  test('a user in a room where somebody else is at the same moment is not those two', async () => {
    await set({
      kind: 'serialisation_failure',
      user_id: bob.userId,
      room_id: otherRoom,
      count: null,
    })
    const ids = Array.from({ length: 10 }, (_, i) => `at-once-${i}`)
    await Promise.all(ids.flatMap(id => [say(bob, id), say(alice, id, otherRoom)]))
    expect(await strikes()).toEqual([])
  })

  test('what concerns nobody of those is let through', async () => {
    await set({ kind: 'serialisation_failure', user_id: bob.userId })
    const delayId = await alice.delay(room, 1_000, 'm.test', {})
    await manage(alice, delayId, 'restart', null)
    await server.advance(1_000)
    expect(await alice.scheduled()).toEqual([])
    expect(await strikes()).toEqual([])
  })
})

describe('for whom, where, and how often', () => {
  test('a user, by the token', async () => {
    await set({ kind: 'error', user_id: bob.userId })
    expect((await say(alice, 'scope-1'))?.status).toBe(200)
    expect((await say(bob, 'scope-1'))?.status).toBe(500)
    expect((await say(bob, 'scope-1'))?.status).toBe(200)
  })

  test("an application service's own user, whom it need not name", async () => {
    const service = await TestAppService.start('bridge')
    const other = await startServer({ config: { app_service_config_files: [service.file] } })
    const bridge = other.anonymous()
    bridge.token = service.asToken
    try {
      other.fault({ kind: 'error', status: 500, userId: '@_bridge_bot:hs1' })
      expect((await bridge.request('GET', whoAmI)).status).toBe(500)
      expect((await bridge.request('GET', whoAmI)).status).toBe(200)
    } finally {
      await other.stop()
      await service.stop()
    }
  })

  test('a room, in the path', async () => {
    await set({ kind: 'error', room_id: otherRoom })
    expect((await say(alice, 'scope-2'))?.status).toBe(200)
    expect((await say(alice, 'scope-2', otherRoom))?.status).toBe(500)
  })

  test('an endpoint, by the names of the specification or others', async () => {
    await set({ kind: 'error', endpoint: 'GET /_matrix/client/v3/rooms/{r}/state/{type}/{key}' })
    expect((await say(alice, 'scope-3'))?.status).toBe(200)
    const path = alice.roomPath(room, 'state', 'm.room.create')
    expect((await attempt(alice, 'GET', path))?.status).toBe(500)
  })

  describe('a delayed event that is managed without a token', () => {
    // It is alice's, and lk-jwt-service asks, who is nobody and comes from one address for all.
    test.each([
      ['the delay id', (delayId: string) => ({ delay_id: delayId })],
      ['the user whose it is', () => ({ user_id: alice.userId })],
      ['the room that it is for', () => ({ room_id: room })],
      [
        'all of them, at this endpoint',
        (delayId: string) => ({
          delay_id: delayId,
          user_id: alice.userId,
          room_id: room,
          endpoint: restartEndpoint,
        }),
      ],
    ])('by %s', async (_, scope) => {
      const delayId = await alice.delay(room, hour, 'm.test', {})
      const bobs = await bob.delay(room, hour, 'm.test', {})
      const given = scope(delayId)
      await set({ kind: 'rate_limited', ...given })
      if (!('room_id' in given) || 'delay_id' in given) {
        expect((await manage(bob, bobs, 'restart', null))?.status).toBe(200)
      }
      expect((await manage(bob, delayId, 'restart', null))?.status).toBe(429)
      expect((await manage(bob, delayId, 'restart', null))?.status).toBe(200)
      expect(await strikes()).toMatchObject([
        { delay_id: delayId, user_id: alice.userId, room_id: room, ts: server.now() },
      ])
      await manage(bob, bobs, 'cancel')
    })

    test('by its user, also if another user asks with a token', async () => {
      const delayId = await alice.delay(room, hour, 'm.test', {})
      await set({ kind: 'rate_limited', user_id: alice.userId })
      expect((await manage(bob, delayId, 'restart'))?.status).toBe(429)
    })

    test('by the secret that a draft of 2024 has in the place of the id', async () => {
      const path = `${v3}/rooms/${encodeURIComponent(room)}/send_future/m.test/f1`
      const query = { future_timeout: hour }
      const { refresh_token: refresh } = await alice.ok('PUT', path, { body: {}, query })
      const [scheduled] = await alice.scheduled()
      await set({ kind: 'rate_limited', delay_id: scheduled?.delay_id })
      const future = `${v3}/futures/${refresh}`
      expect((await attempt(bob, 'POST', future, { token: null, body: {} }))?.status).toBe(429)
      expect((await attempt(bob, 'POST', future, { token: null, body: {} }))?.status).toBe(200)
    })
  })

  test('a delayed event whose secret is in the body, as the first draft has it', async () => {
    const path = alice.roomPath(room, 'send', 'm.room.message', 'expiring')
    const body = { msgtype: 'm.text', body: 'expiring', 'm.will_expire': 3_600 }
    const { expire_refresh_token: secret } = await alice.ok('PUT', path, { body })
    const refresh = (token: string) =>
      attempt(bob, 'PUT', `${v3}/expiration/refresh`, {
        body: { expire_refresh_token: token },
        token: null,
      })
    await set({ kind: 'error', user_id: alice.userId, room_id: room })
    expect((await refresh('unknown'))?.status).toBe(410)
    expect((await refresh(secret))?.status).toBe(500)
    expect((await refresh(secret))?.status).toBe(200)
  })

  test('so often, after so many', async () => {
    await set({ kind: 'error', endpoint: sendEndpoint, skip: 2, count: 2 })
    const statuses = []
    for (let i = 0; i < 6; i++) statuses.push((await say(alice, `often-${i}`))?.status)
    expect(statuses).toEqual([200, 200, 500, 500, 200, 200])
  })

  test('as long as it is there', async () => {
    const { id } = await set({ kind: 'error', endpoint: sendEndpoint, count: null })
    for (let i = 0; i < 3; i++) expect((await say(alice, 'always'))?.status).toBe(500)
    expect((await lab('DELETE', undefined, `/${id}`)).body).toEqual({})
    expect((await say(alice, 'always'))?.status).toBe(200)
    expect((await lab('DELETE', undefined, `/${id}`)).status).toBe(404)
  })
})

describe('GET faults', () => {
  test('tells which are set, and which have struck, when and whom', async () => {
    const first = await set({ kind: 'error', status: 504, user_id: alice.userId, count: 3 })
    expect(first).toEqual({
      id: expect.stringMatching(/^fault_/),
      kind: 'error',
      status: 504,
      user_id: alice.userId,
      count: 3,
      left: 3,
      skip: 0,
    })
    await say(alice, 'recorded')
    const { body } = await lab('GET')
    expect(body).toEqual({
      faults: [{ ...first, left: 2 }],
      strikes: [
        {
          fault_id: first.id,
          kind: 'error',
          ts: server.now(),
          endpoint: 'PUT /_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}',
          user_id: alice.userId,
          room_id: room,
        },
      ],
    })
  })

  test('tells the endpoint as the specification writes it, with what a path may leave out', async () => {
    await set({ kind: 'error' })
    await attempt(alice, 'GET', alice.roomPath(room, 'state', 'm.room.topic', ''))
    const endpoint = 'GET /_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}'
    expect(await strikes()).toMatchObject([{ endpoint }])
    expect((await lab('POST', { kind: 'error', endpoint })).status).toBe(200)
  })

  test('DELETE takes them away, and the record', async () => {
    await set({ kind: 'error', count: null })
    await say(alice, 'forgotten')
    await lab('DELETE')
    expect((await lab('GET')).body).toEqual({ faults: [], strikes: [] })
    expect((await say(alice, 'forgotten'))?.status).toBe(200)
  })
})

test('server/docs/faults.md names the kinds, and no other', async () => {
  const page = readFileSync('server/docs/faults.md', 'utf8')
  const kinds = page.slice(0, page.indexOf('## For whom')).matchAll(/^\| `(\w+)` \|/gm)
  const named = [...kinds].map(([, kind]) => kind)
  for (const kind of named) {
    const options = kind?.endsWith('_delayed') ? { delay_ms: 1 } : {}
    await set({ kind, user_id: '@nobody:hs1', ...options })
  }
  const { status } = await lab('POST', { kind: 'none', user_id: '@nobody:hs1' })
  expect(status).toBe(400)
  expect(named).toHaveLength(7)
})

describe('POST faults that are none', () => {
  test.each([
    ['no kind', {}],
    ['an unknown kind', { kind: 'gremlin' }],
    ['a scope that is misspelt, and would be everybody', { kind: 'error', userid: '@alice:hs1' }],
    ['a user who can be none', { kind: 'error', user_id: 'alice' }],
    ['a delayed event that can be none', { kind: 'error', delay_id: '' }],
    ['a scope of null, which would be everybody', { kind: 'error', user_id: null }],
    ['what no request is in, of a request', { kind: 'answer_lost', endpoint: 'fire' }],
    ['a status that is no error', { kind: 'error', status: 200 }],
    ['no delay', { kind: 'answer_delayed' }],
    ['never', { kind: 'error', count: 0 }],
    ['a header that breaks the line', { kind: 'rate_limited', retry_after: '1\r\nX: y' }],
  ])('%s', async (_, fault: JsonObject) => {
    const { status, body } = await lab('POST', fault)
    expect(status).toBe(400)
    expect(body.errcode).toMatch(/^M_(INVALID_PARAM|BAD_JSON|MISSING_PARAM)$/)
    expect(isDescribed(fault)).toBe(false)
    expect((await lab('GET')).body.faults).toEqual([])
  })
})

test('POST faults, for an endpoint that there is not, which other descriptions say', async () => {
  const answer = await lab('POST', { kind: 'error', endpoint: 'GET /_matrix/client/v3/snyc' })
  expect(answer).toMatchObject({ status: 400, body: { errcode: 'M_INVALID_PARAM' } })
  expect((await lab('GET')).body.faults).toEqual([])
})

test('without the option there is no such path, and the laboratory is not there to strike itself', async () => {
  await set({ kind: 'error', count: null })
  expect((await lab('GET')).status).toBe(200)
  const plain = await startServer()
  try {
    const answer = await plain.anonymous().request('GET', faults)
    expect(answer).toMatchObject({ status: 404, body: { errcode: 'M_UNRECOGNIZED' } })
  } finally {
    await plain.stop()
  }
})
