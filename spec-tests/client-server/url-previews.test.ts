import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Client } from '../support/client.ts'
import { picture } from '../support/pictures.ts'
import { startServer, type TestServer } from '../support/server.ts'

const bases = ['/_matrix/media/v3', '/_matrix/client/v1/media']
const png = picture(279, 129)
const html = `<html prefix="og: http://ogp.me/ns#"><head><title>The Rock (1996)</title>
  <meta property="og:title" content="The Rock" />
  <meta property="og:type" content="video.movie" />
  <meta property="og:url" content="http://www.imdb.com/title/tt0117500/" />
  <meta property="og:image" content="test.png" /></head><body></body></html>`

let server: TestServer
let alice: Client
let web: Server
let site: string
const seen: string[] = []

const pages: Record<string, { type: string; body: string | Buffer }> = {
  '/test.html': { type: 'text/html', body: html },
  '/test.png': { type: 'image/png', body: png },
  '/plain.html': {
    type: 'text/html; charset=iso-8859-1',
    body: Buffer.from(
      '<title>Caf\xe9 &amp; bar</title><meta name=description content=x>',
      'latin1',
    ),
  },
  '/no-picture.html': { type: 'text/html', body: html.replace('test.png', 'gone.png') },
  '/data': { type: 'application/octet-stream', body: 'x' },
}
const serve: RequestListener = ({ url = '' }, response) => {
  seen.push(url)
  const page = pages[url]
  if (url === '/silent') return
  if (url === '/moved') response.writeHead(302, { Location: '/test.html' }).end()
  else if (url === '/round') response.writeHead(302, { Location: '/round' }).end()
  else if (!page) response.writeHead(404).end()
  else response.writeHead(200, { 'Content-Type': page.type }).end(page.body)
}

beforeAll(async () => {
  web = createServer(serve)
  await new Promise<void>(resolve => web.listen(0, '127.0.0.1', resolve))
  site = `http://127.0.0.1:${(web.address() as AddressInfo).port}`
  server = await startServer()
  alice = await server.user('alice')
})
beforeEach(() => {
  seen.length = 0
})
afterAll(async () => {
  web.closeAllConnections()
  web.close()
  await server.stop()
})

const preview = (url: string, base = bases[1], client = alice) =>
  client.request('GET', `${base}/preview_url`, { query: { url } })

describe('TestUrlPreview: GET …/preview_url', () => {
  test.each(bases)('%s', async base => {
    const { status, body } = await preview(`${site}/test.html`, base)
    expect(status).toBe(200)
    expect(body).toEqual({
      'og:title': 'The Rock',
      'og:type': 'video.movie',
      'og:url': 'http://www.imdb.com/title/tt0117500/',
      'og:image': expect.stringMatching(/^mxc:\/\/hs1\//),
      'og:image:type': 'image/png',
      'og:image:width': 279,
      'og:image:height': 129,
      'matrix:image:size': png.length,
    })
    const path = String(body['og:image']).replace('mxc://', `${bases[1]}/download/`)
    const { headers } = await alice.request('GET', path)
    expect(headers.get('Content-Length')).toBe(`${png.length}`)
  })

  test('a page without OpenGraph has a title all the same', async () => {
    const { body } = await preview(`${site}/plain.html`)
    expect(body).toEqual({ 'og:title': 'Café & bar', 'og:description': 'x' })
  })

  test.each(['/no-picture.html', '/moved'])('%s', async path => {
    expect((await preview(site + path)).body).toMatchObject({ 'og:title': 'The Rock' })
  })

  test('a picture is its own preview; of other files there is none', async () => {
    expect((await preview(`${site}/test.png`)).body).toMatchObject({ 'og:image:width': 279 })
    expect(await preview(`${site}/data`)).toMatchObject({ status: 200, body: {} })
  })

  test('it is asked once an hour', async () => {
    await server.advance(3_600_000)
    await Promise.all([1, 2, 3].map(() => preview(`${site}/moved`)))
    expect(seen).toEqual(['/moved', '/test.html', '/test.png'])
    await server.advance(3_600_000)
    await preview(`${site}/moved`)
    expect(seen).toHaveLength(6)
  })

  test.each(['/gone', '/round'])('%s cannot be had: 502', async path => {
    expect(await preview(site + path)).toMatchObject({
      status: 502,
      body: { errcode: 'M_UNKNOWN' },
    })
  })

  test('a page that says nothing is not waited for for ever', async () => {
    const answer = preview(`${site}/silent`)
    while (!seen.includes('/silent')) await new Promise(resolve => setImmediate(resolve))
    await server.advance(10_000)
    expect((await answer).status).toBe(502)
  })

  test.each(['', 'x', 'ftp://example.org/', 'file:///etc/passwd'])('%j is 400', async url => {
    expect((await preview(url)).status).toBe(400)
  })

  test('not without a token', async () => {
    expect((await preview(site, bases[0], server.anonymous())).status).toBe(401)
  })
})

describe('Unless it is allowed, no private address is asked', () => {
  let careful: TestServer
  let bob: Client
  beforeAll(async () => {
    careful = await startServer({ config: { url_previews: { allow_private_addresses: false } } })
    bob = await careful.user('bob')
  })
  afterAll(() => careful.stop())

  test.each([
    ...['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '2130706433', '0x7f.1', '0.0.0.0'],
    ...['10.0.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '[fe80::1]', '[fd00::1]'],
    ...['[64:ff9b::7f00:1]', '[2002:7f00:1::]', '[64:ff9b:1::7f00:1]', '[::ffff:0:127.0.0.1]'],
    // An IPv4 address in the oldest way of all, and what nobody has been given.
    ...['[::127.0.0.1]', '[::a9fe:a9fe]', '[4000::1]'],
    ...['127.0.0.1.', '0177.0.0.1', '127.1', 'user:word@127.0.0.1'],
  ])('%s', async host => {
    const url = `http://${host}:${new URL(site).port}/test.html`
    expect(await preview(url, bases[1], bob)).toMatchObject({
      status: 403,
      body: { errcode: 'M_FORBIDDEN' },
    })
    expect(seen).toEqual([])
  })
})
