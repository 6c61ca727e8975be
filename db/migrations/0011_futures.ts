import { type Kysely, sql } from 'kysely'

/**
 * What the drafts of 2024 need: groups of which one is sent, events that wait for an action and
 * have no delay, what follows an event, and secrets that stand for a delayed event.
 */
export async function futures(q: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE delayed_events
      ALTER delay_ms DROP NOT NULL,
      ALTER send_at DROP NOT NULL,
      ADD group_id text,
      ADD member text,
      ADD follows_event_id text,
      ADD transaction_id text,
      ADD CHECK ((delay_ms IS NULL) = (send_at IS NULL)),
      ADD CHECK (delay_ms IS NOT NULL OR group_id IS NOT NULL),
      DROP CONSTRAINT delayed_events_cause_check,
      ADD CONSTRAINT delayed_events_cause_check
        CHECK (cause IN ('delay', 'action', 'state_update', 'group', 'error'))`.execute(q)
  await sql`
    CREATE INDEX delayed_events_following ON delayed_events (follows_event_id)
    WHERE status = 'scheduled' AND follows_event_id IS NOT NULL`.execute(q)
  await sql`
    CREATE TABLE delayed_event_secrets (
      secret_hash text PRIMARY KEY,
      delay_id text NOT NULL REFERENCES delayed_events ON DELETE CASCADE,
      power text NOT NULL CHECK (power IN ('send', 'cancel', 'refresh', 'future', 'expire'))
    )`.execute(q)
  await sql`
    CREATE INDEX delayed_event_secrets_of ON delayed_event_secrets (delay_id)`.execute(q)
}
