import { type Kysely, sql } from 'kysely'

/** Rooms, their events, and their state through time. */
export async function rooms(q: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE rooms (
      room_id text PRIMARY KEY,
      version text NOT NULL,
      last_event_id text,
      last_event_hash text,
      last_depth bigint NOT NULL,
      joined_members int NOT NULL,
      invited_members int NOT NULL,
      is_public boolean NOT NULL
    )`.execute(q)
  await sql`
    CREATE TABLE events (
      event_id text PRIMARY KEY,
      room_id text NOT NULL REFERENCES rooms,
      position bigint NOT NULL,
      type text NOT NULL,
      state_key text,
      sender text NOT NULL,
      origin_server_ts bigint NOT NULL,
      pdu text NOT NULL,
      reference_hash text,
      contains_url boolean NOT NULL,
      relates_to text,
      rel_type text,
      redacted_by text,
      device_id text,
      transaction_id text,
      delay_id text
    )`.execute(q)
  await sql`CREATE UNIQUE INDEX events_by_position ON events (room_id, position)`.execute(q)
  await sql`
    CREATE UNIQUE INDEX events_by_delay_id ON events (delay_id) WHERE delay_id IS NOT NULL
  `.execute(q)
  await sql`
    CREATE TABLE room_state (
      room_id text NOT NULL,
      type text NOT NULL,
      state_key text NOT NULL,
      position bigint NOT NULL,
      until_position bigint,
      event_id text NOT NULL REFERENCES events,
      sender text NOT NULL,
      membership text,
      PRIMARY KEY (room_id, type, state_key, position)
    )`.execute(q)
  await sql`
    CREATE UNIQUE INDEX room_state_current ON room_state (room_id, type, state_key)
    WHERE until_position IS NULL`.execute(q)
  await sql`CREATE INDEX room_state_changes ON room_state (room_id, position)`.execute(q)
  await sql`
    CREATE INDEX room_state_memberships ON room_state (state_key, room_id, position)
    WHERE membership IS NOT NULL`.execute(q)
  await sql`
    CREATE TABLE forgotten_rooms (
      user_id text NOT NULL,
      room_id text NOT NULL,
      up_to_position bigint NOT NULL,
      PRIMARY KEY (user_id, room_id)
    )`.execute(q)
  await sql`
    CREATE TABLE room_aliases (
      room_alias text PRIMARY KEY,
      room_id text NOT NULL REFERENCES rooms,
      creator text NOT NULL,
      created_ts bigint NOT NULL
    )`.execute(q)
  await sql`CREATE INDEX room_aliases_by_room ON room_aliases (room_id)`.execute(q)
}
