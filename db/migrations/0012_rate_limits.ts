import { type Kysely, sql } from 'kysely'

/** Limits count when a delayed event is sent, and whether they do is known when it is scheduled. */
export async function rateLimits(q: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE delayed_events ADD COLUMN is_rate_limited boolean NOT NULL DEFAULT true
  `.execute(q)
}
