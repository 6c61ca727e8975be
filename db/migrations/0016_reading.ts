import { type Kysely, sql } from 'kysely'

/** What reading a room asks for beside its timeline and its state. */
export async function reading(q: Kysely<unknown>): Promise<void> {
  // Whom a room without a name is called after, however many are in it.
  await sql`
    CREATE INDEX room_state_present ON room_state (room_id, position)
    WHERE until_position IS NULL AND membership IN ('join', 'invite')`.execute(q)
  await sql`
    CREATE INDEX room_state_gone ON room_state (room_id, position)
    WHERE until_position IS NULL AND membership IN ('leave', 'ban')`.execute(q)
}
