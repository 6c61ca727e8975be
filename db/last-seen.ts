/** When and from where devices were last seen. */
import { sql } from 'kysely'
import type { DeviceRow } from './schema.ts'
import type { Tx } from './transaction.ts'

export type Sighting = Pick<DeviceRow, 'user_id' | 'device_id'> & {
  last_seen_ts: number
  last_seen_ip: string
  last_seen_user_agent: string
}

/**
 * Of devices that are there, in one statement; always in the same order, so that nobody deadlocks. Who
 * only needs a device to stay, as the row of its session does, does not wait.
 */
export async function updateLastSeen(tx: Tx, sightings: readonly Sighting[]): Promise<void> {
  const column = (name: keyof Sighting) => sightings.map(sighting => sighting[name])
  await sql`
    WITH seen AS (
      SELECT * FROM unnest(
        ${column('user_id')}::text[], ${column('device_id')}::text[],
        ${column('last_seen_ts')}::bigint[], ${column('last_seen_ip')}::text[],
        ${column('last_seen_user_agent')}::text[]
      ) AS seen (user_id, device_id, ts, ip, user_agent)
    ), locked AS (
      SELECT devices.user_id, devices.device_id, ts, ip, user_agent
      FROM seen JOIN devices USING (user_id, device_id)
      ORDER BY devices.user_id, devices.device_id FOR NO KEY UPDATE OF devices
    )
    UPDATE devices SET
      last_seen_ts = locked.ts, last_seen_ip = locked.ip, last_seen_user_agent = locked.user_agent
    FROM locked
    WHERE devices.user_id = locked.user_id AND devices.device_id = locked.device_id`.execute(tx.q)
}
