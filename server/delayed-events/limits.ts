/**
 * How often delayed events may be managed: by delayed event, by user where there is a token, and by
 * address only for what does not exist. The address of who manages what exists never counts: one
 * lk-jwt-service, which sends no token, manages those of everybody.
 */

import { type MatrixError, notFound } from '../matrix/errors.ts'
import type { Requester } from '../requester.ts'
import type { Context } from './context.ts'

/** Who asks for something to be done. */
export interface Caller {
  /** Undefined: an id, or a secret, is the credential. */
  requester: Requester | undefined
  /** Where the request comes from. */
  address: string
}

/** @throws 429 M_LIMIT_EXCEEDED */
export function countManagement(ctx: Context, caller: Caller, delayId: string): void {
  if (isExempt(caller)) return
  // First, so that who hammers one can still manage the others.
  ctx.rateLimits.take('delayed_event_management', delayId)
  countUser(ctx, caller)
}

/**
 * What to throw at who names a delayed event that does not exist.
 *
 * @returns 404 M_NOT_FOUND
 * @throws 429 M_LIMIT_EXCEEDED
 */
export function unknownDelayedEvent(ctx: Context, caller: Caller): MatrixError {
  if (!isExempt(caller)) {
    ctx.rateLimits.take('delayed_event_misses', caller.address)
    countUser(ctx, caller)
  }
  return notFound('There is no such delayed event')
}

const isExempt = ({ requester }: Caller) => requester?.isRateLimited === false

function countUser(ctx: Context, { requester }: Caller): void {
  if (requester) ctx.rateLimits.take('delayed_event_management_by_user', requester)
}
