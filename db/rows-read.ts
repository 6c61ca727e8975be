/** How much of the tables a request has to read: a measure that no other load on the machine moves. */
import { CompiledQuery } from 'kysely'
import { type Statement, statementsOf } from './statements.ts'
import type { Db } from './transaction.ts'

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
 * Run a request, and explain what it asked the database: every statement that only reads is run once
 * more, by `EXPLAIN (ANALYZE)`.
 */
export async function rowsRead(db: Db, request: () => Promise<unknown>): Promise<RowsRead> {
  const statements = await statementsOf(request)
  const result: RowsRead = {
    rows: 0,
    places: 0,
    statements: statements.length,
    worst: { rows: 0, text: '' },
  }
  for (const { text, values } of statements.filter(isReading)) {
    const explain = `EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF, FORMAT JSON) ${text}`
    const { rows: answer } = await db.q.executeQuery<{ 'QUERY PLAN': unknown }>(
      CompiledQuery.raw(explain, [...values]),
    )
    const given = answer[0]?.['QUERY PLAN']
    const [plan] = (typeof given === 'string' ? JSON.parse(given) : given) as { Plan: PlanNode }[]
    const rows = plan ? scanned(plan.Plan) : 0
    result.rows += rows
    result.places += plan ? scanned(plan.Plan, 'Bitmap Index Scan') : 0
    if (rows > result.worst.rows) result.worst = { rows, text }
  }
  return result
}

const isReading = ({ text }: Statement): boolean =>
  /^\s*(select|with)\b/i.test(text) &&
  !/\b(insert into|delete from|update\s+"?\w+"?\s+set|for update|for key share)\b/i.test(text)

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
