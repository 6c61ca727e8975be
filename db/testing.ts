/** For tests that look behind the curtain: whether anything was written, and a server that fails. */
import { sql } from 'kysely'
import pg from 'pg'
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
