/** Bring the tables up to date. Forward only; a released migration is never edited. */
import { type Kysely, sql } from 'kysely'
import { migrations } from './migrations/index.ts'
import type { Schema } from './schema.ts'

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
  await q.transaction().execute(async trx => {
    await sql`CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY)`.execute(trx)
    for (const [, up] of missing) await up(trx as unknown as Kysely<unknown>)
    const names = missing.map(([name]) => sql`(${name})`)
    await sql`INSERT INTO migrations (name) VALUES ${sql.join(names)}`.execute(trx)
  })
}

async function namesDone(q: Kysely<Schema>): Promise<Set<string>> {
  const { rows: table } = await sql<{ is_there: boolean }>`
    SELECT to_regclass('migrations') IS NOT NULL AS is_there`.execute(q)
  if (!table[0]?.is_there) return new Set()
  const { rows } = await sql<{ name: string }>`SELECT name FROM migrations`.execute(q)
  return new Set(rows.map(row => row.name))
}
