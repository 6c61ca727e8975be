/** Messages to devices, kept until the device says that it has them. */
import type { ToDeviceMessageRow } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

/** PostgreSQL takes 65535 parameters a statement; a row has four. */
const rowsPerStatement = 1000

export async function insertToDevice(tx: Tx, rows: readonly ToDeviceMessageRow[]): Promise<void> {
  for (let from = 0; from < rows.length; from += rowsPerStatement) {
    await tx.q
      .insertInto('to_device_messages')
      .values(rows.slice(from, from + rowsPerStatement))
      .execute()
  }
}

/** The first `limit` messages to a device in (after, upTo], oldest first. */
export async function selectToDevice(
  db: Db,
  userId: string,
  deviceId: string,
  after: number,
  upTo: number,
  limit: number,
): Promise<Pick<ToDeviceMessageRow, 'position' | 'message'>[]> {
  return db.q
    .selectFrom('to_device_messages')
    .select(['position', 'message'])
    .where('user_id', '=', userId)
    .where('device_id', '=', deviceId)
    .where('position', '>', after)
    .where('position', '<=', upTo)
    .orderBy('position')
    .limit(limit)
    .execute()
}

/** @param upTo inclusive */
export async function deleteToDeviceUpTo(
  tx: Tx,
  userId: string,
  deviceId: string,
  upTo: number,
): Promise<void> {
  await tx.q
    .deleteFrom('to_device_messages')
    .where('user_id', '=', userId)
    .where('device_id', '=', deviceId)
    .where('position', '<=', upTo)
    .execute()
}
