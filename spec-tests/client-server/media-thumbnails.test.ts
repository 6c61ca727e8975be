import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import type { Client } from '../support/client.ts'
import { mustConform } from '../support/must-conform.ts'
import { bomb, picture, sizeOfPng } from '../support/pictures.ts'
import { startServer, type TestServer } from '../support/server.ts'

const bases = ['/_matrix/media/v3', '/_matrix/client/v1/media']

let server: TestServer
let alice: Client
beforeAll(async () => {
  server = await startServer({ config: { media: { max_image_pixels: 1_000_000 } } })
  alice = await server.user('alice')
})
afterAll(() => server.stop())

async function thumbnail(mediaId: string, query: string, base = bases[1]) {
  const path = `${base}/thumbnail/hs1/${mediaId}?${query}`
  const response = await fetch(`${server.baseUrl}${path}`, {
    headers: { Authorization: `Bearer ${alice.token}` },
  })
  const bytes = Buffer.from(await response.arrayBuffer())
  const { status, headers } = response
  const contentType = headers.get('Content-Type')
  mustConform({ method: 'GET', path, status, contentType, text: bytes.toString() })
  return { status, headers, bytes }
}

const uploadPicture = (width: number, height: number) =>
  alice.upload(picture(width, height), { contentType: 'image/png', fileName: 'test.png' })
const sizeOf = async (mediaId: string, query: string) => {
  const { width, height } = sizeOfPng((await thumbnail(mediaId, query)).bytes)
  return `${width}x${height}`
}

describe('TestLocalPngThumbnail: GET …/thumbnail/{serverName}/{mediaId}', () => {
  test.each(bases)('from %s', async base => {
    const mediaId = await uploadPicture(600, 400)
    const query = 'width=32&height=32&method=scale'
    const { status, headers, bytes } = await thumbnail(mediaId, query, base)
    expect([status, headers.get('Content-Type')]).toEqual([200, 'image/png'])
    expect(sizeOfPng(bytes)).toEqual({ width: 48, height: 32 })
    expect(headers.get('Content-Disposition')).toBe('inline; filename="thumbnail.png"')
    expect(headers.get('Content-Security-Policy')).toMatch(/^sandbox;/)
  })

  test('without a token, only the old one is given', async () => {
    const mediaId = await uploadPicture(600, 400)
    const statuses = bases.map(async base => {
      const path = `${base}/thumbnail/hs1/${mediaId}`
      const query = { width: 32, height: 32 }
      return (await server.anonymous().request('GET', path, { query })).status
    })
    expect(await Promise.all(statuses)).toEqual([200, 401])
  })
})

describe('"Servers must never return thumbnails smaller than the requested dimensions"', () => {
  test.each([
    ['width=32&height=32&method=crop', '32x32'],
    ['width=100&height=50&method=crop', '100x50'],
    ['width=100&height=50&method=scale', '100x67'],
    ['width=50&height=100', '150x100'],
    // Nor larger than it is: a crop then has the proportions that are asked for.
    ['width=1200&height=200&method=crop', '600x100'],
    ['width=599&height=399&method=scale', '599x399'],
  ])('600x400 with %s is %s', async (query, size) => {
    expect(await sizeOf(await uploadPicture(600, 400), query)).toBe(size)
  })

  test.each(['width=600&height=400&method=crop', 'width=800&height=600', 'width=601&height=1'])(
    'what is no larger is returned as it is: %s',
    async query => {
      const mediaId = await uploadPicture(600, 400)
      const { headers, bytes } = await thumbnail(mediaId, query)
      expect(bytes.equals(picture(600, 400))).toBe(true)
      expect(headers.get('Content-Disposition')).toBe('inline; filename="test.png"')
    },
  )
})

test('many who want the same get the same', async () => {
  const mediaId = await uploadPicture(600, 400)
  const wanted = Array.from({ length: 10 }, () => thumbnail(mediaId, 'width=96&height=96'))
  const [first, ...others] = (await Promise.all(wanted)).map(({ bytes }) => bytes.toString('hex'))
  expect(new Set(others)).toEqual(new Set([first]))
})

test('of one picture, many sizes can be had', async () => {
  const mediaId = await uploadPicture(200, 200)
  for (let side = 50; side < 90; side++) {
    expect(await sizeOf(mediaId, `width=${side}&height=${side}`)).toBe(`${side}x${side}`)
  }
})

test('also at once', async () => {
  const mediaId = await uploadPicture(200, 200)
  const sides = Array.from({ length: 80 }, (_, i) => 100 + i)
  const wanted = sides.map(side => thumbnail(mediaId, `width=${side}&height=${side}`))
  const statuses = (await Promise.all(wanted)).map(({ status }) => status)
  expect(new Set(statuses)).toEqual(new Set([200]))
})

