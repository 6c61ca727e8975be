/** What statements walk through, for tests. */
import { sql } from 'kysely'
import type { Pool } from '../transaction.ts'
import { type PlanNode, planOf } from './explain.ts'
import { statementsOf } from './statements.ts'

/** Something that a statement reads from end to end, or looks through by a column that is not its first. */
export interface Walk {
  /** Of a table or an index. */
  name: string
  text: string
}

/**
 * Of how large tables are: that nobody has looked at them yet, and that a page has a million rows; and, after
 * a VACUUM, that a row need not be visited to know whether it is there.
 */
const beliefs = [
  'reltuples = -1, relpages = 0, relallvisible = 0',
  'reltuples = -1, relpages = 0, relallvisible = 1e9',
  'reltuples = 1e6, relpages = 1, relallvisible = 0',
  'reltuples = 1e6, relpages = 1, relallvisible = 1e9',
].map(
  belief => `
    UPDATE pg_class SET ${belief}
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'i')`,
)

/**
 * What a request's statements walk through where they should look something up: as they are planned for
 * tables whose size is not known, and for large ones. Who takes the first few that come, in the order of an
 * index, walks no further.
 */
export async function walksOf(db: Pool, request: () => Promise<unknown>): Promise<Walk[]> {
  const statements = await statementsOf(request)
  const { rows } = await sql<{ index: string; column: string }>`
    SELECT relname AS index, pg_get_indexdef(indexrelid, 1, false) AS column
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE relnamespace = current_schema()::regnamespace`.execute(db.q)
  // An expression comes with a pair of parentheses more than it has in a plan.
  const firstColumns = new Map(
    rows.map(({ index, column }) => [index, column.replace(/^\((\(.*\))\)$/, '$1')]),
  )
  const walks: Walk[] = []
  for (const statement of statements) {
    if (!/^\s*(select|with|update|delete|insert)\b/i.test(statement.text)) continue
    for (const belief of beliefs) {
      const plan = await planOf(db, statement, [belief])
      const names = plan ? walkedBy(plan, firstColumns) : []
      for (const name of names) walks.push({ name, text: statement.text })
    }
  }
  return walks
}

function walkedBy(
  node: PlanNode,
  firstColumns: ReadonlyMap<string, string>,
  isLimited = false,
): string[] {
  const type = node['Node Type']
  const first = firstColumns.get(node['Index Name'] ?? '')
  const isWalk = first ? !speaksOf(node['Index Cond'] ?? '', first) : type === 'Seq Scan'
  const isShort = isLimited && node['Index Cond'] === undefined && node.Filter === undefined
  const name = node['Index Name'] ?? node['Relation Name'] ?? ''
  const isOrdered = type === 'Limit' || (isLimited && !/Sort|Aggregate|Unique/.test(type))
  return [
    ...(isWalk && !isShort ? [name] : []),
    ...(node.Plans ?? []).flatMap(below => walkedBy(below, firstColumns, isOrdered)),
  ]
}

/**
 * Whether a condition is about this column of the table, and not about another table's of that name; that
 * there is any value is no look-up.
 */
const speaksOf = (condition: string, column: string) =>
  condition
    .replaceAll(/\(\w+ IS NOT NULL\)/g, '')
    .split(column)
    .some((before, i, parts) => i < parts.length - 1 && !/[\w.]$/.test(before))
