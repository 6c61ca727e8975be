/** How tables come to be: of one server, and of several that share one PostgreSQL. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Kysely, sql } from 'kysely'
import pg from 'pg'
import { unseenTables } from '../migrations/0034_no_statistics.ts'
import { migrations } from '../migrations/index.ts'
import { openDatabase } from '../open.ts'
import type { Schema } from '../schema.ts'
import { makeSchema, migrate } from './migrate.ts'

const url = process.env.HOURGLASS_TEST_DATABASE_URL
const name = () => `test_${randomBytes(8).toString('hex')}`

test('each migration has a number of its own, and they run in that order', () => {
  const numbers = Object.keys(migrations).map(name => name.slice(0, 4))
  expect(numbers).toEqual([...new Set(numbers)].sort())
})

/** What ANALYZE looks at: columns, and of indexes what is computed. */
const lookedAt = (schema: string) => sql`(
  SELECT pg_class.relname, relkind, attname, attoptions
  FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
  WHERE relnamespace = ${sql.lit(schema)}::regnamespace AND attnum > 0 AND NOT attisdropped
    AND coalesce(attstattarget, -1) <> 0 AND (relkind = 'r' OR EXISTS (
      SELECT FROM pg_index WHERE indexrelid = attrelid AND indkey[attnum - 1] = 0
    ))
) AS looked_at`

/** All that says what its tables are, by name. */
async function shapeOf(q: Kysely<Schema>, schema: string): Promise<unknown[]> {
  const { rows } = await sql<{ name: string; what: string }>`
    SELECT tablename || ' ' || indexname AS name, replace(indexdef, ${`${schema}.`}, '') AS what
    FROM pg_indexes WHERE schemaname = ${schema}
    UNION ALL
    SELECT table_name || ' ' || column_name,
      concat_ws(' ', data_type, is_nullable, column_default, identity_generation)
    FROM information_schema.columns WHERE table_schema = ${schema}
    UNION ALL
    SELECT relname || ' ' || conname, replace(pg_get_constraintdef(c.oid), ${`${schema}.`}, '')
    FROM pg_constraint AS c JOIN pg_class ON pg_class.oid = conrelid
    WHERE connamespace = ${sql.lit(schema)}::regnamespace AND contype <> 'n'
    UNION ALL
    SELECT relname || ' ' || attname, concat_ws(' ', 'is looked at by ANALYZE', attoptions)
    FROM ${lookedAt(schema)}
    ORDER BY 1, 2`.execute(q)
  return rows
}

/** What migrations once did, for others to undo, each after the one that did it. */
const madeOnce: Record<string, string[]> = {
  '0002_rooms': ['CREATE INDEX rooms_public ON rooms (room_id)'],
  '0003_delayed_events': [
    'CREATE INDEX delayed_events_due ON delayed_events (send_at, seq)',
    'CREATE INDEX delayed_events_of_user ON delayed_events (user_id, send_at)',
    'CREATE INDEX delayed_events_finalised ON delayed_events (user_id, finalised_ts)',
  ],
  '0010_lists': ['CREATE INDEX delayed_events_listed ON delayed_events (user_id, send_at, seq)'],
  '0015_sessions': ['CREATE INDEX events_by_stream_position ON events (position)'],
  '0016_reading': ['CREATE INDEX searchable_texts_by_position ON searchable_texts (position)'],
  '0033_counts_for_plans': [
    'ALTER TABLE events ALTER COLUMN room_id SET (n_distinct = 1000)',
    'ALTER TABLE searchable_texts ALTER COLUMN room_id SET (n_distinct = 1000)',
  ],
}

/** As a program left it whose last migration was that one. */
async function migrateUntil(one: Kysely<Schema>, schema: string, last: string): Promise<void> {
  await sql`CREATE SCHEMA ${sql.id(schema)}`.execute(one)
  await sql`SET search_path TO ${sql.id(schema)}`.execute(one)
  await sql`CREATE TABLE migrations (name text PRIMARY KEY)`.execute(one)
  for (const [migration, up] of Object.entries(migrations)) {
    await up(one as Kysely<unknown>)
    await sql`INSERT INTO migrations (name) VALUES (${migration})`.execute(one)
    for (const statement of madeOnce[migration] ?? []) await sql.raw(statement).execute(one)
    if (migration === last) break
  }
}

