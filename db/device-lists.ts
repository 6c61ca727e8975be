/** Whose keys have changed, along the one stream. */
import type { DeviceListChangeRow } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

export async function insertDeviceListChanges(
  tx: Tx,
  rows: readonly DeviceListChangeRow[],
): Promise<void> {
  await tx.q
    .insertInto('device_list_changes')
    .values([...rows])
    .execute()
}

/** Who changed in (after, upTo], as far as `viewer` may know; whether they share a room is not asked. */
export async function selectDeviceListChanges(
  db: Db,
  viewer: string,
  after: number,
  upTo: number,
): Promise<Pick<DeviceListChangeRow, 'user_id' | 'seen_by'>[]> {
  return db.q
    .selectFrom('device_list_changes')
    .select(['user_id', 'seen_by'])
    .distinct()
    .where('position', '>', after)
    .where('position', '<=', upTo)
    .where(eb => eb.or([eb('seen_by', 'is', null), eb('seen_by', '=', viewer)]))
    .orderBy('user_id')
    .execute()
}
