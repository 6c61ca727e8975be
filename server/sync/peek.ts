/**
 * The long poll of who looks into a room without being in it, as that of `/sync`.
 *
 * Spec: GET /events with `room_id`, "Room previews"
 */
import { selectTimeline } from '../../db/events.ts'
import type { ClientEvent } from '../matrix/event.ts'
import type { Requester } from '../requester.ts'
import { presentEvents } from '../rooms/present-event.ts'
import { lookAtEvents, viewerOf } from '../rooms/timeline.ts'
import { formatSyncToken, parseToken } from '../stream/token.ts'
import type { Context } from './context.ts'
import { longestTimeoutMs, topicsOf } from './sync.ts'

/** More come with the next answer. */
const mostEvents = 100

/**
 * Events of one room that the user may read, oldest first: as soon as there is one after `from`, or none when
 * the time is up. Without `from` what comes from now on.
 *
 * @param signal ends when the client hangs up
 * @throws 403 M_FORBIDDEN the room is not, or no longer, for them to see · 400 M_INVALID_PARAM a `from` that this
 *   server did not give out · 401 M_UNKNOWN_TOKEN the session has ended meanwhile
 */
export async function peek(
  ctx: Context,
  requester: Requester,
  request: { roomId: string; from: string | undefined; timeoutMs: number },
  signal: AbortSignal,
): Promise<{ start: string; end: string; chunk: ClientEvent[] }> {
  const { roomId, from } = request
  const after =
    from === undefined ? ctx.positions.settled() : parseToken(from, ctx.positions.latest()).position
  const deadline = ctx.clock.now() + Math.min(request.timeoutMs, longestTimeoutMs)
  return ctx.sessionEnds.during(requester, async assertStands => {
    for (;;) {
      const upTo = Math.max(ctx.positions.settled(), after)
      const sight = await lookAtEvents(ctx, requester, roomId, upTo)
      const { ignored } = await ctx.unread.recipient(ctx.db, requester.userId)
      const { ranges } = sight
      const rows = await selectTimeline(ctx.db, {
        roomId,
        ranges,
        after,
        upTo,
        direction: 'forwards',
        limit: mostEvents,
        ignored,
      })
      const chunk = await presentEvents(ctx.db, rows, viewerOf(ctx, requester), [sight])
      assertStands()
      const isDue = ctx.clock.now() >= deadline
      if (rows.length > 0 || isDue || signal.aborted || ctx.notifier.isStopped()) {
        const isAll = rows.length < mostEvents
        const end = isAll ? upTo : (rows.at(-1)?.position ?? upTo)
        return { start: formatSyncToken(after), end: formatSyncToken(end), chunk }
      }
      await ctx.notifier.wait(topicsOf(requester, [roomId]), upTo, deadline, signal)
    }
  })
}
