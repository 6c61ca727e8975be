import type { Client } from '../support/client.ts'
import { mustConform } from '../support/must-conform.ts'
import { picture } from '../support/pictures.ts'
import { startServer, type TestServer } from '../support/server.ts'

const legacy = '/_matrix/media/v3'
const authenticated = '/_matrix/client/v1/media'
const day = 86_400_000
const png = picture(279, 129)

let server: TestServer
let alice: Client
let bob: Client
beforeAll(async () => {
  server = await startServer({
    config: { media: { max_upload_bytes: 200_000, max_pending_uploads_per_user: 3 } },
  })
})
beforeEach(async () => {
  alice = await server.user('alice')
  bob = await server.user('bob')
})
afterAll(() => server.stop())

/** A file as it comes, with the client's token unless there is no client. */
async function get(path: string, client?: Client, headers: Record<string, string> = {}) {
  const authorization: Record<string, string> = client
    ? { Authorization: `Bearer ${client.token}` }
    : {}
  const response = await fetch(`${server.baseUrl}${path}`, {
    headers: { ...authorization, ...headers },
  })
  const bytes = Buffer.from(await response.arrayBuffer())
  const { status } = response
  const contentType = response.headers.get('Content-Type')
  mustConform({ method: 'GET', path, status, contentType, text: bytes.toString() })
  return { status, headers: response.headers, bytes }
}

const download = (mediaId: string, name = '', base = authenticated) =>
  get(`${base}/download/hs1/${mediaId}${name && `/${encodeURIComponent(name)}`}`, bob)
const dispositionOf = async (mediaId: string, name?: string) =>
  (await download(mediaId, name)).headers.get('Content-Disposition')

const create = async () => {
  const answer = await alice.ok('POST', '/_matrix/media/v1/create')
  const { unused_expires_at } = answer
  return { unused_expires_at, mediaId: String(answer.content_uri).replace('mxc://hs1/', '') }
}
const uploadTo = (mediaId: string, client = alice, body?: Uint8Array) =>
  client.request('PUT', `${legacy}/upload/hs1/${mediaId}`, {
    body,
    query: { filename: 'test.png' },
    headers: { 'Content-Type': 'image/png' },
  })

describe('TestContent: POST /_matrix/media/v3/upload, GET …/download', () => {
  test('without a token, the bytes and the content type are those of the upload', async () => {
    const mediaId = await alice.upload(png, { contentType: 'img/png' })
    const answer = await get(`${legacy}/download/hs1/${mediaId}`)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('Content-Type')).toBe('img/png')
    expect(answer.bytes.equals(png)).toBe(true)
  })
})

describe('TestContentCSAPIMediaV1: GET /_matrix/client/v1/media/download', () => {
  test('the bytes and the content type are those of the upload', async () => {
    const mediaId = await alice.upload(png, { contentType: 'img/png' })
    const answer = await download(mediaId)
    expect(answer.headers.get('Content-Type')).toBe('img/png')
    expect(answer.bytes.equals(png)).toBe(true)
  })

  test('what is not ASCII in the content type is replaced: ruma reads no such header', async () => {
    const mediaId = await alice.upload(png, { contentType: 'text/plain; name="é"' })
    expect((await download(mediaId)).headers.get('Content-Type')).toBe('text/plain; name="_"')
  })

  test('without a token nothing is given, whatever the path says', async () => {
    const mediaId = await alice.upload(png)
    for (const id of [mediaId, encodeURIComponent(`mxc://hs1/${mediaId}`)]) {
      expect((await get(`${authenticated}/download/hs1/${id}`)).status).toBe(401)
    }
  })
})

describe('TestMediaFilenames: Content-Disposition', () => {
  test.each([
    ['ascii', 'inline; filename="ascii"'],
    ['name with spaces', 'inline; filename="name with spaces"'],
    ['name;with;semicolons', 'inline; filename="name;with;semicolons"'],
    ['a "quoted" \\ name', 'inline; filename="a \\"quoted\\" \\\\ name"'],
    ['🐔', `inline; filename="_"; filename*=utf-8''%F0%9F%90%94`],
    ["l'été*", `inline; filename="l'_t_*"; filename*=utf-8''l%27%C3%A9t%C3%A9%2A`],
    ['two\r\nlines', `inline; filename="two__lines"; filename*=utf-8''two%0D%0Alines`],
  ])('can download file %j', async (fileName, disposition) => {
    const mediaId = await alice.upload(png, { contentType: 'image/png', fileName })
    expect(await dispositionOf(mediaId)).toBe(disposition)
  })

  test.each(['file.png', '☕'])('can download specifying a different file name: %s', async name => {
    const mediaId = await alice.upload(png, { contentType: 'image/png', fileName: '🐔' })
    const other = await alice.upload(png, { contentType: 'image/png', fileName: name })
    expect(await dispositionOf(mediaId, name)).toBe(await dispositionOf(other))
  })

  test.each(['image/svg', 'image/svg+xml', 'text/html', 'application/pdf', 'IMAGE/PNG2', 'x'])(
    'will serve unsafe media types as attachments: %s',
    async contentType => {
      const mediaId = await alice.upload(png, { contentType, fileName: 'ascii' })
      expect(await dispositionOf(mediaId)).toBe('attachment; filename="ascii"')
    },
  )

  test.each(['image/png', 'Image/PNG', 'text/plain; charset=utf-8', 'video/mp4'])(
    'will serve safe media types inline: %s',
    async contentType => {
      const mediaId = await alice.upload(png, { contentType, fileName: 'ascii' })
      expect(await dispositionOf(mediaId)).toBe('inline; filename="ascii"')
    },
  )
})

