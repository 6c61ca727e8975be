/** What a server has left is the next one's, on both engines. */
import { randomBytes, randomInt } from 'node:crypto'
import { sql } from 'kysely'
import { openDatabase } from '../open.ts'
import { countRows } from '../testing/behind-the-curtain.ts'
import type { Db } from '../transaction.ts'
import { SharedPglite } from './shared-pglite.ts'
import { SharedPostgres } from './shared-postgres.ts'

const url = process.env.HOURGLASS_TEST_DATABASE_URL
const name = () => `test_${randomBytes(8).toString('hex')}`
const number = () => randomInt(1e9)

let shared: SharedPglite | SharedPostgres
beforeAll(async () => {
  shared =
    url === undefined ? await SharedPglite.start() : await SharedPostgres.start(url, number())
})
afterAll(() => shared.stop())

/** As a server opens it, for as long as `run` takes. */
async function within<T>(schema: string, run: (db: Db) => Promise<T>): Promise<T> {
  const own = shared instanceof SharedPglite ? { shared: { database: shared, schema } } : { url }
  const db = await openDatabase({ ...own, schema, dataDir: 'unused', maxConnections: 2 })
  try {
    return await run(db)
  } finally {
    await db.close()
  }
}

/** A row in every table, whatever the tables refer to and check. */
async function fill(db: Db): Promise<void> {
  const { rows } = await sql<{ table: string; columns: string[]; types: string[] }>`
    SELECT relname AS table, array_agg(attname::text) AS columns,
      array_agg(format_type(atttypid, atttypmod)) AS types
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
      AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity = ''
      AND relname <> 'migrations'
    GROUP BY relname`.execute(db.q)
  await db.q.connection().execute(async q => {
    await sql`SET session_replication_role = replica`.execute(q)
    const { rows: checks } = await sql<{ table: string; name: string }>`
      SELECT conrelid::regclass::text AS table, conname AS name FROM pg_constraint
      WHERE connamespace = current_schema()::regnamespace AND contype = 'c'`.execute(q)
    for (const check of checks) {
      await sql`ALTER TABLE ${sql.id(check.table)} DROP CONSTRAINT ${sql.id(check.name)}`.execute(q)
    }
    for (const { table, columns, types } of rows) {
      const values = types.map(type => {
        if (type === 'boolean') return sql`true`
        if (type.endsWith('[]') || type.startsWith('json')) return sql`'{}'`
        return type === 'bytea' ? sql`'\\x00'` : sql`'1'`
      })
      const names = columns.map(column => sql.id(column))
      await sql`INSERT INTO ${sql.id(table)} (${sql.join(names)})
        VALUES (${sql.join(values)})`.execute(q)
    }
    await sql`SELECT nextval(format('%I.%I', schemaname, sequencename)::regclass)
      FROM pg_sequences WHERE schemaname = current_schema()`.execute(q)
    await sql`SET session_replication_role = DEFAULT`.execute(q)
  })
}

async function sequences(db: Db): Promise<unknown[]> {
  const { rows } = await sql`SELECT sequencename, start_value, last_value FROM pg_sequences
    WHERE schemaname = current_schema() ORDER BY sequencename`.execute(db.q)
  return rows
}

const oids = async (db: Db) => {
  const { rows } = await sql<{ oid: number }>`SELECT oid FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace ORDER BY oid`.execute(db.q)
  return rows.map(row => row.oid)
}

test('who comes next gets the same tables, every one empty, and every sequence anew', async () => {
  const first = name()
  await shared.make(first)
  const [empty, atFirst, tables] = await within(first, async db => {
    const before = [await countRows(db), await sequences(db), await oids(db)] as const
    await fill(db)
    const filled = Object.entries(await countRows(db)).filter(([, rows]) => rows === 0)
    expect(filled).toEqual([])
    expect(await sequences(db)).not.toEqual(before[1])
    return before
  })
  await shared.drop(first)

  const next = name()
  await shared.make(next)
  await within(next, async db => {
    expect(await oids(db)).toEqual(tables)
    expect(await countRows(db)).toEqual(empty)
    expect(await sequences(db)).toEqual(atFirst)
    const { migrations, ...others } = await countRows(db)
    expect(migrations).toBeGreaterThan(0)
    expect(new Set(Object.values(others))).toEqual(new Set([0]))
  })
  await shared.drop(next)
})

