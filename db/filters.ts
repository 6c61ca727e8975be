/** Filters that clients have uploaded. */
import type { FilterRow } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

/** Nothing changes if it is there already: an id stands for one definition. */
export async function insertFilter(tx: Tx, filter: FilterRow): Promise<void> {
  await tx.q
    .insertInto('filters')
    .values(filter)
    .onConflict(conflict => conflict.doNothing())
    .execute()
}

/** The definition as JSON. */
export async function selectFilter(
  db: Db,
  userId: string,
  filterId: string,
): Promise<string | undefined> {
  const row = await db.q
    .selectFrom('filters')
    .select('definition')
    .where('user_id', '=', userId)
    .where('filter_id', '=', filterId)
    .executeTakeFirst()
  return row?.definition
}

/** All that the user has. */
export async function deleteFilters(tx: Tx, userId: string): Promise<void> {
  await tx.q.deleteFrom('filters').where('user_id', '=', userId).execute()
}
