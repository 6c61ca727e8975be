/** MSC4140's table: what has become of delayed events of late, for whoever holds the clock. */
import { type DelayedEventRow, scheduled } from './delayed-events.ts'
import type { Db } from './transaction.ts'

const columns = [
  ...(['delay_id', 'user_id', 'room_id', 'type', 'state_key', 'delay_ms', 'send_at'] as const),
  ...(['status', 'cause', 'finalised_ts', 'event_id', 'error'] as const),
] as const

export type FiredRow = Pick<DelayedEventRow, (typeof columns)[number]>

/** Of all users: those finalised at or after `since` (Unix ms), in the order in which they were. */
export async function selectFinalisedSince(db: Db, since: number): Promise<FiredRow[]> {
  return db.q
    .selectFrom('delayed_events')
    .select(columns)
    .where('status', '<>', scheduled)
    .where('finalised_ts', '>=', since)
    .orderBy('finalised_ts')
    .orderBy('send_at')
    .orderBy('seq')
    .execute()
}
