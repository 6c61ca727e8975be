/**
 * Sticky events in `/sync`: each is told once, however much has come after it, and all that there are to
 * those who come to a room, whether they may read its past or not. All at once: the text lets a server
 * spread them over several answers, and they cease by themselves within the hour.
 *
 * Spec: MSC4354 "Current /sync"
 */
import type { EventRow } from '../../db/schema.ts'
import type { JsonObject } from '../lib/json.ts'
import { isHeard } from '../rooms/visibility.ts'
import { stickyTopic } from '../stream/notifier.ts'
import type { Context } from './context.ts'
import type { Stretch } from './stretch.ts'

/** What of each stretch is sticky, in its timeline or not; in order of position. */
export async function readSticky(
  ctx: Context,
  stretches: readonly Pick<Stretch, 'roomId' | 'since' | 'upTo' | 'withSticky'>[],
  ignored: ReadonlySet<string>,
): Promise<EventRow[][]> {
  const wishes = stretches.map(({ roomId, since, upTo, withSticky }) => {
    const after = since ?? 0
    const isAny = withSticky && ctx.notifier.hasMoved(stickyTopic(roomId), after)
    return isAny ? { roomId, after, upTo } : undefined
  })
  const found = await ctx.syncReads.sticky(wishes.flatMap(wish => wish ?? []))
  return wishes.map(wish => {
    const rows = wish ? (found.shift() ?? []) : []
    return rows.filter(row => isHeard(row, ignored))
  })
}

/** Under its name and under the one that it has as a draft, which clients read today. */
export function stickySection(events: JsonObject[]): JsonObject {
  return events.length === 0 ? {} : { sticky: { events }, msc4354_sticky: { events } }
}
