/** What users say of themselves, and finding users by it. */
import { sql } from 'kysely'
import type { ProfileFieldRow } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

/** `displayname` and `avatar_url` live with the user: every membership needs them. */
export async function updateProfile(
  tx: Tx,
  userId: string,
  change: { displayname?: string | null; avatar_url?: string | null },
): Promise<void> {
  await tx.q.updateTable('users').set(change).where('user_id', '=', userId).execute()
}

export async function selectProfileFields(db: Db, userId: string): Promise<ProfileFieldRow[]> {
  return db.q
    .selectFrom('profile_fields')
    .selectAll()
    .where('user_id', '=', userId)
    .orderBy('key_name')
    .execute()
}

export async function upsertProfileField(tx: Tx, field: ProfileFieldRow): Promise<void> {
  await tx.q
    .insertInto('profile_fields')
    .values(field)
    .onConflict(conflict =>
      conflict.columns(['user_id', 'key_name']).doUpdateSet({ value: field.value }),
    )
    .execute()
}

export async function deleteProfileField(tx: Tx, userId: string, keyName: string): Promise<void> {
  await tx.q
    .deleteFrom('profile_fields')
    .where('user_id', '=', userId)
    .where('key_name', '=', keyName)
    .execute()
}

/** All that the user has. */
export async function deleteProfileFields(tx: Tx, userId: string): Promise<void> {
  await tx.q.deleteFrom('profile_fields').where('user_id', '=', userId).execute()
}

export interface FoundUser {
  user_id: string
  displayname: string | null
  avatar_url: string | null
}

/**
 * Active users with every one of `words` in their name or id, capitals or not, whom the searcher
 * can meet: they share a room, or the other is in a room that anybody may join or read. Names of
 * single rooms are not looked at.
 */
export async function selectUsersByWords(
  db: Db,
  searcherId: string,
  words: readonly string[],
  limit: number,
): Promise<FoundUser[]> {
  const patterns = words.map(word => `%${word.replace(/[\\%_]/g, '\\$&')}%`)
  const { rows } = await sql<FoundUser>`
    SELECT user_id, displayname, avatar_url FROM users
    WHERE user_id <> ${searcherId} AND deactivated_ts IS NULL
      -- Small letters of both are PostgreSQL's: JavaScript has others for Σ and İ.
      AND lower(coalesce(displayname, '') || ' ' || user_id) LIKE ALL(
        SELECT lower(pattern) FROM unnest(${patterns}::text[]) AS word (pattern)
      )
      -- OFFSET 0: for each who is found by name; the planner might find out of everybody. "- 0" is in no
      -- index, but who is in which room is.
      AND EXISTS (
        SELECT 1 FROM room_state theirs
        WHERE theirs.state_key = users.user_id AND theirs.membership = 'join'
          AND theirs.until_position - 0 IS NULL
          AND (
            EXISTS (
              SELECT 1 FROM room_state mine
              WHERE mine.room_id = theirs.room_id AND mine.type = 'm.room.member'
                AND mine.state_key = ${searcherId} AND mine.membership = 'join'
                AND mine.until_position - 0 IS NULL
              OFFSET 0
            )
            -- By their text: JSON functions refuse the NUL that content may have elsewhere.
            OR EXISTS (
              SELECT 1 FROM room_state rule JOIN events ON events.event_id = rule.event_id
              WHERE rule.room_id = theirs.room_id AND rule.state_key = ''
                AND rule.until_position IS NULL
                AND (rule.type = 'm.room.join_rules' AND pdu LIKE '%"join_rule":"public"%'
                  OR rule.type = 'm.room.history_visibility'
                    AND pdu LIKE '%"history_visibility":"world_readable"%')
              OFFSET 0
            )
          )
        OFFSET 0
      )
    ORDER BY displayname IS NULL, lower(displayname), user_id
    LIMIT ${limit}`.execute(db.q)
  return rows
}
