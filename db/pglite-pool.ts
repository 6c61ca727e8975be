/**
 * PGlite, PostgreSQL inside this process, as a pool of one connection.
 *
 * kysely's PostgresDialect asks its pool for no more than this. Whoever gets the connection keeps
 * it until `release`; the others queue up in order.
 */
import type { PGlite } from '@electric-sql/pglite'
import type { PostgresPool, PostgresPoolClient } from 'kysely'

export function pglitePool(pglite: PGlite): PostgresPool {
  let tail: Promise<void> = Promise.resolve()

  return {
    async connect() {
      let release: () => void = () => undefined
      const before = tail
      tail = new Promise(resolve => {
        release = resolve
      })
      await before
      return {
        async query(sql: string, parameters: readonly unknown[]) {
          const result = await pglite.query(sql, [...parameters])
          return {
            command: sql.trimStart().slice(0, 6).toUpperCase(),
            rowCount: result.affectedRows || result.rows.length,
            rows: result.rows,
          }
        },
        release,
      } as PostgresPoolClient
    },
    async end() {
      await tail
      await pglite.close()
    },
  }
}
