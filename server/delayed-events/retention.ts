/** MSC4140 "Getting delayed events": what is over is kept for a while, and not without end. */
import {
  deleteFinalisedBefore,
  deleteFinalisedBeyond,
  selectUsersWithMore,
} from '../../db/delayed-events-retention.ts'
import { type Tx, transaction } from '../../db/transaction.ts'
import type { Job } from '../lib/sweeper.ts'
import type { Context } from './context.ts'

/** A transaction takes no more at once, so that nobody waits long behind it. */
const batchSize = 100

/** Forgets the finalised delayed events that are too old, or too many for their user. */
export function pruneFinalised(ctx: Context): Job {
  // What the last run has seen; the first looks at everything.
  let since = 0
  return async isStopped => {
    const { finalised_kept_ms, finalised_kept_per_user } = ctx.config.delayed_events
    const now = ctx.clock.now()
    const inBatches = async (remove: (tx: Tx) => Promise<number>) => {
      while (!isStopped()) {
        if ((await transaction(ctx.db, remove)) < batchSize) return
      }
    }
    if (finalised_kept_ms > 0) {
      await inBatches(tx => deleteFinalisedBefore(tx, now - finalised_kept_ms, batchSize))
    }
    if (finalised_kept_per_user > 0) {
      for (const userId of await selectUsersWithMore(ctx.db, since, finalised_kept_per_user)) {
        await inBatches(tx => deleteFinalisedBeyond(tx, userId, finalised_kept_per_user, batchSize))
      }
    }
    if (!isStopped()) since = now
  }
}
