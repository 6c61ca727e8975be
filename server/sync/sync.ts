/**
 * The long-poll loop of `/sync`, nothing else.
 *
 * It cannot miss anything: it reads up to a settled position, below which nothing can appear any
 * more, and waits for topics to move past that very position. A wake-up that came before the wait
 * is remembered, one that comes after it ends it.
 *
 * Bounds, here and in every section: `since` exclusive, `upTo` inclusive.
 *
 * Spec: GET /sync
 */

import type { JsonObject } from '../lib/json.ts'
import type { Requester } from '../requester.ts'
import { roomTopic, sessionTopic, userFinalisedTopic, userTopic } from '../stream/notifier.ts'
import { formatSyncToken, parseToken } from '../stream/token.ts'
import { buildSync } from './build-sync.ts'
import type { Context } from './context.ts'
import { tellsFinalised } from './finalised-section.ts'
import { keyCountsSection } from './key-counts-section.ts'
import { notePresence } from './presence-section.ts'
import type { SyncRequest } from './request.ts'

/** Longer than this nobody is kept waiting; clients ask for 30 s. */
export const longestTimeoutMs = 10 * 60_000

/**
 * Answer as soon as there is something to tell, or when the time is up.
 *
 * @param signal ends when the client hangs up
 * @throws 400 M_INVALID_PARAM a `since` that this server did not give out · 401 M_UNKNOWN_TOKEN the
 *   session has ended meanwhile
 */
export async function sync(
  ctx: Context,
  requester: Requester,
  request: SyncRequest,
  signal: AbortSignal,
): Promise<JsonObject> {
  const since =
    request.since === undefined
      ? undefined
      : parseToken(request.since, ctx.positions.latest()).position
  const deadline = ctx.clock.now() + Math.min(request.timeoutMs, longestTimeoutMs)
  await notePresence(ctx, requester.userId, request.setPresence, deadline)
  const besides = tellsFinalised(ctx, request.filter) ? [userFinalisedTopic(requester.userId)] : []
  let stayedIn: string[] | undefined
  return ctx.sessionEnds.during(requester, async assertStands => {
    for (;;) {
      const settled = Math.max(ctx.positions.settled(), since ?? 0)
      const window = { since, upTo: settled }
      const [{ body, isEmpty, joinedRoomIds, upTo }, ...counted] = await Promise.all([
        buildSync(ctx, requester, request, window, stayedIn),
        // Whoever begins, or has been woken, will most likely answer.
        ...(since === undefined || stayedIn ? [keyCountsSection(ctx, requester)] : []),
      ])
      assertStands()
      const isDue = since === undefined || request.fullState || ctx.clock.now() >= deadline
      if (!isEmpty || isDue || signal.aborted || ctx.notifier.isStopped()) {
        const [keyCounts = await keyCountsSection(ctx, requester)] = counted
        return { next_batch: formatSyncToken(upTo), ...body, ...keyCounts }
      }
      stayedIn = joinedRoomIds
      const topics = [...topicsOf(requester, joinedRoomIds), ...besides]
      await ctx.notifier.wait(topics, upTo, deadline, signal)
    }
  })
}

/** What a long poll waits for. */
export const topicsOf = ({ userId, deviceId }: Requester, roomIds: readonly string[]): string[] => [
  userTopic(userId),
  sessionTopic(userId, deviceId),
  ...roomIds.map(roomTopic),
]
