/**
 * MSC4140 as deployed clients speak it: a delay in the query of /send and /state.
 *
 * `org.matrix.msc4140.delay` is what matrix-js-sdk, matrix-rust-sdk and Complement send; `delay` is
 * the stable name of the same draft. Neither is ever ignored: that would send the event at once.
 */
import { z } from 'zod'
import { MaxDelayExceeded, type ScheduleRequest } from '../delayed-events/delayed-events.ts'
import { invalidParam, MatrixError } from '../matrix/errors.ts'

type QueryDialect = 'unstable_query' | 'stable_query'

const delayMs = z
  .string()
  .regex(/^[1-9]\d{0,14}$/, 'is not a number of milliseconds above 0')
  .transform(Number)
  .optional()

export const delayQuery = z.object({ 'org.matrix.msc4140.delay': delayMs, delay: delayMs })

/**
 * @returns undefined if the event is to be sent now
 * @throws 400 M_INVALID_PARAM two different delays
 */
export function delayOf(
  query: z.infer<typeof delayQuery>,
): (Pick<ScheduleRequest, 'delayMs' | 'cancelPolicy'> & { dialect: QueryDialect }) | undefined {
  const { 'org.matrix.msc4140.delay': unstable, delay: stable } = query
  if (unstable !== undefined && stable !== undefined && unstable !== stable) {
    throw invalidParam('delay and org.matrix.msc4140.delay differ')
  }
  const delay = unstable ?? stable
  if (delay === undefined) return undefined
  return {
    delayMs: delay,
    // The draft of 2024-10, as Synapse has it: the owner's own update leaves it alone.
    cancelPolicy: 'other_user',
    dialect: unstable === undefined ? 'stable_query' : 'unstable_query',
  }
}

/** Say in this dialect that a delay is too long. */
export async function inDialect<T>(dialect: QueryDialect, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof MaxDelayExceeded)) throw error
    if (dialect === 'stable_query') {
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
