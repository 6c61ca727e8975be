/**
 * What every append writes. One statement, however many events: a round trip to the database takes
 * longer than the rows do.
 */
import { sql } from 'kysely'
import { unawaited } from './engine/connection.ts'
import type { HeldRoom } from './rooms.ts'
import type { EventRow } from './schema.ts'
import { insertTexts, type SearchableText } from './search.ts'
import type { Tx } from './transaction.ts'

/** Insert events and the texts that they can be found by; `rooms` are as they leave them. */
export async function insertEvents(
  tx: Tx,
  given: {
    events: readonly EventRow[]
    texts: readonly SearchableText[]
    rooms: readonly HeldRoom[]
  },
): Promise<void> {
  const { events, texts, rooms } = given
  await sql`
    WITH new_events AS (
      INSERT INTO events
      SELECT * FROM json_populate_recordset(NULL::events, ${JSON.stringify(events)}::text::json)
    ), new_texts AS (${insertTexts(texts)})
    UPDATE rooms SET
      last_event_id = changed.last_event_id,
      last_event_hash = changed.last_event_hash,
      last_depth = changed.last_depth,
      state_version = changed.state_version,
      bump_position = changed.bump_position,
      joined_members = changed.joined_members,
      invited_members = changed.invited_members
    FROM json_populate_recordset(NULL::rooms, ${JSON.stringify(rooms)}::text::json) AS changed
    WHERE rooms.room_id = changed.room_id ${unawaited}`.execute(tx.q)
}