describe('TestMediaWithoutFileName, TestMediaWithoutFileNameCSMediaV1', () => {
  test.each([legacy, authenticated])('from %s', async base => {
    const mediaId = await alice.upload(png, { contentType: 'image/png' })
    const answer = await download(mediaId, '', base)
    expect(answer.headers.get('Content-Disposition')).toBe('inline')
    expect(answer.bytes.equals(png)).toBe(true)
  })
})

describe('What is served must not run, and may be used by web clients', () => {
  test('the headers say so', async () => {
    const { headers } = await download(await alice.upload(png, { contentType: 'text/html' }))
    expect(headers.get('Content-Security-Policy')).toMatch(/^sandbox; default-src 'none';/)
    expect(headers.get('Cross-Origin-Resource-Policy')).toBe('cross-origin')
    expect(headers.get('X-Content-Type-Options')).toBe('nosniff')
    expect(headers.get('Access-Control-Allow-Origin')).toBe('*')
  })

  test('a part of a file can be had', async () => {
    const path = `${authenticated}/download/hs1/${await alice.upload(png)}`
    const part = await get(path, bob, { Range: 'bytes=100-199' })
    expect(part.status).toBe(206)
    expect(part.bytes.equals(png.subarray(100, 200))).toBe(true)
    const beyond = await get(path, bob, { Range: 'bytes=9999999-' })
    expect(beyond.status).toBe(416)
    expect(beyond.headers.get('Content-Range')).toBe(`bytes */${png.length}`)
    // The refusal is not the file: nothing of what is said of that may be said of it, or be kept a day.
    for (const name of ['Content-Disposition', 'Cache-Control']) {
      expect(beyond.headers.get(name)).toBeNull()
    }
  })

  test('HEAD gives the headers and nothing else', async () => {
    const mediaId = await alice.upload(png, { contentType: 'image/png' })
    const path = `${authenticated}/download/hs1/${mediaId}`
    const { status, headers, text } = await bob.request('HEAD', path)
    expect([status, headers.get('Content-Length'), text]).toEqual([200, `${png.length}`, ''])
  })
})

describe('GET …/download/{serverName}/{mediaId}: what there is not', () => {
  test.each(['hs1/unknown', 'elsewhere.example/unknown'])('%s is M_NOT_FOUND', async path => {
    for (const base of [legacy, authenticated]) {
      const answer = await alice.request('GET', `${base}/download/${path}`)
      expect(answer).toMatchObject({ status: 404, body: { errcode: 'M_NOT_FOUND' } })
    }
  })

  test.each(['..%2F..%2Fetc', '..a', 'a.b', 'a%00b'])('%s is no media id', async id => {
    const answer = await alice.request('GET', `${authenticated}/download/hs1/${id}`)
    expect(answer).toMatchObject({ status: 400, body: { errcode: 'M_INVALID_PARAM' } })
  })
})