describe('animated', () => {
  /** Two frames of 64 by 48, red and blue. */
  const gif = Buffer.from(
    'R0lGODlhQAAwAIAAAExpcf8AACH/C05FVFNDQVBFMi4wAwEAAAAh+QQFCgAAACwAAAAAQAAwAAACOYyPqcvtD6OctNqLs968+w+G4kiW5omm6sq27gvH8kzX9o3n+s73/g8MCofEovGITCqXzKbzCY0mCwAh+QQFCgAAACwAAAAAQAAwAIBMaXEAAP8COYyPqcvtD6OctNqLs968+w+G4kiW5omm6sq27gvH8kzX9o3n+s73/g8MCofEovGITCqXzKbzCY0mCwA7',
    'base64',
  )

  test.each([
    ['width=16&height=16&animated=true', 'image/webp', true],
    ['width=16&height=16&animated=false', 'image/png', false],
    ['width=16&height=16', 'image/png', false],
    // It is no larger than that, but it "MUST NOT" move.
    ['width=64&height=48&animated=false', 'image/png', false],
    ['width=64&height=48&animated=true', 'image/gif', true],
  ])('%s gives %s', async (query, contentType, moves) => {
    const mediaId = await alice.upload(gif, { contentType: 'image/gif' })
    const { headers, bytes } = await thumbnail(mediaId, query)
    expect(headers.get('Content-Type')).toBe(contentType)
    expect(bytes.includes('ANIM') || bytes.includes('NETSCAPE2.0')).toBe(moves)
  })

  test('what is cut off on the way is refused', async () => {
    const mediaId = await alice.upload(gif.subarray(0, 60), { contentType: 'image/gif' })
    const { status } = await thumbnail(mediaId, 'width=16&height=16&animated=true')
    expect(status).toBe(400)
  })
})

