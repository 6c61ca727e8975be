import type { Answer, Client, RequestOptions } from '../support/client.ts'
import { closeConnections, sendRaw } from '../support/raw-http.ts'
import { startServer, type TestServer } from '../support/server.ts'

const v3 = '/_matrix/client/v3'
const delayedEvents = '/_matrix/client/unstable/org.matrix.msc4140/delayed_events'

let server: TestServer
let alice: Client
let room: string
beforeAll(async () => {
  server = await startServer({ config: { delayed_events: { max_scheduled_per_user: 1 } } })
  alice = await server.user('alice')
  room = await alice.createRoom()
})
afterAll(async () => {
  closeConnections()
  await server.stop()
})

function expectCors({ headers }: Pick<Answer, 'headers'>): void {
  expect(Object.fromEntries(headers)).toMatchObject({
    'access-control-allow-origin': '*',
    'access-control-allow-methods': 'GET, HEAD, POST, PUT, DELETE, OPTIONS',
    'access-control-allow-headers': 'X-Requested-With, Content-Type, Authorization, Date',
    'access-control-expose-headers': 'Retry-After',
  })
}

describe('Web Browser Clients: CORS headers are on every answer', () => {
  const huge = 'x'.repeat(70_000)

  test.each<[number, string, string, RequestOptions]>([
    [200, 'GET', '/_matrix/client/versions', {}],
    [200, 'GET', '/.well-known/matrix/client', {}],
    [200, 'GET', '/health', {}],
    [200, 'GET', `${v3}/sync`, {}],
    [400, 'POST', `${v3}/createRoom`, { body: '{' }],
    [400, 'GET', `${v3}/devices/%zz`, {}],
    [401, 'POST', `${v3}/register`, { body: {} }],
    [401, 'GET', `${v3}/sync`, { token: null }],
    [401, 'GET', `${v3}/sync`, { token: 'made-up' }],
    [403, 'GET', `${v3}/rooms/!nowhere:hs1/state`, {}],
    [404, 'GET', `${v3}/devices/UNKNOWN`, {}],
    [404, 'GET', '/', {}],
    [404, 'POST', '/_matrix/client/unstable/unknown', { token: null }],
    [405, 'PATCH', `${v3}/sync`, {}],
    [405, 'PUT', '/_matrix/key/v2/query', {}],
    [413, 'POST', `${v3}/createRoom`, { body: { name: huge } }],
    [413, 'POST', `${v3}/createRoom`, { body: huge.repeat(16) }],
  ])('%i %s %s', async (status, method, path, options) => {
    const answer = await alice.request(method, path, options)
    expect(answer.status).toBe(status)
    expectCors(answer)
  })

  test('429, with the time to wait where a browser can read it', async () => {
    const delay = (key: string) =>
      alice.request('PUT', alice.roomPath(room, 'state', 'com.example', key), {
        query: { 'org.matrix.msc4140.delay': 4_321 },
        body: {},
      })
    const delayId = String((await delay('first')).body.delay_id)
    const answer = await delay('second')
    expect(answer).toMatchObject({
      status: 429,
      body: { errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: 4_321 },
    })
    expect(answer.headers.get('retry-after')).toBe('5')
    expectCors(answer)
    await alice.manage(delayId, 'cancel')
  })
})

describe('Web Browser Clients: OPTIONS is answered without running the endpoint', () => {
  test.each([
    `${v3}/sync`,
    `${v3}/logout`,
    `${v3}/rooms/!nowhere:hs1/send/m.room.message/1`,
    `${delayedEvents}/unknown/restart`,
    '/_matrix/client/versions',
    '/_matrix/client/unstable/io.element.msc4195/rtc/livekit/delegate_delayed_leave',
    '/_matrix/unknown',
    '/',
  ])('%s', async path => {
    const answer = await alice.request('OPTIONS', path, {
      token: null,
      headers: {
        Origin: 'https://app.example.org',
        'Access-Control-Request-Method': 'POST',
        'Access-Control-Request-Headers': 'authorization',
      },
    })
    expect({ status: answer.status, text: answer.text }).toEqual({ status: 204, text: '' })
    expectCors(answer)
  })

  test('the endpoint has not run', async () => {
    await alice.request('OPTIONS', `${v3}/logout`)
    expect((await alice.request('GET', `${v3}/account/whoami`)).status).toBe(200)
  })
})

