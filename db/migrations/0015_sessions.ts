import { type Kysely, sql } from 'kysely'

/** How far each application service has been told, and what it is being told now. */
export async function sessions(q: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE app_services (
      app_service_id text PRIMARY KEY,
      position bigint NOT NULL,
      transaction_id text,
      transaction text,
      CHECK ((transaction_id IS NULL) = (transaction IS NULL))
    )`.execute(q)
  // For those who follow the events of all rooms.
  await sql`CREATE INDEX events_by_stream_position ON events (position)`.execute(q)
}
