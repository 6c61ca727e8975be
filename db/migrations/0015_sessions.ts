import { type Kysely, sql } from 'kysely'

/** Application services, tickets, and more to know of devices and sessions. */
export async function sessions(q: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE app_services (
      app_service_id text PRIMARY KEY,
      position bigint NOT NULL,
      transaction_id text,
      transaction text,
      CHECK ((transaction_id IS NULL) = (transaction IS NULL))
    )`.execute(q)
  await sql`
    CREATE TABLE tickets (
      ticket_hash text PRIMARY KEY,
      kind text NOT NULL,
      user_id text NOT NULL REFERENCES users,
      expires_ts bigint NOT NULL
    )`.execute(q)
  await sql`CREATE INDEX tickets_by_end ON tickets (expires_ts)`.execute(q)
  await sql`ALTER TABLE sessions ADD COLUMN refresh_expires_ts bigint`.execute(q)
  await sql`
    ALTER TABLE devices
      ADD COLUMN last_seen_ts bigint, ADD COLUMN last_seen_ip text,
      ADD COLUMN last_seen_user_agent text`.execute(q)
}
