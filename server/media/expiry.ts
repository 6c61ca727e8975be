/** What goes by itself: ids to which nothing was uploaded in time, previews and their pictures. */
import { deleteMediaBefore, deleteUrlPreviewsBefore } from '../../db/media.ts'
import { transaction } from '../../db/transaction.ts'
import type { Job } from '../lib/sweeper.ts'
import type { Context } from './context.ts'

/** A transaction takes no more at once, so that nobody waits long behind it. */
const batchSize = 100

export function pruneMedia(ctx: Context): Job {
  return async isStopped => {
    const now = ctx.clock.now()
    let gone = batchSize
    while (gone === batchSize && !isStopped()) {
      const mediaIds = await transaction(ctx.db, tx => deleteMediaBefore(tx, now, batchSize))
      for (const mediaId of mediaIds) await ctx.mediaFiles.remove(mediaId)
      gone = mediaIds.length
    }
    gone = batchSize
    while (gone === batchSize && !isStopped()) {
      gone = await transaction(ctx.db, tx => deleteUrlPreviewsBefore(tx, now, batchSize))
    }
  }
}