describe('What is seen of a picture is seen of its thumbnail', () => {
  const [red, blue, nothing] = ['255,0,0,255', '0,0,255,255', '0,0,0,0']
  const transparent = (x: number) => (x < 40 ? [255, 0, 0, 255] : [0, 0, 0, 0])

  /** Frames of 80 by 40: the left half of each is red, the right one blue, or as it is painted. */
  function drawing(
    paint = (x: number) => (x < 40 ? [255, 0, 0, 255] : [0, 0, 255, 255]),
    frames = 1,
  ) {
    const pixels = Array.from({ length: 80 * 40 * frames }, (_, i) => {
      const [r = 0, g = 0, b = 0, a = 0] = paint(i % 80)
      // No two frames are the same, or they would be one.
      return [r, i < 80 * 40 ? g : 255, b, a]
    })
    const raw = { width: 80, height: 40 * frames, channels: 4, pageHeight: 40 } as const
    return sharp(Buffer.from(pixels.flat()), { raw })
  }
  const photo = (orientation: number) =>
    drawing()
      .withMetadata({ orientation })
      .withExifMerge({ IFD0: { Model: 'Hasselblad' }, IFD3: { GPSLatitude: '51/1 30/1 0/1' } })

  /** Its size, and the colours of its first and last corner, rounded. */
  async function seen(original: Buffer, contentType: string, query: string) {
    const mediaId = await alice.upload(original, { contentType })
    const { status, bytes, headers } = await thumbnail(mediaId, `width=20&height=20&${query}`)
    expect(status).toBe(200)
    const file = join(folder, mediaId)
    await writeFile(file, bytes)
    const { data, info } = await sharp(file)
      .ensureAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true })
    const { pages = 1, exif, orientation } = await sharp(file, { animated: true }).metadata()
    const pixel = (at: number) =>
      [...data.subarray(at, at + 4)]
        .map(value => (value < 8 ? 0 : value > 247 ? 255 : value))
        .join()
    return {
      type: headers.get('Content-Type'),
      size: `${info.width}x${info.height}`,
      first: pixel(0),
      last: pixel(data.length - 4),
      frames: pages,
      tellsOf: { exif, orientation },
      isClean: !/Hasselblad|Exif|GPS/.test(bytes.toString('latin1')),
    }
  }
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'thumbnails-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  const clean = { frames: 1, tellsOf: {}, isClean: true }

  test.each([
    [1, '40x20', red, blue],
    [2, '40x20', blue, red],
    [3, '40x20', blue, red],
    [4, '40x20', red, blue],
    [5, '20x40', red, blue],
    [6, '20x40', red, blue],
    [7, '20x40', blue, red],
    [8, '20x40', blue, red],
  ])(
    'a photo is upright, and tells nothing of the camera and the place: %i',
    async (...photographed) => {
      const [orientation, size, first, last] = photographed
      const jpeg = await photo(orientation).jpeg().toBuffer()
      expect(jpeg.toString('latin1')).toMatch('Hasselblad')
      const expected = { ...clean, type: 'image/jpeg', first, last }
      expect(await seen(jpeg, 'image/jpeg', 'method=scale')).toEqual({ ...expected, size })
      expect(await seen(jpeg, 'image/jpeg', 'method=crop')).toEqual({ ...expected, size: '20x20' })
    },
  )

  test.each(['png', 'webp', 'avif'] as const)('a photo as %s is upright, too', async format => {
    const shown = await seen(await photo(6).toFormat(format).toBuffer(), `image/${format}`, '')
    expect(shown).toMatchObject({ ...clean, size: '20x40' })
    expect(shown.first).toMatch(/^25\d,\d,\d,/)
    expect(shown.last).toMatch(/^\d,\d,25\d,/)
  })

  test.each([
    ['image/png', () => drawing(transparent).png()],
    ['image/png', () => drawing(transparent).png({ palette: true })],
    ['image/gif', () => drawing(transparent).gif()],
    ['image/webp', () => drawing(transparent).webp({ lossless: true })],
    ['image/avif', () => drawing(transparent).avif({ lossless: true })],
  ])('what is transparent in %s is transparent', async (contentType, drawn) => {
    const shown = await seen(await drawn().toBuffer(), contentType, 'method=scale')
    expect(shown).toEqual({ ...clean, type: 'image/png', size: '40x20', first: red, last: nothing })
  })

  test('and in every frame of an animation', async () => {
    const webp = await drawing(transparent, 2).webp({ lossless: true }).toBuffer()
    const shown = await seen(webp, 'image/webp', 'animated=true')
    expect(shown).toMatchObject({ type: 'image/webp', size: '40x20', first: red, frames: 2 })
    expect(shown.last).toMatch(/,0$/)
  })

  test('grey, and sixteen bits to a colour', async () => {
    const grey = await drawing().flatten().grayscale().png().toBuffer()
    expect(await seen(grey, 'image/png', '')).toMatchObject({ type: 'image/png', size: '40x20' })
    const deep = await drawing().toColourspace('rgb16').png().toBuffer()
    expect(await seen(deep, 'image/png', '')).toMatchObject({ first: red, last: blue })
  })

  test('an animation of small frames that are too many is 413 M_TOO_LARGE', async () => {
    const frames = Array.from({ length: 120 }, (_, i) =>
      Buffer.alloc(100 * 100 * 3, (97 * i) % 256),
    )
    const raw = { width: 100, height: 100 * 120, channels: 3, pageHeight: 100 } as const
    const webp = await sharp(Buffer.concat(frames), { raw }).webp().toBuffer()
    const mediaId = await alice.upload(webp, { contentType: 'image/webp' })
    const { status, bytes } = await thumbnail(mediaId, 'width=20&height=20')
    expect([status, JSON.parse(bytes.toString()).errcode]).toEqual([413, 'M_TOO_LARGE'])
  })

  test('an animation that lies on its side is a picture that stands', async () => {
    const webp = await drawing(undefined, 2)
      .withMetadata({ orientation: 6 })
      .webp({ lossless: true })
      .toBuffer()
    const shown = await seen(webp, 'image/webp', 'animated=true')
    expect(shown).toMatchObject({ ...clean, size: '20x40', first: red, last: blue })
  })
})

describe('What the server cannot thumbnail', () => {
  test.each([
    ['text', Buffer.from('hello')],
    ['nothing', Buffer.alloc(0)],
    ['SVG', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="99" height="99"/>')],
    ['half a picture', picture(600, 400).subarray(0, 2_000)],
  ])('%s is 400 M_UNKNOWN', async (_, bytes) => {
    const mediaId = await alice.upload(bytes, { contentType: 'image/png' })
    const path = `${bases[1]}/thumbnail/hs1/${mediaId}`
    const answer = await alice.request('GET', path, { query: { width: 32, height: 32 } })
    expect(answer).toMatchObject({ status: 400, body: { errcode: 'M_UNKNOWN' } })
  })

  test('a small file that is an enormous picture is 413 M_TOO_LARGE', async () => {
    const mediaId = await alice.upload(bomb(30_000, 30_000), { contentType: 'image/png' })
    const path = `${bases[1]}/thumbnail/hs1/${mediaId}`
    const answer = await alice.request('GET', path, { query: { width: 32, height: 32 } })
    expect(answer).toMatchObject({ status: 413, body: { errcode: 'M_TOO_LARGE' } })
  })

  test.each(['width=32', 'width=0&height=1', 'width=-1&height=1', 'width=1&height=1&method=x'])(
    '%s makes no sense: 400',
    async query => {
      expect((await thumbnail(await uploadPicture(9, 9), query)).status).toBe(400)
    },
  )
})
