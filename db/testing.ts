/** For tests that ask whether anything was written. */
import { sql } from 'kysely'
import type { Db } from './transaction.ts'

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
