/** Finding what was uploaded. Spec: Client-Server API "Content repository" */
import { selectMedia } from '../../db/media.ts'
import type { MediaRow } from '../../db/schema.ts'
import { notFound, notYetUploaded } from '../matrix/errors.ts'
import { mediaTopic } from '../stream/notifier.ts'
import type { Context } from './context.ts'

/** What the specification says where the client says nothing. */
const defaultWaitMs = 20_000
/** Nobody is held longer than that. */
const longestWaitMs = 60_000

/** A file that is there. */
export interface Media {
  mediaId: string
  contentType: string
  fileName: string | undefined
  sizeBytes: number
}

/**
 * Find a file; if its id has been made and nothing been uploaded to it yet, wait for that.
 *
 * @throws 404 M_NOT_FOUND unknown, expired, or another server's · 504 M_NOT_YET_UPLOADED
 */
export async function findMedia(
  ctx: Context,
  wanted: { serverName: string; mediaId: string; timeoutMs?: number | undefined },
  signal: AbortSignal,
): Promise<Media> {
  const { serverName, mediaId, timeoutMs = defaultWaitMs } = wanted
  if (serverName !== ctx.config.server_name) throw notFound('This server has only its own files')
  const found = await find(ctx, mediaId)
  if (found) return found
  const deadline = ctx.clock.now() + Math.min(timeoutMs, longestWaitMs)
  await ctx.notifier.wait([mediaTopic(mediaId)], 0, deadline, signal)
  const uploaded = await find(ctx, mediaId)
  if (!uploaded) throw notYetUploaded()
  return uploaded
}

/** Undefined: not yet uploaded. */
async function find(ctx: Context, mediaId: string): Promise<Media | undefined> {
  const media = await selectMedia(ctx.db, mediaId, ctx.clock.now())
  if (!media) throw notFound('There is no such file')
  return mediaOf(media)
}

function mediaOf(row: MediaRow): Media | undefined {
  const { media_id: mediaId, content_type: contentType, size_bytes: sizeBytes } = row
  if (contentType === null || sizeBytes === null) return undefined
  return { mediaId, contentType, fileName: row.file_name ?? undefined, sizeBytes }
}
