import { type Kysely, sql } from 'kysely'

/** Rooms that are deleted or blocked, those in which the server itself speaks, and large ones. */
export async function administration(q: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE rooms ADD notices_for text`.execute(q)
  await sql`
    CREATE UNIQUE INDEX rooms_of_notices ON rooms (notices_for) WHERE notices_for IS NOT NULL
  `.execute(q)
  await sql`
    CREATE TABLE blocked_rooms (
      room_id text PRIMARY KEY,
      blocked_by text NOT NULL,
      blocked_ts bigint NOT NULL
    )`.execute(q)
  await sql`
    CREATE TABLE room_deletions (
      delete_id text PRIMARY KEY,
      room_id text NOT NULL,
      status text NOT NULL,
      is_purge boolean NOT NULL,
      is_forced boolean NOT NULL,
      from_position bigint NOT NULL,
      new_room_id text,
      kicked_users text NOT NULL,
      failed_to_kick_users text NOT NULL,
      local_aliases text NOT NULL,
      error text,
      requested_ts bigint NOT NULL,
      finished_ts bigint
    )`.execute(q)
  await sql`
    CREATE INDEX room_deletions_by_room ON room_deletions (room_id, requested_ts)
  `.execute(q)
  await sql`
    CREATE UNIQUE INDEX room_deletions_active ON room_deletions (room_id)
    WHERE status = 'active'`.execute(q)
  // The state of a room without its members, however many they are.
  await sql`
    CREATE INDEX room_state_others ON room_state (room_id, position) WHERE membership IS NULL
  `.execute(q)
  // Of all rooms, and of no single one: as an index of the column itself it would be taken for the
  // latest events of one room, past all the events of others.
  await sql`DROP INDEX IF EXISTS events_by_stream_position`.execute(q)
  await sql`CREATE INDEX events_of_all_rooms ON events ((position + 0))`.execute(q)
  // Of a deleted room stay the departures of those who were in it, and what became of what they had
  // scheduled. Whoever schedules holds the room's row.
  await sql`ALTER TABLE events DROP CONSTRAINT events_room_id_fkey`.execute(q)
  await sql`ALTER TABLE delayed_events DROP CONSTRAINT delayed_events_room_id_fkey`.execute(q)
  // Nothing else finds state by its event: each event that goes would be looked for in all of it.
  await sql`ALTER TABLE room_state DROP CONSTRAINT room_state_event_id_fkey`.execute(q)
}
