import { type Kysely, sql } from 'kysely'

/** State is read as what still stands and what has ended since; what it was long ago is not looked at. */
export async function stateAsItWas(q: Kysely<unknown>): Promise<void> {
  await sql`DROP INDEX room_state_others`.execute(q)
  await sql`
    CREATE INDEX room_state_others ON room_state (room_id, position)
    WHERE membership IS NULL AND until_position IS NULL`.execute(q)
  await sql`
    CREATE INDEX room_state_others_ended ON room_state (room_id, until_position)
    WHERE membership IS NULL AND until_position IS NOT NULL`.execute(q)
  await sql`
    CREATE INDEX room_state_members_ended ON room_state (room_id, until_position)
    WHERE membership IS NOT NULL AND until_position IS NOT NULL`.execute(q)
}
