/**
 * MSC4140 as deployed clients speak it: a delay in the query of /send and /state.
 *
 * `org.matrix.msc4140.delay` is what matrix-js-sdk, matrix-rust-sdk and Complement send; `delay` is
 * the stable name of the same draft. Neither is ever ignored: that would send the event at once.
 */
import { z } from 'zod'
import type { Context } from '../../context.ts'
import {
  assertMaySchedule,
  MaxDelayExceeded,
  TooManyScheduled,
} from '../../delayed-events/schedule.ts'
import { delayNotUnderstood } from '../../http/delays-not-understood.ts'
import { invalidParam, MatrixError } from '../../matrix/errors.ts'
import type { Later } from './given-event.ts'

const unstableName = 'org.matrix.msc4140.delay'

/** However long: too long is said in another way than wrong. */
const delayMs = z
  .string()
  .regex(/^[1-9]\d*$/, 'is not a number of milliseconds above 0')
  .transform(Number)
  .optional()

export const delayQuery = z.object({ [unstableName]: delayMs, delay: delayMs })

/**
 * @returns undefined if the query has no delay
 * @throws 400 M_INVALID_PARAM two different delays
 */
export function delayOf(query: z.infer<typeof delayQuery>): Later | undefined {
  const { [unstableName]: unstable, delay: stable } = query
  if (unstable !== undefined && stable !== undefined && unstable !== stable) {
    throw invalidParam('delay and org.matrix.msc4140.delay differ')
  }
  const delayMs = unstable ?? stable
  if (delayMs === undefined) return undefined
  return (ctx, requester, { transactionId: _, ...event }, { onceTogether }) => {
    assertSpoken(ctx, query)
    const request = {
      ...event,
      delayMs,
      // The draft of 2024-10, as Synapse has it: the owner's own update leaves it alone.
      cancelPolicy: ctx.config.delayed_events.cancel_policy,
      dialect: unstable === undefined ? 'stable_query' : 'unstable_query',
    }
    return inDialect(unstable !== undefined, async () => {
      assertMaySchedule(ctx, requester, request)
      return onceTogether(ctx.schedules, { requester, ...request })
    })
  }
}

/** @throws 400 M_UNRECOGNIZED one of the names belongs to a dialect that is switched off */
function assertSpoken(ctx: Context, query: z.infer<typeof delayQuery>): void {
  const { stable_delay, unstable_delay } = ctx.config.delayed_events.dialects
  if (query[unstableName] !== undefined && !unstable_delay) throw delayNotUnderstood(unstableName)
  if (query.delay !== undefined && !stable_delay) throw delayNotUnderstood('delay')
}

/** Say in this dialect that a delay is too long, or that there are too many. */
async function inDialect<T>(isUnstable: boolean, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    // By its unstable name it stays 429: matrix-js-sdk then waits.
    if (error instanceof TooManyScheduled && !isUnstable) {
      throw new MatrixError(400, 'M_MAX_DELAYED_EVENTS_EXCEEDED', error.message)
    }
    if (!(error instanceof MaxDelayExceeded)) throw error
    if (!isUnstable) {
      throw new MatrixError(400, 'M_MAX_DELAY_EXCEEDED', error.message, {
        max_delay: error.maxDelayMs,
      })
    }
    // Deviation: newer texts say 403; only on this body does matrix-js-sdk try again with less.
    throw new MatrixError(400, 'M_UNKNOWN', error.message, {
      'org.matrix.msc4140.errcode': 'M_MAX_DELAY_EXCEEDED',
      'org.matrix.msc4140.max_delay': error.maxDelayMs,
    })
  }
}
