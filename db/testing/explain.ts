/** EXPLAIN, for tests that look at how statements are done. */
import { sql } from 'kysely'
import pg from 'pg'
import { type Pool, transaction } from '../transaction.ts'
import type { Statement } from './statements.ts'

/** Of what PostgreSQL says of a plan, what is looked at here. */
export interface PlanNode {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  'Index Cond'?: string
  Filter?: string
  'Actual Rows'?: number
  'Actual Loops'?: number
  'Rows Removed by Filter'?: number
  'Rows Removed by Index Recheck'?: number
  Plans?: PlanNode[]
}

/** Thrown, so that what was explained is undone. */
class Explained extends Error {
  plan: PlanNode | undefined
}

/**
 * How a statement is done, by the plan that is kept for it, whatever its values are. With `ANALYZE` it is
 * done, and undone; undefined if it cannot be done again.
 *
 * @param settings what its transaction begins with
 */
export async function planOf(
  db: Pool,
  statement: Statement,
  settings: readonly string[],
  options: 'ANALYZE, TIMING OFF, ' | '' = '',
): Promise<PlanNode | undefined> {
  const { text, values } = statement
  try {
    await transaction(db, async ({ q }) => {
      for (const setting of settings) await sql.raw(setting).execute(q)
      await sql.raw(`PREPARE explained AS ${text}`).execute(q)
      const use = values.length === 0 ? 'explained' : `explained (${values.map(literalOf)})`
      const explain = `EXPLAIN (${options}COSTS OFF, FORMAT JSON) EXECUTE ${use}`
      try {
        const { rows } = await sql.raw<{ 'QUERY PLAN': unknown }>(explain).execute(q)
        const given = rows[0]?.['QUERY PLAN']
        const [plan] = (typeof given === 'string' ? JSON.parse(given) : given) as {
          Plan: PlanNode
        }[]
        throw Object.assign(new Explained(), { plan: plan?.Plan })
      } finally {
        await sql`ROLLBACK`.execute(q)
        await sql`DEALLOCATE explained`.execute(q)
      }
    })
  } catch (error) {
    if (error instanceof Explained) return error.plan
    // A key that is there already; a presumption (a division by zero) that is not so any more.
    if (!/^(23...|22012)$/.test(String((error as { code?: unknown }).code))) throw error
  }
  return undefined
}

/** As the driver would write it. */
function literalOf(value: unknown): string {
  if (value === null || value === undefined) return 'NULL'
  const text = Array.isArray(value)
    ? `{${value.map(one => (one === null ? 'NULL' : JSON.stringify(String(one))))}}`
    : String(value)
  return pg.escapeLiteral(text)
}
