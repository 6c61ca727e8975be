import { type Kysely, sql } from 'kysely'

/** The room directory in its order, so that a page costs what is on it. */
export async function roomDirectory(q: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE INDEX rooms_directory ON rooms ((-joined_members), room_id) WHERE is_public
  `.execute(q)
  await sql`DROP INDEX IF EXISTS rooms_public`.execute(q)
}
