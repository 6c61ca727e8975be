/** How far a user has read a room, and each of its threads. */
import type { ReceiptRow } from '../../db/schema.ts'

export interface ReadMarks {
  /** Position: read up to here (inclusive) in every thread. */
  everywhere: number
  /** By thread, `main` among them; what lies below `everywhere` does not matter. */
  threads: Map<string, number>
}

/** @param joinedAt position: nothing before it was ever unread */
export function readMarks(
  receipts: readonly Pick<ReceiptRow, 'thread_id' | 'event_position'>[],
  joinedAt: number,
): ReadMarks {
  const threads = new Map<string, number>()
  let everywhere = joinedAt
  // Public or private does not matter: the one that is further counts.
  for (const { thread_id, event_position } of receipts) {
    if (thread_id === '') everywhere = Math.max(everywhere, event_position)
    else threads.set(thread_id, Math.max(threads.get(thread_id) ?? 0, event_position))
  }
  return { everywhere, threads }
}

/** Position after which (exclusive) events of this thread are unread. */
export function unreadAfter({ everywhere, threads }: ReadMarks, thread: string): number {
  return Math.max(everywhere, threads.get(thread) ?? 0)
}
