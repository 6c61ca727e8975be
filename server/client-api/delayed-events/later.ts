/**
 * `PUT …/send` and `…/state`: is the event to be sent at once, or does the request ask, in one of
 * MSC4140's dialects, for something that is to happen later?
 */
import { z } from 'zod'
import type { Context } from '../../context.ts'
import { alone } from '../../delayed-events/delayed-events.ts'
import { invalidParam } from '../../matrix/errors.ts'
import { delayOf, delayQuery } from './delay-query.ts'
import { expiringOf } from './expiring-events.ts'
import { futureOf, futureQuery } from './future-query.ts'
import { futuresOf } from './futures.ts'
import type { GivenEvent, Later, Ways } from './given-event.ts'

/** The same for endpoints without transaction ids. */
export function withoutTransactionId(
  ctx: Context,
  { onceTogether }: Pick<Ways, 'onceTogether'>,
): Ways {
  return { once: action => alone(ctx, action), onceTogether }
}

export const laterQuery = z.object({ ...delayQuery.shape, ...futureQuery.shape })

/**
 * The dialect in which the request asks for a delay; undefined if it does not.
 *
 * @throws 400 M_INVALID_PARAM it asks in two, or in one that it does not speak well
 */
export function laterOf(query: z.infer<typeof laterQuery>, event: GivenEvent): Later | undefined {
  const asked = [delayOf(query), futureOf(query), futuresOf(event), expiringOf(event.content)]
  const [later, ...others] = asked.filter(dialect => dialect !== undefined)
  if (others.length > 0) throw invalidParam('That asks for two delays at once')
  return later
}
