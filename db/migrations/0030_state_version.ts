import { type Kysely, sql } from 'kysely'

/** Who holds a room's row can tell whether the state that they remember is still the state. */
export async function stateVersion(q: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE rooms ADD state_version bigint NOT NULL DEFAULT 0`.execute(q)
}
