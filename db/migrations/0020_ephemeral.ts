import { type Kysely, sql } from 'kysely'

/** Receipts in the order of the stream, as application services are told of them. */
export async function ephemeral(q: Kysely<unknown>): Promise<void> {
  await sql`CREATE INDEX receipts_by_position ON receipts (position)`.execute(q)
}
