import { type Kysely, sql } from 'kysely'

/**
 * Under the name of a group, and under a state key, only what may still be meant is found: anybody may have
 * had the name before, and anybody may schedule, for the key of another, what no state cancels.
 */
export async function namesInUse(q: Kysely<unknown>): Promise<void> {
  await sql`DROP INDEX IF EXISTS delayed_events_of_group`.execute(q)
  await sql`
    CREATE INDEX delayed_events_of_group ON delayed_events (group_id)
    WHERE status = 'scheduled' AND group_id IS NOT NULL`.execute(q)
  await sql`DROP INDEX IF EXISTS delayed_events_of_state`.execute(q)
  await sql`
    CREATE INDEX delayed_events_of_state ON delayed_events (room_id, type, state_key)
    WHERE status = 'scheduled' AND state_key IS NOT NULL AND cancel_policy <> 'none'`.execute(q)
}
