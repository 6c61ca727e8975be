/**
 * The long-poll loop of simplified sliding sync. As that of `/sync`, it reads up to a settled
 * position and waits for topics to move past that very position.
 *
 * Spec: MSC4186, in the form that clients speak today: decision 0037
 */

import type { JsonObject } from '../../lib/json.ts'
import type { Requester } from '../../requester.ts'
import type { Context } from '../context.ts'
import { notePresence } from '../presence-section.ts'
import { longestTimeoutMs, topicsOf } from '../sync.ts'
import { buildSlidingSync } from './build-sliding-sync.ts'
import type { SlidingRequest } from './request.ts'

/**
 * Answer as soon as there is something to tell, or when the time is up; at once without `pos`.
 *
 * @param signal ends when the client hangs up
 * @throws 400 M_UNKNOWN_POS a `pos` that is not of this connection, or no longer · 401 M_UNKNOWN_TOKEN the
 *   session has ended meanwhile
 */
export async function slidingSync(
  ctx: Context,
  requester: Requester,
  request: SlidingRequest,
  signal: AbortSignal,
): Promise<JsonObject> {
  const turn = ctx.slidingConnections.begin(requester, request.connId, request.pos)
  const { told } = turn
  const deadline = ctx.clock.now() + Math.min(request.timeoutMs, longestTimeoutMs)
  await notePresence(ctx, requester.userId, request.setPresence, deadline)
  return ctx.sessionEnds.during(requester, async assertStands => {
    for (;;) {
      const upTo = Math.max(ctx.positions.settled(), told.upTo ?? 0)
      const answer = await buildSlidingSync(ctx, requester, request, told, upTo)
      const { body, isEmpty, news, joinedRoomIds } = answer
      assertStands()
      const isDue = request.pos === undefined || ctx.clock.now() >= deadline
      if (!isEmpty || isDue || signal.aborted || ctx.notifier.isStopped()) {
        return { pos: ctx.slidingConnections.answer(turn, news), ...body }
      }
      await ctx.notifier.wait(topicsOf(requester, joinedRoomIds), upTo, deadline, signal)
    }
  })
}
