/**
 * `PUT …/send` and `…/state`: is the event to be sent at once, or does the request ask, in one of
 * MSC4140's dialects, for something that is to happen later?
 */
import { z } from 'zod'
import type { Context } from '../context.ts'
import { alone } from '../delayed-events/delayed-events.ts'
import type { Call } from '../http/call.ts'
import type { JsonObject } from '../lib/json.ts'
import { invalidParam } from '../matrix/errors.ts'
import type { Requester } from '../requester.ts'
import { delayOf, delayQuery } from './delayed-events-query.ts'
import { expiringOf } from './expiring-events.ts'
import { futureOf, futureQuery } from './future-query.ts'
import { futuresOf } from './futures.ts'

/** An event as the path, the query and the body of a request give it. */
export interface GivenEvent {
  roomId: string
  type: string
  stateKey: string | undefined
  content: JsonObject
  transactionId: string | undefined
  /** Unix ms, from an application service. */
  originServerTs?: number | undefined
  /** MSC4354. */
  stickyDurationMs?: number | undefined
}

/** Do what one dialect asks for, once, in one transaction. @returns the answer */
export type Later = (
  ctx: Context,
  requester: Requester,
  event: GivenEvent,
  ways: Ways,
) => Promise<JsonObject>

/** A transaction of its own, or one together with others. */
export type Ways = Pick<Call<'user', unknown, unknown, unknown>, 'once' | 'onceTogether'>

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
