/** MSC4354: events that clients are told of for a time, whatever comes after them in the room. */
import { z } from 'zod'
import { queryInteger } from '../http/schemas.ts'
import { invalidParam } from '../matrix/errors.ts'

const durationMs = queryInteger
  .refine(value => value <= 3_600_000, 'is more than 3600000, an hour')
  .optional()

/** For the query of an endpoint that sends, or schedules, an event. */
export const stickyQuery = z.object({
  'org.matrix.msc4354.sticky_duration_ms': durationMs,
  sticky_duration_ms: durationMs,
})

/**
 * @returns for how long, in ms from 0 to an hour, the event is to be sticky; undefined: it is not
 * @throws 400 M_INVALID_PARAM two different durations
 */
export function stickyDurationOf(query: z.infer<typeof stickyQuery>): number | undefined {
  const { 'org.matrix.msc4354.sticky_duration_ms': unstable, sticky_duration_ms: stable } = query
  if (unstable !== undefined && stable !== undefined && unstable !== stable) {
    throw invalidParam('sticky_duration_ms and org.matrix.msc4354.sticky_duration_ms differ')
  }
  return unstable ?? stable
}
