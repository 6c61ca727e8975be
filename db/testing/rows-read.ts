/** How much of the tables a request has to read: a measure that no other load on the machine moves. */

import type { Pool } from '../transaction.ts'
import { type PlanNode, planOf } from './explain.ts'
import { statementsOf } from './statements.ts'

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
 *
 * @param densities also as it is planned where a page of each large table is taken for so many times as full
 */
export async function rowsRead(
  db: Pool,
  request: () => Promise<unknown>,
  densities: readonly number[] = [],
): Promise<RowsRead> {
  const beliefs = [1, ...densities].flatMap(density =>
    costs.map(({ ofPage, isVacuumed }) => [
      believeIn(density, isVacuumed),
      `SELECT set_config('random_page_cost', '${ofPage}', true)`,
    ]),
  )
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
    for (const belief of beliefs) {
      const plan = await planOf(db, statement, [...settings, ...belief], 'ANALYZE, TIMING OFF, ')
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
 * What servers are told that a page costs: on a disk that turns, and in memory; and after a VACUUM a row
 * need not be visited to know whether it is there. Where an index is the right one by a hair, it is another
 * one there.
 */
const costs = [
  { ofPage: 4, isVacuumed: false },
  { ofPage: 1.1, isVacuumed: false },
  { ofPage: 4, isVacuumed: true },
]

/**
 * What a sample of a table, taken when it was another size, may say. Small ones are taken for larger: all of
 * one may well be read, and whether PostgreSQL has looked at it already is a matter of the minute.
 */
const believeIn = (density: number, isVacuumed: boolean) => `
  UPDATE pg_class SET
    reltuples = CASE WHEN reltuples < ${isSmall} THEN ${isSmall} ELSE reltuples * ${density} END,
    relpages = greatest(relpages, 1), relallvisible = ${isVacuumed ? 1e9 : 0}
  WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'`

const isSmall = 2_000

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
