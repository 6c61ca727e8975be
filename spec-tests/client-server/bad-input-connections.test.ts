import type { Client } from '../support/client.ts'
import { closeConnections, sendBytes, sendRaw } from '../support/raw-http.ts'
import { complaintAbout, gist } from '../support/refusals.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let alice: Client
let room: string
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  room = await alice.createRoom()
})
afterAll(async () => {
  closeConnections()
  await server.stop()
})
afterEach(async () => {
  const answer = await alice.request('GET', '/_matrix/client/versions')
  expect(answer.status).toBe(200)
})

const lines = (...all: string[]) => `${all.join('\r\n')}\r\n\r\n`
const versions = '/_matrix/client/versions'
const statusOf = (text: string) => text.split('\r\n', 1)[0]

/** Whatever reaches us is answered in JSON, and so that a browser may read it. */
function expectReadableByBrowsers(text: string): void {
  expect(text).toContain('Content-Type: application/json\r\n')
  expect(text).toContain('Access-Control-Allow-Origin: *\r\n')
}

describe('What is no HTTP is refused by closing the connection, and the server lives on', () => {
  test.each<[string, string | Uint8Array]>([
    ['noise', Buffer.from('00ff00ff0d0a0d0a1a', 'hex')],
    ['words', 'hello, is anybody there?\r\n\r\n'],
    ['TLS', Buffer.from('16030100c2010000be0303', 'hex')],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['another version', lines(`GET ${versions} HTTP/9.9`, 'Host: a')],
    ['an unknown method', lines(`ODD ${versions} HTTP/1.1`, 'Host: a')],
    ['a path with a space', lines('GET /a b HTTP/1.1', 'Host: a')],
    ['a path of raw bytes', Buffer.from(lines('GET /\xff\xfe HTTP/1.1', 'Host: a'), 'latin1')],
    ['a URL of another kind', lines('GET odd: HTTP/1.1', 'Host: a')],
    ['a path with NUL', lines('GET /a\0b HTTP/1.1', 'Host: a')],
    ['a header without a name', lines(`GET ${versions} HTTP/1.1`, ': a')],
    ['NUL in a header', lines(`GET ${versions} HTTP/1.1`, 'Host: a', 'X: a\0b')],
    ['a flood of headers', lines(`GET ${versions} HTTP/1.1`, `X: ${'x'.repeat(100_000)}`)],
    ['a long URL', lines(`GET /${'x'.repeat(100_000)} HTTP/1.1`, 'Host: a')],
    ['a negative length', lines('POST /a HTTP/1.1', 'Host: a', 'Content-Length: -1')],
    ['two lengths', lines('POST /a HTTP/1.1', 'Content-Length: 1', 'Content-Length: 2')],
    [
      'a length and chunks',
      lines('POST /a HTTP/1.1', 'Host: a', 'Content-Length: 3', 'Transfer-Encoding: chunked'),
    ],
    ['a tunnel', lines('CONNECT a:1 HTTP/1.1', 'Host: a')],
  ])('%s', async (_, bytes) => {
    const text = await sendBytes(server.baseUrl, bytes)
    expect(statusOf(text)).toMatch(/^$|^HTTP\/1\.1 4\d\d /)
    if (text !== '') expectReadableByBrowsers(text)
  })

  test('an HTTP/1.1 request without a host is 400, as HTTP itself has it', async () => {
    const text = await sendBytes(server.baseUrl, lines(`GET ${versions} HTTP/1.1`))
    expect(statusOf(text)).toMatch(/^HTTP\/1\.1 400 /)
  })

  test('a URL and headers of 60 KB are read: filters may be long', async () => {
    const url = `${versions}?filter=${'x'.repeat(50_000)}`
    const head = lines(
      `GET ${url} HTTP/1.1`,
      'Host: a',
      `X: ${'x'.repeat(10_000)}`,
      'Connection: close',
    )
    expect(statusOf(await sendBytes(server.baseUrl, head))).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('a URL that is too long is 431 M_TOO_LARGE', async () => {
    const text = await sendBytes(
      server.baseUrl,
      lines(`GET /${'x'.repeat(100_000)} HTTP/1.1`, 'Host: a'),
    )
    expect(statusOf(text)).toMatch(/^HTTP\/1\.1 431 /)
    expect(text).toContain('"errcode":"M_TOO_LARGE"')
  })
})

describe('Half a request, and then nothing', () => {
  const post = (length: number, body: string) =>
    lines(
      'POST /_matrix/client/v3/login HTTP/1.1',
      'Host: a',
      `Content-Length: ${length}`,
      'Connection: close',
    ) + body

  test.each<[string, string]>([
    ['half a line', 'GET /_matrix/cli'],
    ['half the headers', `GET ${versions} HTTP/1.1\r\nHost: a\r\nX-`],
    ['less than the length', post(100, '{"type":"m.login.pass')],
    [
      'a chunk that never comes',
      lines('POST /_matrix/client/v3/login HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked'),
    ],
  ])('%s', async (_, bytes) => {
    expect(await sendBytes(server.baseUrl, bytes, { hangUp: true })).not.toContain(' 500 ')
  })

  test('more than the length is another request, and a broken one', async () => {
    const text = await sendBytes(server.baseUrl, post(2, '{}{"type":1}'))
    expect(text).toContain(' 400 ')
    expect(text).not.toContain(' 500 ')
  })

  test('a broken chunk', async () => {
    const head = lines(
      'POST /_matrix/client/v3/login HTTP/1.1',
      'Host: a',
      'Transfer-Encoding: chunked',
    )
    expect(await sendBytes(server.baseUrl, `${head}zz\r\n{}\r\n0\r\n\r\n`)).not.toContain(' 500 ')
  })
})

describe('Odd, but HTTP', () => {
  test.each<[string, string, RegExp]>([
    ['an absolute URL', 'GET http://a/_matrix/client/versions', /^HTTP\/1\.1 200 /],
    ['an absolute URL that is none', 'GET http://[', /^HTTP\/1\.1 4/],
    ['an absolute URL with an odd port', 'GET http://a:99999999/', /^HTTP\/1\.1 4/],
    ['a star', 'GET *', /^HTTP\/1\.1 4/],
    ['two slashes', 'GET //_matrix/client/versions', /^HTTP\/1\.1 404 /],
    ['two slashes and no host', 'GET //', /^HTTP\/1\.1 404 /],
    ['the way up', 'GET /_matrix/client/v3/../versions', /^HTTP\/1\.1 404 /],
    ['an unknown method', 'PURGE /_matrix/client/versions', /^HTTP\/1\.1 405 /],
  ])('%s', async (_, request, expected) => {
    const bytes = lines(`${request} HTTP/1.1`, 'Host: a', 'Connection: close')
    const text = await sendBytes(server.baseUrl, Buffer.from(bytes, 'latin1'))
    expect(statusOf(text)).toMatch(expected)
    expectReadableByBrowsers(text)
  })

  test.each<[string, Record<string, string>]>([
    ['wants another protocol', { Connection: 'Upgrade', Upgrade: 'websocket' }],
    ['accepts nothing that we have', { Accept: 'image/png', 'Accept-Encoding': 'odd' }],
    ['wants a part', { Range: 'bytes=5-1', 'If-None-Match': '*' }],
    ['has two tokens', { Authorization: 'Bearer a, Bearer b' }],
  ])('a request that %s', async (_, headers) => {
    const answer = await sendRaw(server.baseUrl, { method: 'GET', path: versions, headers })
    expect(complaintAbout(answer)).toBeUndefined()
    expect(answer.status).toBe(200)
  })

  test('an expectation that nobody can meet is 417', async () => {
    const bytes = lines(`GET ${versions} HTTP/1.1`, 'Host: a', 'Expect: odd', 'Connection: close')
    expect(statusOf(await sendBytes(server.baseUrl, bytes))).toContain('417')
  })

  test('OPTIONS is answered everywhere, without a token', async () => {
    for (const path of ['/', '/odd', '/_matrix/client/v3/sync', '/_matrix/client/v3/rooms/%ff/x']) {
      const answer = await sendRaw(server.baseUrl, { method: 'OPTIONS', path })
      expect(answer.status).toBe(204)
      expect(answer.headers['access-control-allow-origin']).toBe('*')
    }
  })
})

describe('Unknown paths are 404 M_UNRECOGNIZED, before authentication', () => {
  test.each([
    '/',
    '/_matrix',
    '/_matrix/',
    '/_matrix/client',
    '/_matrix/client/v3',
    '/_matrix/client/v3/',
    '/_matrix/client/v3/odd',
    '/_matrix/client/v3/Sync',
    '/_matrix/client/v2/sync',
    '/_matrix/client/v3/rooms',
    '/_matrix/client/v3/rooms/!a:hs1',
    '/_matrix/client/v3/rooms/!a:hs1/odd',
    '/_matrix/client/v3/rooms//state',
    '/_matrix/client/v3/rooms/%ff/odd',
    '/_matrix/client/unstable/odd/odd',
    '/__proto__',
    '/constructor',
    '/%00',
    '/%zz',
    '/%',
    '/..%2f..%2fetc%2fpasswd',
    `/${'a/'.repeat(3_000)}`,
  ])('%s', async path => {
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH']) {
      for (const token of [undefined, 'odd', alice.token]) {
        const answer = await sendRaw(server.baseUrl, { method, path, token, body: '{"a":' })
        expect(gist(answer)).toBe('404 M_UNRECOGNIZED')
        expect(complaintAbout(answer)).toBeUndefined()
      }
    }
  })
})

describe('A client that gives up', () => {
  test('while its body is read, while it waits, and after a body that nobody reads', async () => {
    const before = await server.rowCounts()
    const { next_batch } = await alice.sync()
    const giveUp = new AbortController()
    const waiting = alice.sync({ since: next_batch, timeout: 30_000 }, giveUp.signal)
    const head = lines(
      `PUT ${alice.roomPath(room, 'send', 'm.test', 'x')} HTTP/1.1`,
      'Host: a',
      `Authorization: Bearer ${alice.token}`,
      'Content-Length: 100',
    )
    await sendBytes(server.baseUrl, `${head}{"a":1`, { hangUp: true })
    const unread = lines('POST /odd HTTP/1.1', 'Host: a', 'Content-Length: 9', 'Connection: close')
    expect(statusOf(await sendBytes(server.baseUrl, `${unread}{}`, { hangUp: true }))).toMatch(
      /^$|404/,
    )
    giveUp.abort()
    await expect(waiting).rejects.toThrow()
    expect(await server.rowCounts()).toEqual(before)
  })
})
