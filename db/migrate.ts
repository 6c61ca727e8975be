/** Bring the tables up to date. Forward only; a released migration is never edited. */
import { type Kysely, type Migration, Migrator, sql } from 'kysely'
import { migrations } from './migrations/index.ts'
import type { Schema } from './schema.ts'

/** Run what has not been run, each in the order of its number, all in one transaction. */
export async function migrate(q: Kysely<Schema>): Promise<void> {
  if (await isUpToDate(q)) return
  const { rows } = await sql<{ schema: string }>`SELECT current_schema() AS schema`.execute(q)
  const migrator = new Migrator({
    db: q,
    // Said outright: else kysely takes the tables of a neighbouring schema for its own.
    migrationTableSchema: rows[0]?.schema ?? 'public',
    provider: {
      getMigrations: async () =>
        Object.fromEntries(
          Object.entries(migrations).map(([name, up]): [string, Migration] => [name, { up }]),
        ),
    },
  })
  const { error } = await migrator.migrateToLatest()
  if (error) throw error
}

/** One look instead of kysely's eight: most starts have nothing to migrate. */
async function isUpToDate(q: Kysely<Schema>): Promise<boolean> {
  const { rows: known } = await sql<{ is_there: boolean }>`
    SELECT to_regclass('kysely_migration') IS NOT NULL AS is_there`.execute(q)
  if (!known[0]?.is_there) return false
  const { rows } = await sql<{ name: string }>`
    SELECT name FROM kysely_migration ORDER BY name`.execute(q)
  return rows.map(row => row.name).join() === Object.keys(migrations).sort().join()
}
