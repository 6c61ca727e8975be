/** Identity keys, one-time keys and fallback keys of devices. They go when their device goes. */
import { type Selectable, sql } from 'kysely'
import type { DeviceKeysRow, FallbackKeyRow, OneTimeKeyTable } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

/** Whose key: a device of a user. */
export interface DeviceOf {
  userId: string
  deviceId: string
}

export async function upsertDeviceKeys(tx: Tx, row: DeviceKeysRow): Promise<void> {
  await tx.q
    .insertInto('device_keys')
    .values(row)
    .onConflict(conflict =>
      conflict.columns(['user_id', 'device_id']).doUpdateSet({ keys: row.keys }),
    )
    .execute()
}

export async function selectDeviceKeys(
  db: Db,
  { userId, deviceId }: DeviceOf,
): Promise<string | undefined> {
  const row = await db.q
    .selectFrom('device_keys')
    .select('keys')
    .where('user_id', '=', userId)
    .where('device_id', '=', deviceId)
    .executeTakeFirst()
  return row?.keys
}

/** The keys of all devices of these users that have any, with the names of the devices. */
export async function selectDeviceKeysOf(
  db: Db,
  userIds: readonly string[],
): Promise<(DeviceKeysRow & { display_name: string | null })[]> {
  return db.q
    .selectFrom('device_keys')
    .innerJoin('devices', join =>
      join
        .onRef('devices.user_id', '=', 'device_keys.user_id')
        .onRef('devices.device_id', '=', 'device_keys.device_id'),
    )
    .selectAll('device_keys')
    .select('devices.display_name')
    .where('device_keys.user_id', '=', sql<string>`ANY(${[...userIds]}::text[])`)
    .orderBy('devices.created_ts')
    .orderBy('devices.device_id')
    .execute()
}

export type OneTimeKeyRow = Omit<Selectable<OneTimeKeyTable>, 'seq'>

export async function selectOneTimeKeys(
  db: Db,
  { userId, deviceId }: DeviceOf,
  keyIds: readonly string[],
): Promise<OneTimeKeyRow[]> {
  return db.q
    .selectFrom('one_time_keys')
    .select(['user_id', 'device_id', 'algorithm', 'key_id', 'key', 'is_claimed'])
    .where('user_id', '=', userId)
    .where('device_id', '=', deviceId)
    .where('key_id', '=', sql<string>`ANY(${[...keyIds]}::text[])`)
    .execute()
}

/** PostgreSQL takes 65535 parameters a statement; a row has six. */
const rowsPerStatement = 1000

/** Add keys behind all that are there. A claimed one of the same id gives way. */
export async function insertOneTimeKeys(tx: Tx, rows: readonly OneTimeKeyRow[]): Promise<void> {
  for (let from = 0; from < rows.length; from += rowsPerStatement) {
    await tx.q
      .insertInto('one_time_keys')
      .values(rows.slice(from, from + rowsPerStatement))
      .onConflict(conflict =>
        conflict.columns(['user_id', 'device_id', 'algorithm', 'key_id']).doUpdateSet(eb => ({
          key: eb.ref('excluded.key'),
          is_claimed: eb.ref('excluded.is_claimed'),
          seq: eb.ref('excluded.seq'),
        })),
      )
      .execute()
  }
}

/** In place of what the device has of the same algorithms. No two of the rows are of one algorithm. */
export async function upsertFallbackKeys(tx: Tx, rows: readonly FallbackKeyRow[]): Promise<void> {
  for (let from = 0; from < rows.length; from += rowsPerStatement) {
    await tx.q
      .insertInto('fallback_keys')
      .values(rows.slice(from, from + rowsPerStatement))
      .onConflict(conflict =>
        conflict.columns(['user_id', 'device_id', 'algorithm']).doUpdateSet(eb => ({
          key_id: eb.ref('excluded.key_id'),
          key: eb.ref('excluded.key'),
          is_used: eb.ref('excluded.is_used'),
        })),
      )
      .execute()
  }
}

export async function selectFallbackKeys(
  db: Db,
  { userId, deviceId }: DeviceOf,
): Promise<FallbackKeyRow[]> {
  return db.q
    .selectFrom('fallback_keys')
    .selectAll()
    .where('user_id', '=', userId)
    .where('device_id', '=', deviceId)
    .orderBy('algorithm')
    .execute()
}

