/** MSC4354: the events of rooms that are sticky at a moment, whatever has come after them. */
import { fixed } from './fixed.ts'
import type { EventRow } from './schema.ts'
import type { Db } from './transaction.ts'

/**
 * What in these rooms came after `after` (exclusive) and is sticky at `now` (Unix ms), in order of position.
 * It is found by that, and not by where it stands: in the index is only what was ever sticky.
 */
export async function selectStickyEvents(
  db: Db,
  roomIds: readonly string[],
  after: number,
  now: number,
): Promise<EventRow[]> {
  if (roomIds.length === 0) return []
  const { rows } = await fixed<EventRow>`
    SELECT * FROM events
    WHERE room_id || '' = ANY(${[...roomIds]}::text[])
      AND sticky_until_ts IS NOT NULL AND sticky_until_ts > ${now} AND position > ${after}
    ORDER BY position`.execute(db.q)
  return rows
}

/** Where in these rooms something stands that is sticky at `now` (Unix ms), in order of position. */
export async function selectStickyPositions(
  db: Db,
  roomIds: readonly string[],
  now: number,
): Promise<Pick<EventRow, 'room_id' | 'position'>[]> {
  if (roomIds.length === 0) return []
  const { rows } = await fixed<Pick<EventRow, 'room_id' | 'position'>>`
    SELECT room_id, position FROM events
    WHERE room_id || '' = ANY(${[...roomIds]}::text[])
      AND sticky_until_ts IS NOT NULL AND sticky_until_ts > ${now}
    ORDER BY position`.execute(db.q)
  return rows
}