test('two at the same time have tables of their own', async () => {
  const schemas = [name(), name(), name()]
  await Promise.all(schemas.map(schema => shared.make(schema)))
  const tables = await Promise.all(schemas.map(schema => within(schema, oids)))
  expect(new Set(tables.flat()).size).toBe(tables.flat().length)
  for (const schema of schemas) await shared.drop(schema)
})

test('tables with many dead rows are not handed on', async () => {
  const first = name()
  await shared.make(first)
  const tables = await within(first, async db => {
    await sql`INSERT INTO filters (user_id, filter_id, definition)
      SELECT 'u', n::text, '{}' FROM generate_series(1, 10001) AS n`.execute(db.q)
    return oids(db)
  })
  await shared.drop(first)
  const next = name()
  await shared.make(next)
  const now = new Set(await within(next, oids))
  expect(tables.filter(oid => now.has(oid))).toEqual([])
  await shared.drop(next)
})

// The embedded database ends with the process.
if (url !== undefined)
  describe('on a PostgreSQL server', () => {
    /** Spare schemas, seen from outside, of the processes that have these numbers. */
    const watch = async (
      run: (spares: (of: number) => Promise<string[]>, db: Db) => Promise<void>,
    ) => {
      const watching = name()
      await shared.make(watching)
      await within(watching, db =>
        run(async of => {
          const { rows } = await sql<{ name: string }>`SELECT nspname AS name FROM pg_namespace
            WHERE nspname ~ ${`^hourglass_spare_${of}_`} ORDER BY nspname`.execute(db.q)
          return rows.map(row => row.name)
        }, db),
      )
      await shared.drop(watching)
    }

    test('nothing is left behind, not even by a process of ours that was killed', async () => {
      const [living, dead, ours] = [number(), number(), number()]
      const other = await SharedPostgres.start(url, living)
      const one = await SharedPostgres.start(url, ours)
      for (const started of [other, one]) {
        const schema = name()
        await started.make(schema)
        await started.drop(schema)
      }
      await watch(async (spares, db) => {
        const [left, foreign] = [`hourglass_spare_${dead}_1`, `hourglass_spare_${dead}_2`]
        await sql`CREATE SCHEMA ${sql.id(left)}`.execute(db.q)
        await sql`CREATE SCHEMA ${sql.id(foreign)} AUTHORIZATION pg_monitor`.execute(db.q)
        expect(await spares(ours)).not.toEqual([])
        await one.stop()
        expect(await spares(ours)).toEqual([])
        expect(await spares(dead)).toEqual([foreign])
        await sql`DROP SCHEMA ${sql.id(foreign)}`.execute(db.q)
        expect(await spares(living)).not.toEqual([])
        await other.stop()
        expect(await spares(living)).toEqual([])
      })
    })

    test('who has one finds a second made, and two after it', async () => {
      const ours = number()
      const one = await SharedPostgres.start(url, ours)
      const [first, second, third] = [name(), name(), name()]
      await watch(async spares => {
        await one.make(first)
        let ahead: string[] = []
        while (ahead.length === 0) ahead = await spares(ours)
        await one.make(second)
        expect(await spares(ours)).not.toContain(ahead[0])
        const tables = await Promise.all([first, second].map(schema => within(schema, oids)))
        expect(new Set(tables.flat()).size).toBe(tables.flat().length)
        // For who has two, two are made side by side.
        ahead = []
        while (ahead.length < 2) ahead = await spares(ours)
        // And none is left behind, those that are being made neither.
        await one.make(third)
        for (const schema of [first, second, third]) await one.drop(schema)
        await one.stop()
        expect(await spares(ours)).toEqual([])
      })
    })

    test('who cannot be reached is named', async () => {
      await expect(SharedPostgres.start('postgres://127.0.0.1:1/x', number())).rejects.toThrow(
        'cannot reach the database: connect ECONNREFUSED 127.0.0.1:1',
      )
    })
  })
