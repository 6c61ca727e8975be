/**
 * Previews of web pages, as OpenGraph describes them. The picture becomes a file of ours, so that
 * who sees the preview does not tell the page of it.
 *
 * Spec: Client-Server API "Content repository", GET /_matrix/client/v1/media/preview_url
 */
import { join } from 'node:path'
import { insertMedia, selectUrlPreview, upsertUrlPreview } from '../../db/media.ts'
import { transaction } from '../../db/transaction.ts'
import { AddressRefused, type Fetched, fetchPublic } from '../lib/fetch-public.ts'
import { InFlight } from '../lib/in-flight.ts'
import type { JsonObject } from '../lib/json.ts'
import { hashSecret } from '../lib/random.ts'
import { forbidden, type MatrixError, unknown } from '../matrix/errors.ts'
import type { Requester } from '../requester.ts'
import type { Context } from './context.ts'
import { fileOf, type Received } from './files.ts'
import { readPage } from './read-page.ts'
import { newMediaId } from './upload.ts'

/** Who has a preview may still want its picture. */
const pictureOutlivesMs = 86_400_000
/** What a page says of itself stands at its beginning. */
const maxPageBytes = 1_048_576

const making = new InFlight<JsonObject>()

/**
 * Look at a web page, or at what was seen of it not long ago.
 *
 * @throws 403 M_FORBIDDEN the address is not public · 502 M_UNKNOWN it cannot be had
 */
export async function previewUrl(
  ctx: Context,
  requester: Requester,
  url: URL,
): Promise<JsonObject> {
  const urlHash = hashSecret(url.href)
  return making.run(join(ctx.mediaFiles.folder, urlHash), async () => {
    const now = ctx.clock.now()
    const known = await selectUrlPreview(ctx.db, urlHash, now)
    if (known !== undefined) return JSON.parse(known) as JsonObject
    const { timeout_ms, cached_ms } = ctx.config.url_previews
    const timeout = new AbortController()
    const timer = ctx.clock.timer(now + timeout_ms, () => timeout.abort())
    const expiresTs = now + cached_ms
    try {
      const signal = AbortSignal.any([timeout.signal, ctx.stopping])
      const preview = await look(ctx, requester, url, signal, expiresTs)
      const row = { url_hash: urlHash, preview: JSON.stringify(preview), expires_ts: expiresTs }
      await transaction(ctx.db, tx => upsertUrlPreview(tx, row))
      return preview
    } catch (error) {
      throw refusalOf(error)
    } finally {
      timer.cancel()
    }
  })
}

async function look(
  ctx: Context,
  requester: Requester,
  url: URL,
  signal: AbortSignal,
  expiresTs: number,
): Promise<JsonObject> {
  const pictureOf = (fetched: Fetched) => keepPicture(ctx, requester, fetched, expiresTs)
  const fetched = await get(ctx, url, signal)
  const type = fetched.body.headers['content-type'] ?? ''
  if (/^image\//i.test(type)) return await pictureOf(fetched)
  if (!/^(text\/html|application\/xhtml\+xml)\b/i.test(type)) {
    fetched.body.destroy()
    return {}
  }
  const { 'og:image': image, ...page } = await readPage(await textOf(fetched, type))
  const text = Object.fromEntries(
    Object.entries(page).filter(([name]) => !name.startsWith('og:image')),
  )
  if (!image || !URL.canParse(image, fetched.url.href)) return text
  try {
    const picture = await pictureOf(await get(ctx, new URL(image, fetched.url), signal))
    return { ...text, ...picture }
  } catch {
    // Kept, it would be without its picture for as long as it is kept.
    ctx.stopping.throwIfAborted()
    // A page without its picture is better than none.
    return text
  }
}

function get(ctx: Context, url: URL, signal: AbortSignal): Promise<Fetched> {
  const { allow_private_addresses: allowPrivate } = ctx.config.url_previews
  // Some servers give nothing to what does not call itself a browser or a bot.
  const headers = { Accept: 'text/html, image/*', 'User-Agent': 'Hourglass (bot; URL previews)' }
  return fetchPublic(url, { allowPrivate, headers, signal })
}

/** The beginning of a page, in the encoding that it says it has. */
async function textOf({ body }: Fetched, type: string): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of body) {
    chunks.push(chunk)
    length += chunk.length
    if (length >= maxPageBytes) break
  }
  const bytes = Buffer.concat(chunks)
  const inPage = bytes.toString('latin1', 0, 1024)
  const [, charset = 'utf-8'] =
    /charset=["']?([\w-]+)/i.exec(type) ?? /<meta[^>]+charset=["']?([\w-]+)/i.exec(inPage) ?? []
  try {
    return new TextDecoder(charset).decode(bytes)
  } catch {
    return bytes.toString('utf8')
  }
}

async function keepPicture(
  ctx: Context,
  requester: Requester,
  { body }: Fetched,
  expiresTs: number,
): Promise<JsonObject> {
  const received = await ctx.mediaFiles.receive(body, ctx.config.url_previews.max_bytes)
  try {
    const { width, height, format } = await ctx.images.look(received.path)
    const contentType = `image/${format === 'heif' ? 'avif' : format}`
    const mediaId = await keep(ctx, requester, received, contentType, expiresTs)
    return {
      'og:image': `mxc://${ctx.config.server_name}/${mediaId}`,
      'og:image:type': contentType,
      'og:image:width': width,
      'og:image:height': height,
      'matrix:image:size': received.sizeBytes,
    }
  } finally {
    await ctx.mediaFiles.discard(received)
  }
}

async function keep(
  ctx: Context,
  requester: Requester,
  received: Received,
  contentType: string,
  expiresTs: number,
): Promise<string> {
  const mediaId = newMediaId()
  await ctx.mediaFiles.keep(received, fileOf(mediaId))
  await transaction(ctx.db, tx =>
    insertMedia(tx, {
      media_id: mediaId,
      user_id: requester.userId,
      created_ts: ctx.clock.now(),
      expires_ts: expiresTs + pictureOutlivesMs,
      content_type: contentType,
      file_name: null,
      size_bytes: received.sizeBytes,
    }),
  )
  return mediaId
}

/** Why exactly is not said: it would be a map of our network. */
function refusalOf(error: unknown): MatrixError {
  if (error instanceof AddressRefused) return forbidden('That address is not public')
  return unknown('The page cannot be had', 502)
}
