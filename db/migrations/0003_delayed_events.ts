import { type Kysely, sql } from 'kysely'

/** MSC4140: what is to be sent later, and what became of it. */
export async function delayedEvents(q: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE delayed_events (
      delay_id text PRIMARY KEY,
      seq bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
      user_id text NOT NULL,
      device_id text,
      room_id text NOT NULL REFERENCES rooms,
      type text NOT NULL,
      state_key text,
      content text NOT NULL,
      delay_ms bigint NOT NULL,
      since_ts bigint NOT NULL,
      send_at bigint NOT NULL,
      cancel_policy text NOT NULL CHECK (cancel_policy IN ('any', 'other_user', 'none')),
      dialect text NOT NULL,
      status text NOT NULL CHECK (status IN ('scheduled', 'sent', 'cancelled', 'failed')),
      cause text CHECK (cause IN ('delay', 'action', 'state_update', 'error')),
      finalised_ts bigint,
      event_id text,
      error text
    )`.execute(q)
}
