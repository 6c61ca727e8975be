/**
 * Uploading: at once, or first an id and then the bytes.
 *
 *   (nothing) ──create──► pending ──upload──► there, for good
 *                            └──expired──► (nothing)
 *
 * Spec: Client-Server API "Content repository"
 */
import { lockUser } from '../../db/accounts.ts'
import { completeMedia, insertMedia, selectEndsOfPending, selectMedia } from '../../db/media.ts'
import { transaction } from '../../db/transaction.ts'
import { randomToken } from '../lib/random.ts'
import { cannotOverwriteMedia, forbidden, limitExceeded, notFound } from '../matrix/errors.ts'
import type { Requester } from '../requester.ts'
import { mediaTopic } from '../stream/notifier.ts'
import type { Context } from './context.ts'
import { fileOf } from './files.ts'

/** What is uploaded, and what its sender says of it. */
export interface Upload {
  bytes: AsyncIterable<Uint8Array>
  /** Kept and given again as it is. */
  contentType: string
  fileName: string | undefined
}

/** Unguessable: whoever knows the id may have the file. */
export const newMediaId = () => randomToken(18)

/**
 * @returns the id of the file
 * @throws 413 M_TOO_LARGE
 */
export async function upload(ctx: Context, requester: Requester, given: Upload): Promise<string> {
  const received = await ctx.mediaFiles.receive(given.bytes, ctx.config.media.max_upload_bytes)
  const mediaId = newMediaId()
  // The file first: what is in the table can be downloaded.
  await ctx.mediaFiles.keep(received, fileOf(mediaId))
  try {
    await transaction(ctx.db, tx =>
      insertMedia(tx, {
        media_id: mediaId,
        user_id: requester.userId,
        created_ts: ctx.clock.now(),
        expires_ts: null,
        content_type: given.contentType,
        file_name: given.fileName ?? null,
        size_bytes: received.sizeBytes,
      }),
    )
  } catch (error) {
    await ctx.mediaFiles.remove(mediaId)
    throw error
  }
  return mediaId
}

/**
 * Make an id to upload something to later.
 *
 * @throws 429 M_LIMIT_EXCEEDED the user has too many already to which nothing has been uploaded
 */
export async function createPending(
  ctx: Context,
  { userId }: Requester,
): Promise<{ mediaId: string; expiresTs: number }> {
  const { max_pending_uploads_per_user, pending_upload_lifetime_ms } = ctx.config.media
  const mediaId = newMediaId()
  const now = ctx.clock.now()
  const expiresTs = now + pending_upload_lifetime_ms
  await transaction(ctx.db, async tx => {
    await lockUser(tx, userId)
    const ends = await selectEndsOfPending(tx, userId, now)
    const firstEnd = ends[ends.length - max_pending_uploads_per_user]
    if (firstEnd !== undefined) throw limitExceeded(firstEnd - now)
    await insertMedia(tx, {
      media_id: mediaId,
      user_id: userId,
      created_ts: now,
      expires_ts: expiresTs,
      content_type: null,
      file_name: null,
      size_bytes: null,
    })
  })
  return { mediaId, expiresTs }
}

/**
 * Upload to an id that was made before. Whoever waits for it is woken.
 *
 * @throws 404 M_NOT_FOUND unknown, or expired before all bytes had come · 403 M_FORBIDDEN another
 *   user's · 409 M_CANNOT_OVERWRITE_MEDIA something has been uploaded already · 413 M_TOO_LARGE
 */
export async function uploadTo(
  ctx: Context,
  requester: Requester,
  to: { serverName: string; mediaId: string },
  given: Upload,
): Promise<void> {
  // Before the bytes: most of what is refused need not be received.
  await checkPending(ctx, requester, to)
  const received = await ctx.mediaFiles.receive(given.bytes, ctx.config.media.max_upload_bytes)
  try {
    await checkPending(ctx, requester, to)
    await transaction(ctx.db, async tx => {
      const isFirst = await completeMedia(tx, to.mediaId, {
        content_type: given.contentType,
        file_name: given.fileName ?? null,
        size_bytes: received.sizeBytes,
      })
      if (!isFirst) throw cannotOverwriteMedia()
      // Nobody else writes that file while we hold its row.
      await ctx.mediaFiles.keep(received, fileOf(to.mediaId))
      tx.afterCommit(() => ctx.notifier.publish(1, [mediaTopic(to.mediaId)]))
    })
  } finally {
    await ctx.mediaFiles.discard(received)
  }
}

async function checkPending(
  ctx: Context,
  requester: Requester,
  to: { serverName: string; mediaId: string },
): Promise<void> {
  const isOurs = to.serverName === ctx.config.server_name
  const media = isOurs ? await selectMedia(ctx.db, to.mediaId, ctx.clock.now()) : undefined
  if (!media) throw notFound('There is no such id, or it has expired')
  if (media.user_id !== requester.userId) throw forbidden('The id was made by another user')
  if (media.size_bytes !== null) throw cannotOverwriteMedia()
}
