import { type Kysely, sql } from 'kysely'

/** What lists of delayed events go along, what is forgotten after a time, and sticky events. */
export async function lists(q: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE INDEX delayed_events_finalised_listed ON delayed_events (user_id, finalised_ts, seq)
    WHERE status <> 'scheduled'`.execute(q)
  // It begins like the new one, which serves whatever it served.
  await sql`DROP INDEX IF EXISTS delayed_events_finalised`.execute(q)
  await sql`
    CREATE INDEX delayed_events_by_end ON delayed_events (finalised_ts)
    WHERE status <> 'scheduled'`.execute(q)
  await sql`
    ALTER TABLE delayed_events
      ADD origin_server_ts bigint,
      ADD sticky_duration_ms bigint`.execute(q)
  await sql`ALTER TABLE events ADD sticky_until_ts bigint`.execute(q)
  await sql`CREATE INDEX transaction_ids_by_age ON transaction_ids (created_ts)`.execute(q)
}
