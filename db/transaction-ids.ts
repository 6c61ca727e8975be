/** Answers to idempotent requests. */
import { sql } from 'kysely'
import type { Db, Tx } from './transaction.ts'

export interface AnswerKey {
  userId: string
  deviceId: string
  /** Method and path without the query. */
  path: string
}

export async function selectAnswer(db: Db, key: AnswerKey): Promise<string | undefined> {
  const row = await db.q
    .selectFrom('transaction_ids')
    .select('response')
    .where('user_id', '=', key.userId)
    .where('device_id', '=', key.deviceId)
    .where('path', '=', key.path)
    .executeTakeFirst()
  return row?.response
}

/** Waits for a transaction that is storing the same key, and is 'taken' if that one commits. */
export async function insertAnswer(
  tx: Tx,
  key: AnswerKey,
  response: string,
  now: number,
): Promise<'stored' | 'taken'> {
  const { numInsertedOrUpdatedRows } = await tx.q
    .insertInto('transaction_ids')
    .values({
      user_id: key.userId,
      device_id: key.deviceId,
      path: key.path,
      response,
      created_ts: now,
    })
    .onConflict(conflict => conflict.doNothing())
    .executeTakeFirstOrThrow()
  return numInsertedOrUpdatedRows === 1n ? 'stored' : 'taken'
}

/** @returns how many, at most `limit`, were stored before `before` (Unix ms) and are gone now */
export async function deleteAnswersBefore(tx: Tx, before: number, limit: number): Promise<number> {
  const { numAffectedRows } = await sql`
    DELETE FROM transaction_ids WHERE (user_id, device_id, path) IN (
      SELECT user_id, device_id, path FROM transaction_ids
      WHERE created_ts < ${before} ORDER BY created_ts LIMIT ${limit}
    )`.execute(tx.q)
  return Number(numAffectedRows ?? 0)
}