test('a room of an earlier program is sorted by what was last said in it', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'hourglass-migrate-'))
  const [own, schema] = [name(), name()]
  const database = await openDatabase({ url, schema: own, dataDir, maxConnections: 1 })
  try {
    await database.q.connection().execute(async one => {
      await migrateUntil(one, schema, '0034_no_statistics')
      for (const room of ['spoken', 'silent']) {
        await sql`
          INSERT INTO rooms (room_id, version, last_depth, joined_members, invited_members, is_public)
          VALUES (${room}, '12', 1, 1, 0, false)`.execute(one)
      }
      const types = ['m.room.create', 'm.room.topic', 'm.room.encrypted', 'm.room.name']
      for (const [position, type] of types.entries()) {
        const room = position === 1 ? 'silent' : 'spoken'
        await sql`
          INSERT INTO events
            (event_id, room_id, position, type, sender, origin_server_ts, pdu, contains_url)
          VALUES (${type}, ${room}, ${position}, ${type}, '@a:hs1', 1, '{}', false)`.execute(one)
      }
      await migrate(one)
      const { rows } = await sql`SELECT room_id, bump_position FROM rooms ORDER BY 1`.execute(one)
      expect(rows).toEqual([
        { room_id: 'silent', bump_position: 0 },
        { room_id: 'spoken', bump_position: 2 },
      ])
      await sql`SET search_path TO ${sql.id(own)}`.execute(one)
      await sql`SET client_min_messages = error`.execute(one)
      for (const old of [own, schema]) {
        await sql`DROP SCHEMA IF EXISTS ${sql.id(old)} CASCADE`.execute(one)
      }
    })
  } finally {
    await database.close()
    await rm(dataDir, { recursive: true })
  }
})

test('tables that an earlier program has made become what is made today', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'hourglass-migrate-'))
  const schemas = [name(), name(), ...Object.keys(madeOnce).map(name)]
  const [own, today, ...earlier] = schemas as [string, string, ...string[]]
  const database = await openDatabase({ url, schema: own, dataDir, maxConnections: 1 })
  const { q } = database
  try {
    await makeSchema(q, today)
    const expected = await shapeOf(q, today)
    expect(expected.length).toBeGreaterThan(300)
    const { rows: tables } = await sql`SELECT DISTINCT relname FROM ${lookedAt(today)}`.execute(q)
    // What is in these decides nothing (decision 82), be it in a column that is new.
    for (const relname of [...unseenTables, 'events_of_all_rooms', 'rooms_directory']) {
      expect(tables).not.toContainEqual({ relname })
    }
    expect(tables).toContainEqual({ relname: 'searchable_texts' })
    // It stopped after each of those that did something of the kind, in turn.
    for (const [i, last] of Object.keys(madeOnce).entries()) {
      const schema = earlier[i] as string
      await q.connection().execute(async one => {
        await migrateUntil(one, schema, last)
        await migrate(one)
        await sql`SET search_path TO ${sql.id(own)}`.execute(one)
      })
      expect(await shapeOf(q, schema)).toEqual(expected)
    }
  } finally {
    await sql`SET client_min_messages = error`.execute(q)
    for (const schema of schemas) {
      await sql`DROP SCHEMA IF EXISTS ${sql.id(schema)} CASCADE`.execute(q)
    }
    await database.close()
    await rm(dataDir, { recursive: true })
  }
})

// The embedded database has no neighbours.
if (url !== undefined)
  test('a schema is set up while neighbouring schemas come and go', async () => {
    const neighbour = new pg.Client({ connectionString: url })
    await neighbour.connect()
    await neighbour.query('SET client_min_messages = error')
    let busy = true
    const comeAndGo = async () => {
      while (busy) {
        const schema = name()
        await neighbour.query(`CREATE SCHEMA ${schema}`)
        const tables = Array.from(
          { length: 20 },
          (_, i) => `CREATE TABLE ${schema}.t${i} (id serial)`,
        )
        await neighbour.query(tables.join(';'))
        await neighbour.query(`DROP SCHEMA ${schema} CASCADE`)
      }
    }
    const coming = comeAndGo()
    const schemas = Array.from({ length: 10 }, name)
    try {
      for (const schema of schemas) {
        const dataDir = join(tmpdir(), 'unused')
        const database = await openDatabase({ url, schema, dataDir, maxConnections: 2 })
        await database.close()
      }
    } finally {
      busy = false
      await coming
      for (const schema of schemas) await neighbour.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
      await neighbour.end()
    }
  })
