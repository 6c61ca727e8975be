/** MSC4140's table: forgetting what is over. A statement removes at most `limit` rows, if it has one. */
import { sql } from 'kysely'
import type { Db, Tx } from './transaction.ts'

/** @returns how many were finalised before `before` (Unix ms, exclusive) and are gone now */
export async function deleteFinalisedBefore(
  tx: Tx,
  before: number,
  limit: number,
): Promise<number> {
  const { numAffectedRows } = await sql`
    DELETE FROM delayed_events WHERE delay_id IN (
      SELECT delay_id FROM delayed_events
      WHERE status <> 'scheduled' AND finalised_ts < ${before}
      ORDER BY finalised_ts LIMIT ${limit}
    )`.execute(tx.q)
  return Number(numAffectedRows ?? 0)
}

/** @returns how many of this user's were not among the latest `kept` and are gone now */
export async function deleteFinalisedBeyond(
  tx: Tx,
  userId: string,
  kept: number,
  limit: number,
): Promise<number> {
  const { numAffectedRows } = await sql`
    DELETE FROM delayed_events WHERE delay_id IN (
      SELECT delay_id FROM delayed_events
      WHERE user_id = ${userId} AND status <> 'scheduled'
      ORDER BY finalised_ts DESC, seq DESC OFFSET ${kept} LIMIT ${limit}
    )`.execute(tx.q)
  return Number(numAffectedRows ?? 0)
}

/**
 * All of this user's that are over. One that somebody is removing at this moment is left to them, so that two who
 * remove several never wait for each other.
 */
export async function deleteFinalisedOf(tx: Tx, userId: string): Promise<void> {
  await sql`
    DELETE FROM delayed_events WHERE delay_id IN (
      SELECT delay_id FROM delayed_events
      WHERE user_id = ${userId} AND status <> 'scheduled'
      FOR UPDATE SKIP LOCKED
    )`.execute(tx.q)
}

/**
 * Users of whom more than `kept` are over, if one of them ended at or after `since` (Unix ms).
 * Reads what ended since then, and of these users up to what is kept: it does not grow with the table.
 */
export async function selectUsersWithMore(db: Db, since: number, kept: number): Promise<string[]> {
  const { rows } = await sql<{ user_id: string }>`
    SELECT recent.user_id FROM (
      SELECT DISTINCT user_id FROM (
        -- In the order of the index: that of users has it all, and would be read from end to end. (It
        -- has no status: after a VACUUM it would be cheap if nothing else of the rows were asked.)
        SELECT user_id FROM delayed_events
        WHERE status <> 'scheduled' AND status || '' <> '' AND finalised_ts >= ${since}
        ORDER BY finalised_ts OFFSET 0
      ) AS ended
    ) AS recent
    CROSS JOIN LATERAL (
      SELECT FROM delayed_events
      WHERE delayed_events.user_id = recent.user_id AND status <> 'scheduled'
      ORDER BY finalised_ts OFFSET ${kept} LIMIT 1
    ) AS one_too_many`.execute(db.q)
  return rows.map(row => row.user_id)
}
