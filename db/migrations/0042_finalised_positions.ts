import { type Kysely, sql } from 'kysely'

/**
 * Where on the stream a delayed event was finalised, for `/sync` (MSC4309): by its user, and for application services by
 * position alone. Neither index has anything to do with what is scheduled, and a restart touches none.
 */
export async function finalisedPositions(q: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE delayed_events ADD COLUMN finalised_position bigint`.execute(q)
  await sql`ALTER TABLE delayed_events ALTER COLUMN finalised_position SET STATISTICS 0`.execute(q)
  await sql`
    CREATE INDEX delayed_events_told ON delayed_events (finalised_position)
    WHERE finalised_position IS NOT NULL`.execute(q)
  await sql`
    CREATE INDEX delayed_events_told_user ON delayed_events (user_id, finalised_position)
    WHERE finalised_position IS NOT NULL`.execute(q)
}
