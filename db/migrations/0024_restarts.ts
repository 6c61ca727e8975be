import { type Kysely, sql } from 'kysely'

/**
 * The deadline moves with every heartbeat, so no index holds it: an update that touches no indexed
 * column stays in its page (HOT). The scheduler goes by `wake_at`, which is never later.
 */
export async function restarts(q: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE delayed_events ADD wake_at bigint`.execute(q)
  await sql`UPDATE delayed_events SET wake_at = send_at`.execute(q)
  await sql`
    ALTER TABLE delayed_events
      ADD CHECK ((wake_at IS NULL) = (send_at IS NULL)),
      ADD CHECK (wake_at <= send_at),
      SET (fillfactor = 80)`.execute(q)
  await sql`DROP INDEX IF EXISTS delayed_events_due`.execute(q)
  await sql`
    CREATE INDEX delayed_events_waking ON delayed_events (wake_at)
    WHERE status = 'scheduled' AND wake_at IS NOT NULL`.execute(q)
  // How many a user has is limited, so those of one can be sorted when they are listed.
  await sql`DROP INDEX IF EXISTS delayed_events_of_user`.execute(q)
  await sql`DROP INDEX IF EXISTS delayed_events_listed`.execute(q)
  await sql`CREATE INDEX delayed_events_of_user ON delayed_events (user_id, status)`.execute(q)
}
