/** What users have brought to the administrator's notice. */
import type { Insertable } from 'kysely'
import type { ReportTable } from './schema.ts'
import type { Tx } from './transaction.ts'

export async function insertReport(tx: Tx, report: Insertable<ReportTable>): Promise<void> {
  await tx.q.insertInto('reports').values(report).execute()
}
