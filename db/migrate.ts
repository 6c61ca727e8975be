/** Bring the tables up to date. Forward only; a released migration is never edited. */
import { type Kysely, type Migration, Migrator } from 'kysely'
import { migrations } from './migrations/index.ts'
import type { Schema } from './schema.ts'

/** Run what has not been run, each in the order of its number, all in one transaction. */
export async function migrate(q: Kysely<Schema>): Promise<void> {
  const migrator = new Migrator({
    db: q,
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
