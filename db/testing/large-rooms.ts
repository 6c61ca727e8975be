/** Rooms that are large from the start, for measurements: the tables as if all had come one by one. */
import { sql } from 'kysely'
import type { Db } from '../transaction.ts'
import { columns, copyDelayedEvent } from './behind-the-curtain.ts'

/**
 * Let `count` more users be in a room: like its last member, whose join is the room's last event,
 * and under the names `@member-1:…`, `@member-2:…` in each room.
 */
export async function multiplyMembers(db: Db, roomId: string, count: number): Promise<void> {
  const { rows } = await sql<{ position: number; sender: string }>`
    SELECT position, sender FROM events
    WHERE room_id = ${roomId} AND type = 'm.room.member' ORDER BY position DESC LIMIT 1`.execute(
    db.q,
  )
  const [last] = rows
  if (!last) throw new Error('nobody is in the room')
  const domain = last.sender.slice(last.sender.indexOf(':'))
  const member = sql`'@member-' || n || ${domain}::text`
  const top = sql`(SELECT max(position) AS first FROM events) AS top`
  const numbers = sql`generate_series(1, ${count}::int) AS n`
  const users = await columns(db, 'users', { user_id: member })
  await sql`
    INSERT INTO users (${users.names})
    SELECT ${users.values} FROM (SELECT * FROM users WHERE user_id = ${last.sender}) AS one, ${numbers}
    ON CONFLICT DO NOTHING`.execute(db.q)
  const events = await columns(db, 'events', {
    event_id: sql`event_id || n`,
    position: sql`first + n`,
    sender: member,
    state_key: member,
    pdu: sql`replace(pdu, ${last.sender}::text, ${member})`,
    transaction_id: sql`NULL`,
  })
  const join = sql`(SELECT * FROM events
    WHERE room_id = ${roomId} AND position = ${last.position}) AS join_event`
  await sql`
    INSERT INTO events (${events.names})
    SELECT ${events.values} FROM ${join}, ${top}, ${numbers}`.execute(db.q)
  await sql`
    INSERT INTO room_state (room_id, type, state_key, position, event_id, sender, membership)
    SELECT room_id, type, state_key, position, event_id, sender, 'join' FROM events
    WHERE room_id = ${roomId} AND type = 'm.room.member' AND state_key LIKE '@member-%'`.execute(
    db.q,
  )
  await sql`
    UPDATE rooms SET joined_members = joined_members + ${count}, state_version = (
      SELECT max(position) FROM room_state WHERE room_state.room_id = rooms.room_id
    ) WHERE room_id = ${roomId}`.execute(db.q)
}

/** Of a room's last event, a message, put `count` copies after it, each with a word of its own. */
export async function multiplyMessages(db: Db, roomId: string, count: number): Promise<void> {
  const { names, values } = await columns(db, 'events', {
    event_id: sql`event_id || n`,
    position: sql`first + n`,
    origin_server_ts: sql`origin_server_ts + n`,
    transaction_id: sql`NULL`,
  })
  const last = sql`(SELECT * FROM events
    WHERE room_id = ${roomId} ORDER BY position DESC LIMIT 1) AS last`
  const numbers = sql`generate_series(1, ${count}::int) AS n`
  await sql`
    INSERT INTO searchable_texts (event_id, room_id, position, key, words)
    SELECT event_id || n, room_id, first + n, key, words || array_to_tsvector(ARRAY['w' || n])
    FROM (SELECT * FROM searchable_texts
      WHERE room_id = ${roomId} ORDER BY position DESC LIMIT 1) AS last,
      (SELECT max(position) AS first FROM events) AS top, ${numbers}`.execute(db.q)
  await sql`
    INSERT INTO events (${names})
    SELECT ${values}
    FROM ${last}, (SELECT max(position) AS first FROM events) AS top, ${numbers}`.execute(db.q)
  await sql`
    UPDATE rooms SET bump_position = (
      SELECT max(position) FROM events WHERE events.room_id = rooms.room_id
    ) WHERE room_id = ${roomId}`.execute(db.q)
}

/** Let a room's last event, a piece of state, be followed by `count` more under its key, each in place of the last. */
export async function multiplyChanges(db: Db, roomId: string, count: number): Promise<void> {
  const { rows } = await sql<{ event_id: string; position: number }>`
    SELECT event_id, position FROM events
    WHERE room_id = ${roomId} AND state_key IS NOT NULL ORDER BY position DESC LIMIT 1`.execute(
    db.q,
  )
  const [last] = rows
  if (!last) throw new Error('the room has no state')
  const top = sql`(SELECT max(position) AS first FROM events) AS top`
  const numbers = sql`generate_series(1, ${count}::int) AS n`
  const one = sql`(SELECT * FROM events WHERE event_id = ${last.event_id}) AS one`
  const events = await columns(db, 'events', {
    event_id: sql`event_id || n`,
    position: sql`first + n`,
    origin_server_ts: sql`origin_server_ts + n`,
    transaction_id: sql`NULL`,
    delay_id: sql`NULL`,
  })
  await sql`
    UPDATE room_state SET until_position = (SELECT max(position) + 1 FROM events)
    WHERE event_id = ${last.event_id}`.execute(db.q)
  const states = await columns(db, 'room_state', {
    event_id: sql`event_id || n`,
    position: sql`first + n`,
    until_position: sql`nullif(first + n + 1, first + ${count} + 1)`,
  })
  await sql`
    INSERT INTO room_state (${states.names})
    SELECT ${states.values}
    FROM (SELECT * FROM room_state WHERE event_id = ${last.event_id}) AS one, ${top}, ${numbers}`.execute(
    db.q,
  )
  await sql`
    INSERT INTO events (${events.names}) SELECT ${events.values} FROM ${one}, ${top}, ${numbers}`.execute(
    db.q,
  )
  await sql`
    UPDATE rooms SET state_version = (
      SELECT max(position) FROM room_state WHERE room_state.room_id = rooms.room_id
    ) WHERE room_id = ${roomId}`.execute(db.q)
}

/**
 * Of what was last scheduled for a room, schedule `count` copies, each by a user of its own; if it is
 * state, each under a key of its own.
 */
export function multiplyScheduled(db: Db, roomId: string, count: number): Promise<void> {
  const last = sql`SELECT * FROM delayed_events WHERE room_id = ${roomId} ORDER BY seq DESC LIMIT 1`
  return copyDelayedEvent(db, last, count, {
    delay_id: sql`delay_id || n`,
    user_id: sql`'@sleeper-' || n || ':hs1'`,
    state_key: sql`state_key || n`,
    transaction_id: sql`NULL`,
  })
}

/** When all rooms are made: positions go on above them, and the planner knows what there is. */
export async function settleLargeRooms(db: Db): Promise<void> {
  await sql`SELECT setval('stream_positions', (SELECT max(position) + 1 FROM events))`.execute(db.q)
  for (const table of ['events', 'room_state', 'searchable_texts', 'rooms', 'users']) {
    await sql`ANALYZE ${sql.table(table)}`.execute(db.q)
  }
}
