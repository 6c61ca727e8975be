/** Whose keys have changed, along the one stream. */
import { sql } from 'kysely'
import type { DeviceListChangeRow } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

/**
 * In place of what is known of the same users, and visible to the same ones: who looks up to before this
 * finds nothing of them, and this with the next look.
 */
export async function insertDeviceListChanges(
  tx: Tx,
  rows: readonly DeviceListChangeRow[],
): Promise<void> {
  await sql`
    WITH given AS MATERIALIZED (
      SELECT * FROM json_populate_recordset(NULL::device_list_changes, ${JSON.stringify(rows)}::text::json)
    ), superseded AS (
      DELETE FROM device_list_changes WHERE ctid = ANY(ARRAY(
        SELECT earlier.ctid FROM given CROSS JOIN LATERAL (
          SELECT changes.ctid FROM device_list_changes AS changes
          WHERE changes.user_id = given.user_id
            AND coalesce(changes.seen_by, '') = coalesce(given.seen_by, '')
            AND changes.position < given.position
          OFFSET 0
        ) AS earlier
      ))
    )
    INSERT INTO device_list_changes (position, user_id, seen_by)
    SELECT position, user_id, seen_by FROM given`.execute(tx.q)
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
