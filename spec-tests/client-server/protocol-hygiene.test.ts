import { gzipSync } from 'node:zlib'
import type { Client } from '../support/client.ts'
import { closeConnections, sendRaw } from '../support/raw-http.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { Json } from '../support/wire.ts'

let server: TestServer
let alice: Client
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
})
afterAll(async () => {
  closeConnections()
  await server.stop()
})

describe('TestRequestEncodingFails: POST /_matrix/client/v3/register', () => {
  test('a body that is not UTF-8 is M_NOT_JSON', async () => {
    const body = Buffer.concat([Buffer.from('{ "test":"a'), Buffer.of(0x81), Buffer.from('" }')])
    const answer = await alice.request('POST', '/_matrix/client/v3/register', { body, token: null })
    expect(answer).toMatchObject({ status: 400, body: { errcode: 'M_NOT_JSON' } })
  })
})

describe('TestJson: PUT /_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}', () => {
  let room: string
  beforeAll(async () => {
    room = await alice.createRoom({ room_version: '6' })
  })
  const send = (body: string) =>
    alice.request('PUT', alice.roomPath(room, 'send', 'com.example', alice.nextTransactionId()), {
      body,
    })

  test.each([
    '{"body": 9007199254740992}',
    '{"body": -9007199254740992}',
    '{"body": 1.1}',
    '{"body": [{"deep": 0.5}]}',
  ])('%s has a number that canonical JSON does not have', async body => {
    expect(await send(body)).toMatchObject({ status: 400, body: { errcode: 'M_BAD_JSON' } })
  })

  test.each(['{"body": Infinity}', '{"body": -Infinity}', '{"body": NaN}'])(
    '%s has a value that JSON does not have',
    async body => {
      expect(await send(body)).toMatchObject({ status: 400, body: { errcode: 'M_NOT_JSON' } })
    },
  )

  // What Complement really sends: its bodies, in Base64, as one JSON string.
  test.each(['"eyJib2R5IjogMS4xfQ=="', '[]', 'null', '1'])(
    '%s is JSON, but not an object',
    async body => {
      expect(await send(body)).toMatchObject({ status: 400, body: { errcode: 'M_BAD_JSON' } })
    },
  )

  test.each(['{"body": 9007199254740991}', '{"body": -9007199254740991}', '{"body": -0}'])(
    '%s is sent',
    async body => {
      expect((await send(body)).status).toBe(200)
    },
  )
})

describe('TestEvent: "The complete event MUST NOT be larger than 65536 bytes"', () => {
  let room: string
  beforeAll(async () => {
    room = await alice.createRoom({ room_version: '6' })
  })
  const put = (body: Json, ...parts: string[]) =>
    alice.request('PUT', alice.roomPath(room, ...parts), { body })

  test('a large event is refused', async () => {
    const body = { msgtype: 'm.text', body: 'and they dont stop coming '.repeat(2700) }
    expect(await put(body, 'send', 'm.room.message', '1')).toMatchObject({
      status: 413,
      body: { errcode: 'M_TOO_LARGE' },
    })
  })

  test('a large state event is refused, and the state stays as it was', async () => {
    const body = { body: "Dormammu, I've come to bargain.\n".repeat(2200) }
    expect(await put(body, 'state', 'marvel.universe.fate')).toMatchObject({
      status: 413,
      body: { errcode: 'M_TOO_LARGE' },
    })
    const state = alice.roomPath(room, 'state', 'marvel.universe.fate')
    expect((await alice.request('GET', state)).status).toBe(404)
  })

  test('an event of nearly that size is sent', async () => {
    const body = { msgtype: 'm.text', body: 'x'.repeat(60_000) }
    expect((await put(body, 'send', 'm.room.message', '2')).status).toBe(200)
  })
})

