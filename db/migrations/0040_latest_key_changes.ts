import { type Kysely, sql } from 'kysely'

/** Of the changes of somebody's keys only the latest is kept: who has not heard of those before, hears of that. */
export async function latestKeyChanges(q: Kysely<unknown>): Promise<void> {
  await sql`
    DELETE FROM device_list_changes AS earlier USING (
      SELECT user_id, seen_by, max(position) AS position
      FROM device_list_changes GROUP BY user_id, seen_by
    ) AS latest
    WHERE earlier.user_id = latest.user_id AND earlier.position < latest.position
      AND earlier.seen_by IS NOT DISTINCT FROM latest.seen_by`.execute(q)
  await sql`
    CREATE INDEX device_list_changes_of_user
    ON device_list_changes (user_id, coalesce(seen_by, ''))`.execute(q)
}
