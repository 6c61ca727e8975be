/** The one row that says who we are. */
import type { ServerRow } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

/** Undefined on the very first start. */
export async function selectServer(db: Db): Promise<ServerRow | undefined> {
  return db.q.selectFrom('server').selectAll().executeTakeFirst()
}

export async function insertServer(tx: Tx, server: ServerRow): Promise<void> {
  await tx.q.insertInto('server').values(server).execute()
}
