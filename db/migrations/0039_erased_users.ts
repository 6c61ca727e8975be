import { type Kysely, sql } from 'kysely'

/** MSC4025: who has asked that what they said be erased. */
export async function erasedUsers(q: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE erased_users (
      user_id text PRIMARY KEY REFERENCES users,
      position bigint NOT NULL
    )`.execute(q)
}
