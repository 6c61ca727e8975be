/** MSC4140: what the dialects have in common on the wire. */
import type { Context } from '../../context.ts'
import type { Action, Outcome } from '../../delayed-events/delayed-events.ts'
import type { JsonObject } from '../../lib/json.ts'
import { notFound } from '../../matrix/errors.ts'
import type { View } from '../../rooms/delayed-event-form.ts'

export const stableBase = '/_matrix/client/v1/delayed_events'
export const unstablePrefix = '/_matrix/client/unstable/org.matrix.msc4140'
export const unstableBase = `${unstablePrefix}/delayed_events`
export const spec = 'https://github.com/matrix-org/matrix-spec-proposals/pull/4140'

export const actions: readonly Action[] = ['send', 'cancel', 'restart']

export function viewOf(ctx: Context, base: string): View {
  if (base.startsWith(unstablePrefix)) return 'unstable'
  return ctx.config.delayed_events.strict_shapes ? 'strict' : 'stable'
}

/**
 * The answer of the drafts before 2026: doing again what was done is fine; anything else on a
 * finalised event is 404.
 *
 * Deviation: newer texts say 409, at which matrix-js-sdk gives up the call and lk-jwt-service goes
 * on trying for an hour.
 */
export function answerOr404(action: Action, outcome: Outcome): JsonObject {
  const isSame =
    (action === 'send' && outcome === 'sent') || (action === 'cancel' && outcome === 'cancelled')
  if (outcome === 'done' || isSame) return {}
  throw notFound('That delayed event has been finalised')
}
