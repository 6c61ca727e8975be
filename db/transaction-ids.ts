/** Answers to idempotent requests. */
import { sql } from 'kysely'
import { unawaited } from './engine/connection.ts'
import { fixed } from './fixed.ts'
import type { Db, Tx } from './transaction.ts'

export interface Device {
  userId: string
  deviceId: string
}

export interface AnswerKey extends Device {
  /** Method and path without the query. */
  path: string
}

/** Of each key the answer; undefined: there is none. */
export async function selectAnswers(
  db: Db,
  keys: readonly AnswerKey[],
): Promise<(string | undefined)[]> {
  const { rows } = await fixed<{ at: number; response: string }>`
    SELECT wanted.at, response
    FROM unnest(
      ${keys.map(({ userId }) => userId)}::text[],
      ${keys.map(({ deviceId }) => deviceId)}::text[],
      ${keys.map(({ path }) => path)}::text[]
    ) WITH ORDINALITY AS wanted (user_id, device_id, path, at)
    CROSS JOIN LATERAL (
      SELECT response FROM transaction_ids AS answered
      WHERE answered.user_id = wanted.user_id AND answered.device_id = wanted.device_id
        AND answered.path = wanted.path
      LIMIT 1
    ) AS answer`.execute(db.q)
  const answers: (string | undefined)[] = keys.map(() => undefined)
  for (const { at, response } of rows) answers[at - 1] = response
  return answers
}

/** Of each device the paths that are answered; of one with more, the first `limit` that are found. */
export async function selectAnsweredPaths(
  db: Db,
  devices: readonly Device[],
  limit: number,
): Promise<string[][]> {
  const { rows } = await fixed<{ at: number; path: string }>`
    SELECT wanted.at, path
    FROM unnest(
      ${devices.map(({ userId }) => userId)}::text[],
      ${devices.map(({ deviceId }) => deviceId)}::text[]
    ) WITH ORDINALITY AS wanted (user_id, device_id, at)
    CROSS JOIN LATERAL (
      SELECT path FROM transaction_ids AS answered
      WHERE answered.user_id = wanted.user_id AND answered.device_id = wanted.device_id
      LIMIT ${limit}
    ) AS answer`.execute(db.q)
  const paths: string[][] = devices.map(() => [])
  for (const { at, path } of rows) paths[at - 1]?.push(path)
  return paths
}

/**
 * Waits for whoever is storing the same keys. The transaction fails, as {@link isAnswered} says, if one
 * of them is taken: by a transaction that has committed, or by another answer here.
 */
export async function insertAnswers(
  tx: Tx,
  answers: readonly { key: AnswerKey; response: string }[],
  now: number,
): Promise<void> {
  if (answers.length === 0) return
  await sql`
    INSERT INTO transaction_ids (user_id, device_id, path, response, created_ts)
    SELECT given.*, ${now}::bigint FROM unnest(
      ${answers.map(({ key }) => key.userId)}::text[],
      ${answers.map(({ key }) => key.deviceId)}::text[],
      ${answers.map(({ key }) => key.path)}::text[],
      ${answers.map(({ response }) => response)}::text[]
    ) AS given ${unawaited}`.execute(tx.q)
}

const uniqueViolation = '23505'

/** Whether a transaction failed because a request that it answers has been answered. */
export function isAnswered(error: unknown): boolean {
  const { code, table } = error as { code?: unknown; table?: unknown }
  return code === uniqueViolation && table === 'transaction_ids'
}

/**
 * @returns how many, at most `limit`, were stored before `before` (Unix ms) and are gone now; those
 *   that go with their device at this moment are passed over
 */
export async function deleteAnswersBefore(tx: Tx, before: number, limit: number): Promise<number> {
  const { numAffectedRows } = await sql`
    DELETE FROM transaction_ids WHERE ctid = ANY(ARRAY(
      SELECT ctid FROM transaction_ids
      WHERE created_ts < ${before} ORDER BY created_ts LIMIT ${limit}
      FOR UPDATE SKIP LOCKED
    ))`.execute(tx.q)
  return Number(numAffectedRows ?? 0)
}
