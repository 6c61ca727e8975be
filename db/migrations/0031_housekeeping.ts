import { type Kysely, sql } from 'kysely'

/** What PostgreSQL does now and then, while somebody waits, in smaller pieces. */
export async function housekeeping(q: Kysely<unknown>): Promise<void> {
  // New words are gathered in a list, which every search reads; whoever fills it sorts it in. By default
  // it takes 4 MB: measured, 200 ms for one insert in 5,000.
  await sql`ALTER INDEX searchable_texts_words SET (gin_pending_list_limit = 64)`.execute(q)
  // Nothing is ever looked up by these, and ANALYZE sorts what it counts.
  await sql`ALTER TABLE events ALTER COLUMN pdu SET STATISTICS 0`.execute(q)
  await sql`ALTER TABLE delayed_events ALTER COLUMN content SET STATISTICS 0`.execute(q)
  await sql`ALTER TABLE transaction_ids ALTER COLUMN response SET STATISTICS 0`.execute(q)
}
