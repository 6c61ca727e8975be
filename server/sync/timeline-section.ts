/** The timelines of an answer of `/sync`. */

import { isUnfiltered, matchesRoom } from '../matrix/filter.ts'
import type { Range } from '../matrix/readable-ranges.ts'
import type { Context } from './context.ts'
import type { SyncRequest } from './request.ts'
import type { Stretch, Timeline } from './stretch.ts'

const defaultTimelineLimit = 10
const maxTimelineLimit = 1_000

type ReadStretch = Pick<Stretch, 'roomId' | 'since' | 'upTo' | 'isAlwaysLimited'> & {
  /** What the user may read. */
  ranges: readonly Range[]
}

/**
 * The latest events of each stretch, oldest first. Where some are hidden from the user, only those
 * after them: the state stands before the first event, and could not tell what changed in between.
 */
export async function readTimelines(
  ctx: Context,
  request: Pick<SyncRequest, 'filter'>,
  stretches: readonly ReadStretch[],
  ignored: ReadonlySet<string>,
): Promise<Timeline[]> {
  const filter = request.filter.room?.timeline
  const limit = Math.min(filter?.limit ?? defaultTimelineLimit, maxTimelineLimit)
  const ends = stretches.map(({ roomId, since, upTo, ranges }) => {
    const latest = ranges.at(-1)
    const isWanted = latest !== undefined && matchesRoom(roomId, filter ?? {})
    // An end before its beginning holds nothing.
    if (!isWanted) return { roomId, from: 1, upTo: 0 }
    return {
      roomId,
      from: Math.max(latest.from, (since ?? 0) + 1),
      upTo: Math.min(latest.upTo, upTo),
    }
  })
  const found = await ctx.syncReads.timelineEnds(ends, {
    // One more than is shown, to know whether there is more.
    limit: limit + 1,
    filter: isUnfiltered(filter) ? undefined : filter,
    ignored: [...ignored].sort(),
  })
  return stretches.map(({ roomId, since, isAlwaysLimited, ranges }, i) => {
    const rows = found[i] ?? []
    const isWanted = matchesRoom(roomId, filter ?? {})
    const hasEarlier = ranges.slice(0, -1).some(range => range.upTo > (since ?? 0))
    return {
      rows: rows.slice(0, limit).reverse(),
      isLimited: isAlwaysLimited || rows.length > limit || (isWanted && hasEarlier),
    }
  })
}
