/** Who has something to carry from a room into the one that took its place. */
import { fixed } from './fixed.ts'
import type { Db } from './transaction.ts'

/**
 * Of the users who are in `to` now and have ever been in `from`, those who have set something for
 * `from`: tags, push rules (both under its own id), or that it is a direct chat. In the order of their
 * ids. May give too many, as who only names the room in a rule.
 */
export async function selectMovers(
  db: Db,
  { from, to }: { from: string; to: string },
): Promise<string[]> {
  // As both stand in JSON.
  const named = JSON.stringify(from)
  const { rows } = await fixed<{ user_id: string }>`
    SELECT users.user_id
    FROM room_state AS joined
    JOIN users ON users.user_id = joined.state_key AND users.deactivated_ts IS NULL
    WHERE joined.room_id = ${to} AND joined.type = 'm.room.member'
      AND joined.membership = 'join' AND joined.until_position IS NULL
      AND EXISTS (
        SELECT FROM room_state AS was
        WHERE was.state_key = joined.state_key AND was.room_id = ${from}
          AND was.type = 'm.room.member' AND was.membership = 'join'
        OFFSET 0
      )
      -- Each is looked up: what all users have set might be read before.
      AND (
        EXISTS (
          SELECT FROM account_data AS tags
          WHERE tags.user_id = users.user_id AND tags.room_id = ${from} AND tags.type = 'm.tag'
          OFFSET 0
        )
        OR EXISTS (
          SELECT FROM account_data AS direct
          WHERE direct.user_id = users.user_id AND direct.room_id = '' AND direct.type = 'm.direct'
            AND strpos(direct.content, ${named}) > 0
          OFFSET 0
        )
        OR EXISTS (
          SELECT FROM push_rules
          WHERE push_rules.user_id = users.user_id AND strpos(push_rules.changes, ${named}) > 0
          OFFSET 0
        )
      )
    ORDER BY users.user_id`.execute(db.q)
  return rows.map(row => row.user_id)
}
