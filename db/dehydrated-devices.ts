/** Dehydrated devices (MSC3814): one a user. The row goes when its device goes. */
import type { DehydratedDeviceRow } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

export async function insertDehydratedDevice(tx: Tx, row: DehydratedDeviceRow): Promise<void> {
  await tx.q.insertInto('dehydrated_devices').values(row).execute()
}

export async function selectDehydratedDevice(
  db: Db,
  userId: string,
): Promise<DehydratedDeviceRow | undefined> {
  return db.q
    .selectFrom('dehydrated_devices')
    .selectAll()
    .where('user_id', '=', userId)
    .executeTakeFirst()
}
