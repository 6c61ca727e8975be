/** Bring the tables up to date. Forward only; a released migration is never edited. */
import { Kysely, PostgresDialect, sql } from 'kysely'
import { migrations } from '../migrations/index.ts'
import type { Schema } from '../schema.ts'

type Migration = (q: Kysely<unknown>) => Promise<void>

/**
 * Run what has not been run, in the order of the numbers, all in one transaction. Whoever calls it
 * holds the lock on the database, so nobody else migrates at the same time.
 *
 * Not kysely's Migrator: it reads the columns of every table of every schema before it does
 * anything, and fails when a neighbour drops a schema at that moment.
 */
export async function migrate(q: Kysely<Schema>): Promise<void> {
  const done = await namesDone(q)
  const missing = Object.entries(migrations).filter(([name]) => !done.has(name))
  if (missing.length === 0) return
  const text = await textOf(missing)
  await q.transaction().execute(trx => sql.raw(text).execute(trx))
}

/** Make all tables in a schema that is new. */
export async function makeSchema(q: Kysely<Schema>, schema: string): Promise<void> {
  const text = await textOf(Object.entries(migrations))
  await q.transaction().execute(async trx => {
    await sql`CREATE SCHEMA ${sql.id(schema)}`.execute(trx)
    await sql`SET LOCAL search_path TO ${sql.id(schema)}`.execute(trx)
    await sql.raw(text).execute(trx)
  })
}

/**
 * Migrations as one text, which goes to the database at once: they are a hundred statements, and to
 * send each and wait for it takes as long again as running them. So they read nothing.
 */
async function textOf(missing: readonly [string, Migration][]): Promise<string> {
  const statements: string[] = []
  const query = async (text: string, values: readonly unknown[]) => {
    if (values.length > 0 || /^\s*SELECT\b|\bRETURNING\b/i.test(text)) {
      throw new Error(`no statement for a migration, which is told nothing: ${text}`)
    }
    statements.push(text)
    return { command: '', rowCount: 0, rows: [] }
  }
  const connection = { query, release: () => undefined }
  const pool = { connect: async () => connection, end: async () => undefined }
  const q = new Kysely<unknown>({ dialect: new PostgresDialect({ pool: pool as never }) })
  await sql`CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY)`.execute(q)
  for (const [, up] of missing) await up(q)
  const names = missing.map(([name]) => sql`(${sql.lit(name)})`)
  await sql`INSERT INTO migrations (name) VALUES ${sql.join(names)}`.execute(q)
  return statements.join(';\n')
}

async function namesDone(q: Kysely<Schema>): Promise<Set<string>> {
  const { rows: table } = await sql<{ is_there: boolean }>`
    SELECT to_regclass('migrations') IS NOT NULL AS is_there`.execute(q)
  if (!table[0]?.is_there) return new Set()
  const { rows } = await sql<{ name: string }>`SELECT name FROM migrations`.execute(q)
  return new Set(rows.map(row => row.name))
}
