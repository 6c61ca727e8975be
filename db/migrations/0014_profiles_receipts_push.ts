import { type Kysely, sql } from 'kysely'

/** What users say of themselves, how far they have read, and what they are notified of. */
export async function profilesReceiptsPush(q: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE profile_fields (
      user_id text NOT NULL REFERENCES users,
      key_name text NOT NULL,
      value text NOT NULL,
      PRIMARY KEY (user_id, key_name)
    )`.execute(q)
  await sql`
    CREATE TABLE receipts (
      room_id text NOT NULL REFERENCES rooms,
      user_id text NOT NULL,
      receipt_type text NOT NULL,
      thread_id text NOT NULL,
      event_id text NOT NULL,
      event_position bigint NOT NULL,
      received_ts bigint NOT NULL,
      position bigint NOT NULL,
      PRIMARY KEY (room_id, user_id, receipt_type, thread_id)
    )`.execute(q)
  await sql`CREATE INDEX receipts_changes ON receipts (room_id, position)`.execute(q)
  // Unread events of threads are counted apart from those of the main timeline.
  await sql`
    CREATE INDEX events_in_threads ON events (room_id, position) WHERE rel_type = 'm.thread'
  `.execute(q)
  await sql`
    CREATE TABLE push_rules (
      user_id text PRIMARY KEY REFERENCES users,
      changes text NOT NULL,
      position bigint NOT NULL
    )`.execute(q)
  await sql`
    CREATE TABLE pushers (
      user_id text NOT NULL,
      app_id text NOT NULL,
      pushkey text NOT NULL,
      device_id text NOT NULL,
      kind text NOT NULL,
      app_display_name text NOT NULL,
      device_display_name text NOT NULL,
      profile_tag text,
      lang text NOT NULL,
      data text NOT NULL,
      created_ts bigint NOT NULL,
      pushed_up_to bigint NOT NULL,
      PRIMARY KEY (user_id, app_id, pushkey),
      FOREIGN KEY (user_id, device_id) REFERENCES devices ON DELETE CASCADE
    )`.execute(q)
  await sql`CREATE INDEX pushers_by_device ON pushers (user_id, device_id)`.execute(q)
  await sql`CREATE INDEX pushers_by_pushkey ON pushers (app_id, pushkey)`.execute(q)
}
