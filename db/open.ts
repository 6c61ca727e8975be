/** From options to an open, migrated database: a PostgreSQL server, or PGlite in this process. */
import type { Database, DatabaseOptions } from './database.ts'
import { openPglite } from './engine/pglite.ts'
import { openPostgres } from './engine/postgres.ts'

/** @throws DatabaseUnavailable with one line that says what is wrong */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { shared, url, dataDir } = options
  if (shared) return shared.database.open(shared.schema)
  return url ? openPostgres(url, options) : openPglite(dataDir)
}
