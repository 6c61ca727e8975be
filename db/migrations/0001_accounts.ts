import { type Kysely, sql } from 'kysely'

/** The server itself, its users, their sessions, and what they were answered before. */
export async function accounts(q: Kysely<unknown>): Promise<void> {
  await sql`CREATE SEQUENCE stream_positions INCREMENT BY 1000000 MINVALUE 1 START WITH 1`.execute(
    q,
  )
  await sql`
    CREATE TABLE server (
      id int PRIMARY KEY CHECK (id = 1),
      server_name text NOT NULL,
      signing_key text NOT NULL
    )`.execute(q)
  await sql`
    CREATE TABLE users (
      user_id text PRIMARY KEY,
      password_hash text,
      is_guest boolean NOT NULL,
      is_admin boolean NOT NULL,
      created_ts bigint NOT NULL,
      deactivated_ts bigint,
      displayname text,
      avatar_url text
    )`.execute(q)
  await sql`
    CREATE TABLE devices (
      user_id text NOT NULL REFERENCES users,
      device_id text NOT NULL,
      display_name text,
      created_ts bigint NOT NULL,
      PRIMARY KEY (user_id, device_id)
    )`.execute(q)
  await sql`
    CREATE TABLE sessions (
      session_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
      user_id text NOT NULL,
      device_id text NOT NULL,
      access_token_hash text NOT NULL UNIQUE,
      expires_ts bigint,
      refresh_token_hash text UNIQUE,
      replaces bigint,
      FOREIGN KEY (user_id, device_id) REFERENCES devices ON DELETE CASCADE
    )`.execute(q)
  await sql`CREATE INDEX sessions_by_device ON sessions (user_id, device_id)`.execute(q)
  await sql`
    CREATE TABLE transaction_ids (
      user_id text NOT NULL,
      device_id text NOT NULL,
      path text NOT NULL,
      response text NOT NULL,
      created_ts bigint NOT NULL,
      PRIMARY KEY (user_id, device_id, path)
    )`.execute(q)
  await sql`
    CREATE TABLE filters (
      user_id text NOT NULL,
      filter_id text NOT NULL,
      definition text NOT NULL,
      PRIMARY KEY (user_id, filter_id)
    )`.execute(q)
}
