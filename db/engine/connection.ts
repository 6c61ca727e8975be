/** What stands between kysely and the driver: which statements are waited for, and which are prepared. */
import { Kysely, PostgresDialect, type PostgresPool, type PostgresPoolClient, sql } from 'kysely'
import type pg from 'pg'
import type { Schema } from '../schema.ts'
import { sessionWrites } from '../table-writes.ts'
import { assertOutsideTransaction } from '../transaction.ts'

const mark = '/* unawaited */'

/**
 * The end of a statement inside a transaction whose answer nobody needs before it is over. It counts as
 * done as soon as it is sent; if it fails, the next statement does, or COMMIT, with its reason. So
 * several statements make one journey. The rows that it gives come into its list meanwhile: they are
 * there when COMMIT has been answered.
 */
export const unawaited = sql.raw(mark)

const isUnawaited = (text: string) => text === 'begin' || text.endsWith(mark)

/**
 * @param wire whether it has been cut
 * @param writes is told of what is written
 */
export function kyselyOn(
  pool: PostgresPool,
  wire = { isCut: false },
  writes = sessionWrites(),
): Kysely<Schema> {
  const assertWhole = () => {
    if (wire.isCut) throw new Error('the connection was cut')
  }
  const guarded: PostgresPool = {
    async connect() {
      assertOutsideTransaction()
      assertWhole()
      const client = (await pool.connect()) as unknown as pg.PoolClient
      let ahead: Promise<unknown>[] = []
      let isWriter = false
      return {
        query: async (text: string, values: readonly unknown[]) => {
          assertWhole()
          if (!isWriter && writes.isWrite(text)) {
            isWriter = true
            writes.begin()
          }
          const answer = client.query(statement(text, values))
          if (isUnawaited(text)) {
            const rows: unknown[] = []
            answer.then(
              result => {
                for (const row of result.rows) rows.push(row)
              },
              () => undefined,
            )
            ahead.push(answer)
            return { command: '', rowCount: null, rows }
          }
          if (ahead.length > 0) {
            const sent = ahead
            ahead = []
            answer.catch(() => undefined)
            // What has failed is being undone already.
            if (text === 'rollback') await Promise.allSettled(sent)
            else await Promise.all(sent)
          }
          return answer
        },
        release: () => {
          if (isWriter) writes.end()
          client.release()
        },
      } as unknown as PostgresPoolClient
    },
    end: () => pool.end(),
  }
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool: guarded }) })
}

/** The statements that have a name under which PostgreSQL keeps them, parsed and planned. */
const names = new Map<string, string>()
/** Some statements are as long as their input; of those there may be any number. */
const mostNames = 1_000

function statement(text: string, values: readonly unknown[]): pg.QueryConfig {
  if (text === 'begin') return { name: text, text }
  if (values.length === 0) return { text }
  const name = names.get(text) ?? (names.size < mostNames ? `s${names.size}` : undefined)
  if (name !== undefined) names.set(text, name)
  return { text, values: values.map(written), ...(name === undefined ? {} : { name }) }
}

/**
 * An object as JSON, as the driver would write it. What cannot be written is refused before anything
 * is sent: in the driver it would be left out, and COMMIT follow; and it would have PostgreSQL forget a
 * statement that it then believes to be prepared.
 */
function written(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  return Array.isArray(value) ? value.map(written) : JSON.stringify(value)
}
