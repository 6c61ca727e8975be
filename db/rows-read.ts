/** How much of the tables a request has to read: a measure that no other load on the machine moves. */
import { sql } from 'kysely'
import pg from 'pg'
import { type Statement, statementsOf } from './statements.ts'
import { type Pool, transaction } from './transaction.ts'

interface PlanNode {
  'Node Type': string
  'Actual Rows'?: number
  'Actual Loops'?: number
  'Rows Removed by Filter'?: number
  'Rows Removed by Index Recheck'?: number
  Plans?: PlanNode[]
}

export interface RowsRead {
  /** By all that were only reading, of tables and of indexes, those that were thrown away too. */
  rows: number
  /**
   * Of these, the places that an index gave all at once (a bitmap), whether or not the rows there were
   * then read: a fiftieth of the cost of a row.
   */
  places: number
  /** Those that were writing, too. */
  statements: number
  /** The statement that read most, and how much. */
  worst: { rows: number; text: string }
}

/**
 * Run a request, and explain what it asked the database: every statement but plain inserts is run again,
 * and undone, by `EXPLAIN (ANALYZE)` of the plan that is kept for it, whatever the values are; of the plans
 * that it has where pages cost differently, the one that reads more counts. What finds done already what it
 * would do counts as far as it had to look for that, and not at all if it fails for that.
 */
export async function rowsRead(db: Pool, request: () => Promise<unknown>): Promise<RowsRead> {
  const statements = await statementsOf(request)
  const result: RowsRead = {
    rows: 0,
    places: 0,
    statements: statements.length,
    worst: { rows: 0, text: '' },
  }
  let settings: string[] = []
  for (const statement of statements) {
    if (statement.text === 'commit') settings = []
    if (statement.text.includes('set_config(')) settings.push(statement.text)
    if (!isLooking.test(statement.text)) continue
    let [rows, places] = [0, 0]
    for (const cost of costsOfPages) {
      const plan = await planOf(db, statement, [...settings, cost])
      rows = Math.max(rows, plan ? scanned(plan) : 0)
      places = Math.max(places, plan ? scanned(plan, 'Bitmap Index Scan') : 0)
    }
    result.rows += rows
    result.places += places
    if (rows > result.worst.rows) result.worst = { rows, text: statement.text }
  }
  return result
}

const isLooking = /^\s*(select(?! set_config)|with|update|delete)\b/i

/**
 * What servers are told that a page costs: on a disk that turns, and in memory. Where an index is the
 * right one by a hair, it is another one there.
 */
const costsOfPages = ['4', '1.1'].map(
  cost => `SELECT set_config('random_page_cost', '${cost}', true)`,
)

/** Thrown, so that what was explained is undone. */
class Explained extends Error {
  plan: PlanNode | undefined
}

/** @param settings what its transaction has begun with */
async function planOf(
  db: Pool,
  { text, values }: Statement,
  settings: readonly string[],
): Promise<PlanNode | undefined> {
  try {
    await transaction(db, async ({ q }) => {
      for (const setting of settings) await sql.raw(setting).execute(q)
      await sql.raw(`PREPARE explained AS ${text}`).execute(q)
      const use = values.length === 0 ? 'explained' : `explained (${values.map(literalOf)})`
      const explain = `EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF, FORMAT JSON) EXECUTE ${use}`
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

function scanned(node: PlanNode, by = ' Scan'): number {
  const below = (node.Plans ?? []).reduce((sum, plan) => sum + scanned(plan, by), 0)
  if (
    !node['Node Type'].endsWith(by) ||
    /^(CTE|Subquery|Function|Result)/.test(node['Node Type'])
  ) {
    return below
  }
  const perLoop =
    (node['Actual Rows'] ?? 0) +
    (node['Rows Removed by Filter'] ?? 0) +
    (node['Rows Removed by Index Recheck'] ?? 0)
  return below + perLoop * (node['Actual Loops'] ?? 1)
}