describe('HEAD is GET without the body', () => {
  test.each<[string, string]>([
    ['what is there', '/_matrix/client/versions'],
    ['plain text', '/health'],
    ['what needs a token', `${v3}/capabilities`],
    ['an unknown path', '/_matrix/unknown'],
    ['an unknown thing', `${v3}/devices/UNKNOWN`],
  ])('%s: %s', async (_, path) => {
    for (const token of [alice.token, undefined]) {
      const ask = (method: string) => sendRaw(server.baseUrl, { method, path, token })
      const [head, get] = [await ask('HEAD'), await ask('GET')]
      expect(head.text).toBe('')
      expect(get.text).not.toBe('')
      const { date: _head, ...ofHead } = head.headers
      const { date: _get, ...ofGet } = get.headers
      expect({ status: head.status, headers: ofHead }).toEqual({
        status: get.status,
        headers: ofGet,
      })
    }
  })

  test('where there is no GET it is the wrong method', async () => {
    expect((await alice.request('HEAD', `${v3}/logout`)).status).toBe(405)
    expect((await alice.request('GET', `${v3}/account/whoami`)).status).toBe(200)
  })
})

describe('r0 is another name of v3', () => {
  test('reading, writing, and the wrong method', async () => {
    const r0 = '/_matrix/client/r0'
    expect((await alice.ok('GET', `${r0}/account/whoami`)).user_id).toBe(alice.userId)
    const path = `${r0}/rooms/${encodeURIComponent(room)}/send/m.room.message/r0`
    const { event_id } = await alice.ok('PUT', path, { body: { msgtype: 'm.text', body: 'old' } })
    expect((await alice.event(room, event_id)).content.body).toBe('old')
    expect((await alice.request('PUT', `${r0}/login`)).status).toBe(405)
    expect((await alice.request('GET', `${r0}/unknown`)).status).toBe(404)
  })

  test('of media, too, where r0.6.1 has it', async () => {
    const r0 = '/_matrix/media/r0'
    const headers = { 'Content-Type': 'text/plain' }
    const body = Buffer.from('old')
    const { content_uri } = await alice.ok('POST', `${r0}/upload`, { body, headers })
    const file = String(content_uri).replace('mxc://', '')
    expect((await alice.request('GET', `${r0}/download/${file}`)).text).toBe('old')
    expect(await alice.ok('GET', `${r0}/config`)).toHaveProperty(['m.upload.size'])
    expect((await alice.request('PATCH', `${r0}/upload`)).status).toBe(405)
    expect((await alice.request('GET', `${r0}/unknown`)).status).toBe(404)
  })

  test('only where a version stands', async () => {
    await alice.setState(room, 'com.example.r0', '/r0/', { is: 'kept' })
    expect(await alice.state(room, 'com.example.r0', '/r0/')).toEqual({ is: 'kept' })
    expect((await alice.request('GET', '/_matrix/r0/versions')).status).toBe(404)
  })
})

describe('A slash at the end changes nothing', () => {
  test.each([
    '/_matrix/client/versions',
    '/.well-known/matrix/client',
    `${v3}/pushrules`,
    `${v3}/account/whoami`,
    `${v3}/devices`,
  ])('%s', async path => {
    const answer = await alice.request('GET', path)
    expect(answer.status).toBe(200)
    expect(await alice.ok('GET', `${path}/`)).toEqual(answer.body)
  })

  test('after an event type it is the empty state key, as is nothing', async () => {
    const state = alice.roomPath(room, 'state', 'm.room.topic')
    await alice.ok('PUT', `${state}/`, { body: { topic: 'with' } })
    expect(await alice.ok('GET', state)).toEqual({ topic: 'with' })
    await alice.ok('PUT', state, { body: { topic: 'without' } })
    expect(await alice.ok('GET', `${state}/`)).toEqual({ topic: 'without' })
  })
})

describe('Ids in paths are percent-encoded or raw', () => {
  test('room, event and user IDs', async () => {
    const eventId = await alice.say(room, 'found')
    const encode = (text: string) => encodeURIComponent(text).replaceAll('!', '%21')
    for (const write of [encode, (text: string) => text]) {
      const event = await alice.ok('GET', `${v3}/rooms/${write(room)}/event/${write(eventId)}`)
      expect(event.event_id).toBe(eventId)
      const data = `${v3}/user/${write(alice.userId)}/account_data/com.example`
      await alice.ok('PUT', data, { body: { as: write(':') } })
      expect(await alice.ok('GET', data)).toEqual({ as: write(':') })
    }
  })

  test('they are decoded once', async () => {
    await alice.setState(room, 'com.example', 'a%2Fb', { is: 'twice' })
    await alice.setState(room, 'com.example', 'a/b', { is: 'once' })
    expect(await alice.state(room, 'com.example', 'a%2Fb')).toEqual({ is: 'twice' })
    const path = `${v3}/rooms/${room}/state/com.example/a%2Fb`
    expect(await alice.ok('GET', path)).toEqual({ is: 'once' })
  })

  test('a plus is a plus in a path and a space in a query', async () => {
    await alice.setState(room, 'com.example', 'a+b', { is: 'plus' })
    const path = `${v3}/rooms/${room}/state/com.example/a+b`
    expect(await alice.ok('GET', path)).toEqual({ is: 'plus' })
    const answer = await alice.request('GET', `${v3}/register/available?username=a+b`)
    expect(answer.body.errcode).toBe('M_INVALID_USERNAME')
  })
})