/** One-time keys that nobody has claimed, by algorithm; an algorithm without any is not listed. */
export async function countOneTimeKeys(
  db: Db,
  { userId, deviceId }: DeviceOf,
): Promise<{ algorithm: string; count: number }[]> {
  return db.q
    .selectFrom('one_time_keys')
    .select('algorithm')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('user_id', '=', userId)
    .where('device_id', '=', deviceId)
    .where(sql<boolean>`NOT is_claimed`)
    .groupBy('algorithm')
    .orderBy('algorithm')
    .execute()
}

/** The device has other identity keys now: what the old ones signed is of no use to anybody. */
export async function deletePublishedKeys(tx: Tx, { userId, deviceId }: DeviceOf): Promise<void> {
  for (const table of ['one_time_keys', 'fallback_keys'] as const) {
    await tx.q
      .deleteFrom(table)
      .where('user_id', '=', userId)
      .where('device_id', '=', deviceId)
      .execute()
  }
}

export interface ClaimRow {
  user_id: string
  device_id: string
  algorithm: string
}
export type ClaimedKeyRow = ClaimRow & { key_id: string; key: string }

/** The claims as a table of three columns. */
const claimTable = (claims: readonly ClaimRow[]) => sql`
  unnest(
    ${claims.map(claim => claim.user_id)}::text[],
    ${claims.map(claim => claim.device_id)}::text[],
    ${claims.map(claim => claim.algorithm)}::text[]
  ) AS wanted (user_id, device_id, algorithm)`

/**
 * Take for each claim the key that was uploaded first. A key that another transaction is taking is
 * passed over, so no key is taken twice and nobody waits.
 */
export async function claimOneTimeKeys(
  tx: Tx,
  claims: readonly ClaimRow[],
): Promise<ClaimedKeyRow[]> {
  const { rows } = await sql<ClaimedKeyRow>`
    WITH picked AS MATERIALIZED (
      SELECT first.* FROM ${claimTable(claims)}
      CROSS JOIN LATERAL (
        SELECT k.ctid FROM one_time_keys k
        WHERE k.user_id = wanted.user_id AND k.device_id = wanted.device_id
          AND k.algorithm = wanted.algorithm AND NOT k.is_claimed
        ORDER BY k.seq LIMIT 1 FOR UPDATE SKIP LOCKED
      ) first
    )
    UPDATE one_time_keys taken SET is_claimed = true FROM picked
    WHERE taken.ctid = picked.ctid
    RETURNING taken.user_id, taken.device_id, taken.algorithm, taken.key_id, taken.key`.execute(
    tx.q,
  )
  return rows
}

/** The fallback key for each claim that has one, marked as used. */
export async function claimFallbackKeys(
  tx: Tx,
  claims: readonly ClaimRow[],
): Promise<ClaimedKeyRow[]> {
  // Locked in one order, and after one-time keys, so that two who claim the same keys, or one who ends the
  // devices, wait and do not deadlock.
  const { rows } = await sql<ClaimedKeyRow>`
    WITH picked AS MATERIALIZED (
      SELECT fallback.*
      FROM (SELECT * FROM ${claimTable(claims)} ORDER BY user_id, device_id, algorithm) AS wanted
      CROSS JOIN LATERAL (
        SELECT k.user_id, k.device_id, k.algorithm FROM fallback_keys k
        WHERE k.user_id = wanted.user_id AND k.device_id = wanted.device_id
          AND k.algorithm = wanted.algorithm
        LIMIT 1 FOR UPDATE
      ) fallback
    )
    -- By users first: joined to those that were picked, all keys might be read. Not by their place, which
    -- whoever held them before may have changed.
    UPDATE fallback_keys used SET is_used = true
    WHERE used.user_id = ANY(ARRAY(SELECT user_id FROM picked)) AND EXISTS (
      SELECT FROM picked
      WHERE picked.user_id = used.user_id AND picked.device_id = used.device_id
        AND picked.algorithm = used.algorithm
      OFFSET 0
    )
    RETURNING used.user_id, used.device_id, used.algorithm, used.key_id, used.key`.execute(tx.q)
  return rows
}