describe('TestUnknownEndpoints: 404 for unknown endpoints, 405 for the wrong method', () => {
  const groups: Record<string, { unknown: string[]; wrongMethod: [string, string][] }> = {
    'an unknown prefix': { unknown: ['/_matrix/unknown'], wrongMethod: [] },
    'client-server endpoints': {
      unknown: [
        '/_matrix/client/unknown',
        '/_matrix/client/v1/unknown',
        '/_matrix/client/v3/room/unknown',
      ],
      wrongMethod: [['PUT', '/_matrix/client/v3/login']],
    },
    'server-server endpoints': {
      unknown: ['/_matrix/federation/unknown', '/_matrix/federation/v1/unknown'],
      wrongMethod: [['PUT', '/_matrix/federation/v1/version']],
    },
    'key endpoints': {
      unknown: ['/_matrix/key/unknown', '/_matrix/key/v2/unknown'],
      wrongMethod: [['PUT', '/_matrix/key/v2/query']],
    },
    'media endpoints': {
      unknown: ['/_matrix/media/unknown', '/_matrix/media/v3/unknown'],
      wrongMethod: [['PATCH', '/_matrix/media/v3/upload']],
    },
  }

  // With a token, without one, and with one that is none: it is not looked at.
  const tokens = () => [alice.token, null, 'made-up']

  test.each(Object.entries(groups))('%s', async (_name, { unknown, wrongMethod }) => {
    for (const token of tokens()) {
      for (const path of unknown) {
        const answer = await alice.request('GET', path, { token })
        expect(answer).toMatchObject({ status: 404, body: { errcode: 'M_UNRECOGNIZED' } })
      }
      for (const [method, path] of wrongMethod) {
        const answer = await alice.request(method, path, { token })
        expect(answer).toMatchObject({ status: 405, body: { errcode: 'M_UNRECOGNIZED' } })
      }
    }
  })

  test('what the specification has and this server has not yet is unknown by its right method', async () => {
    for (const [method, path] of [
      ['POST', '/_matrix/key/v2/query'],
      ['GET', '/_matrix/client/v1/auth_metadata'],
      ['HEAD', '/_matrix/client/v1/auth_metadata'],
      // Of this path another method is served.
      ['POST', '/_matrix/client/v3/account/3pid'],
    ] as const) {
      const answer = await alice.request(method, path)
      expect(answer.status).toBe(404)
      if (method !== 'HEAD') expect(answer.body.errcode).toBe('M_UNRECOGNIZED')
    }
    expect((await alice.request('DELETE', '/_matrix/client/v1/auth_metadata')).status).toBe(405)
  })
})

describe('Bodies that are more, or other, than is expected', () => {
  test('TestLogin: a GET may have one', async () => {
    const path = '/_matrix/client/v3/login'
    const answer = await sendRaw(server.baseUrl, { method: 'GET', path, body: '{}' })
    expect(answer).toMatchObject({ status: 200, headers: { 'content-type': 'application/json' } })
    const again = await sendRaw(server.baseUrl, { method: 'GET', path, body: 'not JSON' })
    expect(again.body).toEqual(answer.body)
  })

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'nonsense'])(
    'a JSON body may call itself %s',
    async type => {
      const room = await alice.createRoom()
      const eventId = await sendAs(room, { 'Content-Type': type }, JSON.stringify({ type }))
      expect((await alice.event(room, eventId)).content).toEqual({ type })
    },
  )

  test('a JSON body may be compressed', async () => {
    const room = await alice.createRoom()
    const body = gzipSync('{"said":"small"}')
    const eventId = await sendAs(room, { 'Content-Encoding': 'gzip' }, body)
    expect((await alice.event(room, eventId)).content).toEqual({ said: 'small' })
  })

  async function sendAs(
    room: string,
    headers: Record<string, string>,
    body: string | Uint8Array,
  ): Promise<string> {
    const path = alice.roomPath(room, 'send', 'com.example', alice.nextTransactionId())
    return String((await alice.ok('PUT', path, { headers, body })).event_id)
  }
})
