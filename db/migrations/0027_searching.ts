import { type Kysely, sql } from 'kysely'

/** The latest texts of a room are at the end of an index, whatever is said in other rooms. */
export async function searching(q: Kysely<unknown>): Promise<void> {
  await sql`DROP INDEX IF EXISTS searchable_texts_by_position`.execute(q)
  await sql`CREATE INDEX searchable_texts_by_room ON searchable_texts (room_id, position)`.execute(
    q,
  )
}