describe('TestAsyncUpload: POST /_matrix/media/v1/create, PUT …/upload/{serverName}/{mediaId}', () => {
  test('an id is made, and it is said until when', async () => {
    const { mediaId, unused_expires_at } = await create()
    expect(mediaId).toMatch(/^[\w-]{24}$/)
    expect(unused_expires_at).toBe(server.now() + day)
  })

  test.each([legacy, authenticated])('not yet uploaded: %s', async base => {
    const { mediaId } = await create()
    const answer = bob.request('GET', `${base}/download/hs1/${mediaId}?timeout_ms=5000`)
    await server.untilWaiting(1)
    await server.advance(5_000)
    expect(await answer).toMatchObject({
      status: 504,
      body: { errcode: 'M_NOT_YET_UPLOADED', error: expect.any(String) },
    })
  })

  test('whoever waits gets it when it is uploaded', async () => {
    const { mediaId } = await create()
    const waiting = download(mediaId)
    await server.untilWaiting(1)
    expect(await uploadTo(mediaId, alice, png)).toMatchObject({ status: 200, body: {} })
    const { status, bytes, headers } = await waiting
    expect([status, headers.get('Content-Type')]).toEqual([200, 'image/png'])
    expect(bytes.equals(png)).toBe(true)
    expect(headers.get('Content-Disposition')).toBe('inline; filename="test.png"')
  })

  test('cannot upload to a media ID that has already been uploaded to', async () => {
    const { mediaId } = await create()
    await uploadTo(mediaId, alice, png)
    expect(await uploadTo(mediaId)).toMatchObject({
      status: 409,
      body: { errcode: 'M_CANNOT_OVERWRITE_MEDIA', error: expect.any(String) },
    })
    expect((await download(mediaId)).bytes.equals(png)).toBe(true)
  })

  test('of many who upload at once, one is taken', async () => {
    const { mediaId } = await create()
    const files = Array.from({ length: 8 }, (_, n) => Buffer.alloc(50_000, n))
    const answers = await Promise.all(files.map(file => uploadTo(mediaId, alice, file)))
    const taken = files.filter((_, n) => answers[n]?.status === 200)
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(7).fill(409)])
    expect((await download(mediaId)).bytes.equals(taken[0] ?? png)).toBe(true)
  })

  test('another user cannot upload to it', async () => {
    const { mediaId } = await create()
    expect(await uploadTo(mediaId, bob, png)).toMatchObject({
      status: 403,
      body: { errcode: 'M_FORBIDDEN' },
    })
  })

  test('it expires, and what was uploaded does not', async () => {
    const [{ mediaId }, { mediaId: uploaded }] = [await create(), await create()]
    await uploadTo(uploaded, alice, png)
    await server.advance(day)
    expect(await uploadTo(mediaId, alice, png)).toMatchObject({
      status: 404,
      body: { errcode: 'M_NOT_FOUND' },
    })
    const before = await server.rowCounts()
    await server.advance(2 * 3_600_000)
    expect((await server.rowCounts()).media).toBeLessThan(Number(before.media))
    expect((await download(mediaId)).status).toBe(404)
    expect((await download(uploaded)).status).toBe(200)
  })

  test('a user has only so many that are pending', async () => {
    for (let n = 0; n < 3; n++) await create()
    const answer = await alice.request('POST', '/_matrix/media/v1/create')
    expect(answer).toMatchObject({
      status: 429,
      body: { errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: day },
    })
    await server.advance(day)
    await create()
  })
})

describe('TestMediaConfig: GET …/config', () => {
  test.each([legacy, authenticated])('%s', async base => {
    expect(await alice.ok('GET', `${base}/config`)).toEqual({ 'm.upload.size': 200_000 })
    expect((await server.anonymous().request('GET', `${base}/config`)).status).toBe(401)
  })
})

describe('"Homeservers should not store files that are too large"', () => {
  const tooLarge = { status: 413, body: { errcode: 'M_TOO_LARGE' } }

  test('a file of exactly that size is taken, one byte more is not', async () => {
    const mediaId = await alice.upload(Buffer.alloc(200_000, 1))
    expect((await download(mediaId)).bytes).toHaveLength(200_000)
    const body = Buffer.alloc(200_001)
    const before = await server.rowCounts()
    expect(await alice.request('POST', `${legacy}/upload`, { body })).toMatchObject(tooLarge)
    expect(await server.rowCounts()).toEqual(before)
  })

  test('also if the length is not told beforehand, and the connection can be used on', async () => {
    const piece = Buffer.alloc(50_000)
    const body = new ReadableStream({
      start(controller) {
        for (let n = 0; n < 40; n++) controller.enqueue(piece)
        controller.close()
      },
    })
    const response = await fetch(`${server.baseUrl}${legacy}/upload`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${alice.token}` },
      body,
      duplex: 'half',
    } as RequestInit)
    expect({ status: response.status, body: await response.json() }).toMatchObject(tooLarge)
    await alice.upload(png)
  })

  test('an empty file is a file', async () => {
    const answer = await download(await alice.upload(Buffer.alloc(0)))
    expect([answer.status, answer.bytes.length]).toEqual([200, 0])
  })
})

describe('TestRoomImageRoundtrip: GET /rooms/{roomId}/messages with contains_url', () => {
  test('only the image is given, and both tokens', async () => {
    const room = await alice.createRoom()
    const url = `mxc://hs1/${await alice.upload(png, { contentType: 'image/png' })}`
    await alice.say(room, 'hello')
    const eventId = await alice.send(room, 'm.room.message', {
      msgtype: 'm.image',
      body: 'test.png',
      url,
    })
    const page = await alice.ok('GET', alice.roomPath(room, 'messages'), {
      query: { filter: JSON.stringify({ contains_url: true }), dir: 'b' },
    })
    expect(page.chunk).toMatchObject([{ event_id: eventId, content: { url } }])
    expect(page).toMatchObject({ start: expect.any(String), end: expect.any(String) })
  })
})

test('files outlast a restart', async () => {
  const mediaId = await alice.upload(png)
  await server.restart()
  expect((await download(mediaId)).bytes.equals(png)).toBe(true)
})
