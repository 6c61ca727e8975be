/** For tests that look behind the curtain: whether anything was written, and a server that fails. */
import { type RawBuilder, sql } from 'kysely'
import pg from 'pg'
import type { Db } from '../transaction.ts'

/** How many rows each of our tables has. */
export async function countRows(db: Db): Promise<Record<string, number>> {
  const { rows: tables } = await sql<{ name: string }>`
    SELECT table_name AS name FROM information_schema.tables
    WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'
    ORDER BY table_name`.execute(db.q)
  const counts = tables.map(
    ({ name }) => sql`SELECT ${name}::text AS name, count(*) AS rows FROM ${sql.table(name)}`,
  )
  const { rows } = await sql<{ name: string; rows: number }>`${sql.join(
    counts,
    sql` UNION ALL `,
  )}`.execute(db.q)
  return Object.fromEntries(rows.map(({ name, rows: count }) => [name, count]))
}

/** How many bytes a table takes, with its indexes and its long values. */
export async function bytesOf(db: Db, table: string): Promise<number> {
  const { rows } = await sql<{ bytes: number }>`
    SELECT pg_total_relation_size(${table}::regclass)::int AS bytes`.execute(db.q)
  return rows[0]?.bytes ?? 0
}

/**
 * On PostgreSQL: hold the rooms of the server that lives in `schema`, start `request`, which needs
 * them, and break the connection on which it waits.
 */
export async function breakConnectionOf<T>(
  url: string,
  schema: string,
  request: () => Promise<T>,
): Promise<T> {
  const administrator = new pg.Client({ connectionString: url })
  await administrator.connect()
  try {
    await administrator.query('BEGIN')
    await administrator.query(`LOCK TABLE ${pg.escapeIdentifier(schema)}.rooms`)
    const answer = request()
    // Until it is seen to wait, and then no longer.
    let broken = 0
    while (broken === 0) {
      const { rowCount } = await administrator.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = $1 AND wait_event_type = 'Lock'`,
        [`hourglass ${schema}`],
      )
      broken = rowCount ?? 0
    }
    return await answer
  } finally {
    await administrator.end()
  }
}

/** A PostgreSQL server, as far as it matters for speed. */
export async function describeServer(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query(
    `SELECT current_setting('server_version') AS version, current_setting('fsync') AS fsync,
       current_setting('synchronous_commit') AS commit`,
  )
  await client.end()
  const { version, fsync, commit } = rows[0]
  return `PostgreSQL ${version}, fsync ${fsync}, synchronous_commit ${commit}`
}

/** The ids of the processes that such a server has, but the one that started them. */
export async function serverProcesses(url: string): Promise<number[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query(
    'SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()',
  )
  await client.end()
  return rows.map(({ pid }) => pid)
}

/** Drop schemas with all that is in them. */
export async function dropSchemas(url: string, schemas: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('SET client_min_messages = error')
  for (const schema of schemas) {
    await client.query(`DROP SCHEMA IF EXISTS ${pg.escapeIdentifier(schema)} CASCADE`)
  }
  await client.end()
}

/** The columns of a table that can be written, those in `instead` replaced by an expression. */
export async function columns(db: Db, table: string, instead: Record<string, RawBuilder<unknown>>) {
  const { rows } = await sql<{ name: string }>`
    SELECT column_name AS name FROM information_schema.columns
    WHERE table_schema = current_schema() AND table_name = ${table} AND is_identity = 'NO'`.execute(
    db.q,
  )
  return {
    names: sql.join(rows.map(({ name }) => sql.ref(name))),
    values: sql.join(rows.map(({ name }) => instead[name] ?? sql.ref(name))),
  }
}

/** From the one delayed event that there is, make `count`, with the ids bench_1, bench_2, … */
export function multiplyDelayedEvents(db: Db, count: number): Promise<void> {
  return copyDelayedEvent(db, sql`SELECT * FROM delayed_events`, count, {
    delay_id: sql`'bench_' || n`,
  })
}

/** Of one delayed event put `count` copies, the `n`th of them with these columns `instead`. */
export async function copyDelayedEvent(
  db: Db,
  one: RawBuilder<unknown>,
  count: number,
  instead: Record<string, RawBuilder<unknown>>,
): Promise<void> {
  const { names, values } = await columns(db, 'delayed_events', instead)
  await sql`
    INSERT INTO delayed_events (${names})
    SELECT ${values} FROM (${one}) AS one, generate_series(1, ${count}::int) AS n`.execute(db.q)
  await sql`ANALYZE delayed_events`.execute(db.q)
}

/** Of the last event of a room, put `count` copies before it, at positions of their own. */
export async function multiplyEvents(db: Db, roomId: string, count: number): Promise<void> {
  const { names, values } = await columns(db, 'events', {
    event_id: sql`event_id || n`,
    position: sql`first + n`,
    transaction_id: sql`NULL`,
  })
  await sql`
    INSERT INTO events (${names})
    SELECT ${values}
    FROM (SELECT * FROM events WHERE room_id = ${roomId} ORDER BY position DESC LIMIT 1) AS last,
      (SELECT max(position) AS first FROM events) AS top,
      generate_series(1, ${count}::int) AS n`.execute(db.q)
  await sql`SELECT setval('stream_positions', (SELECT max(position) + 1 FROM events))`.execute(db.q)
  await sql`ANALYZE events`.execute(db.q)
}

/** Insert `count` rows like the last event into a table of their own, `each` in a transaction. */
export async function insertInBulk(db: Db, count: number, each: number): Promise<void> {
  await sql`CREATE TABLE bulk (LIKE events INCLUDING ALL)`.execute(db.q)
  const { names, values } = await columns(db, 'events', {
    event_id: sql`event_id || n`,
    position: sql`position + n`,
    delay_id: sql`'bulk_' || n`,
  })
  for (let from = 0; from < count; from += each) {
    await sql`
      WITH last AS MATERIALIZED (SELECT * FROM events ORDER BY position DESC LIMIT 1)
      INSERT INTO bulk (${names})
      SELECT ${values}
      FROM last, generate_series(${from}::int, ${from + each - 1}::int) AS n`.execute(db.q)
  }
}

/** Read the last `limit` events of each of these rooms. */
export async function readLast(db: Db, roomIds: readonly string[], limit: number): Promise<void> {
  await sql`
    SELECT events.* FROM unnest(${[...roomIds]}::text[]) AS wanted (room_id),
      LATERAL (SELECT * FROM events WHERE events.room_id = wanted.room_id
        ORDER BY position DESC LIMIT ${limit}) AS events`.execute(db.q)
}
