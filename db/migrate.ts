/** Bring the tables up to date. Forward only; a released migration is never edited. */
import { type Kysely, type Migration, Migrator, sql } from 'kysely'
import { migrations } from './migrations/index.ts'
import type { Schema } from './schema.ts'

/** Run what has not been run, each in the order of its number, all in one transaction. */
export async function migrate(q: Kysely<Schema>): Promise<void> {
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
