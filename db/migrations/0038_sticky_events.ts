import { type Kysely, sql } from 'kysely'

/**
 * MSC4354: what is sticky now is looked up by room and by when it ceases to be, so that what was sticky
 * once is not walked through. Those who want it ask for `room_id || ''`: by `room_id` alone the order of
 * the timeline seemed as good, and is a whole room long.
 */
export async function stickyEvents(q: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE INDEX events_sticky ON events ((room_id || ''), sticky_until_ts)
    WHERE sticky_until_ts IS NOT NULL`.execute(q)
  await sql`ALTER INDEX events_sticky ALTER COLUMN 1 SET STATISTICS 0`.execute(q)
}
