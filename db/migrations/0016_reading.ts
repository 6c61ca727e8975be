import { type Kysely, sql } from 'kysely'

/** What reading a room asks for beside its timeline and its state. */
export async function reading(q: Kysely<unknown>): Promise<void> {
  // Whom a room without a name is called after, however many are in it.
  await sql`
    CREATE INDEX room_state_present ON room_state (room_id, position)
    WHERE until_position IS NULL AND membership IN ('join', 'invite')`.execute(q)
  await sql`
    CREATE INDEX room_state_gone ON room_state (room_id, position)
    WHERE until_position IS NULL AND membership IN ('leave', 'ban')`.execute(q)
  // Children of an event: all in order, of one kind in order, and by whom.
  await sql`
    CREATE INDEX events_by_parent ON events (relates_to, position)
    WHERE relates_to IS NOT NULL`.execute(q)
  await sql`
    CREATE INDEX events_by_relation ON events (relates_to, rel_type, position)
    WHERE relates_to IS NOT NULL`.execute(q)
  await sql`
    CREATE INDEX events_by_related_sender ON events (relates_to, rel_type, sender)
    WHERE relates_to IS NOT NULL`.execute(q)
  await sql`
    CREATE INDEX events_by_time ON events (room_id, origin_server_ts, position)
  `.execute(q)
  await sql`
    CREATE TABLE threads (
      root_event_id text PRIMARY KEY REFERENCES events,
      room_id text NOT NULL,
      root_position bigint NOT NULL,
      latest_position bigint NOT NULL,
      reply_count int NOT NULL
    )`.execute(q)
  await sql`CREATE INDEX threads_by_room ON threads (room_id, latest_position)`.execute(q)
  await sql`
    CREATE TABLE thread_subscriptions (
      user_id text NOT NULL,
      root_event_id text NOT NULL,
      room_id text NOT NULL,
      position bigint NOT NULL,
      is_subscribed boolean NOT NULL,
      is_automatic boolean NOT NULL,
      PRIMARY KEY (user_id, root_event_id)
    )`.execute(q)
  await sql`
    CREATE INDEX thread_subscriptions_changes ON thread_subscriptions (user_id, position)
  `.execute(q)
  await sql`
    CREATE TABLE searchable_texts (
      event_id text PRIMARY KEY,
      room_id text NOT NULL,
      position bigint NOT NULL,
      key text NOT NULL,
      words tsvector NOT NULL
    )`.execute(q)
  await sql`CREATE INDEX searchable_texts_words ON searchable_texts USING gin (words)`.execute(q)
  await sql`
    CREATE TABLE reports (
      report_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      reporter text NOT NULL,
      reported_ts bigint NOT NULL,
      room_id text,
      event_id text,
      user_id text,
      reason text NOT NULL
    )`.execute(q)
}
