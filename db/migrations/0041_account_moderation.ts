import { type Kysely, sql } from 'kysely'

/** Whose account is locked or suspended, until an administrator says otherwise. */
export async function accountModeration(q: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE restricted_users (
      user_id text PRIMARY KEY REFERENCES users,
      is_locked boolean NOT NULL,
      is_suspended boolean NOT NULL
    )`.execute(q)
}
