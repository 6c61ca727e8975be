/** Cross-signing keys of users, and signatures that were uploaded by themselves. */
import { type RawBuilder, sql } from 'kysely'
import type { CrossSigningKeyRow, KeySignatureRow, KeyUsage } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

export async function selectCrossSigningKeys(
  db: Db,
  userIds: readonly string[],
): Promise<CrossSigningKeyRow[]> {
  if (userIds.length === 0) return []
  return db.q
    .selectFrom('cross_signing_keys')
    .selectAll()
    .where('user_id', '=', sql<string>`ANY(${[...userIds]}::text[])`)
    .execute()
}

export async function upsertCrossSigningKey(tx: Tx, row: CrossSigningKeyRow): Promise<void> {
  await tx.q
    .insertInto('cross_signing_keys')
    .values(row)
    .onConflict(conflict =>
      conflict
        .columns(['user_id', 'usage'])
        .doUpdateSet({ public_key: row.public_key, key: row.key }),
    )
    .execute()
}

/** Of one user, with the signatures on them and by them. */
export async function deleteCrossSigningKeys(
  tx: Tx,
  userId: string,
  keys: readonly Pick<CrossSigningKeyRow, 'usage' | 'public_key'>[],
): Promise<void> {
  if (keys.length === 0) return
  await tx.q
    .deleteFrom('cross_signing_keys')
    .where('user_id', '=', userId)
    .where('usage', '=', sql<KeyUsage>`ANY(${keys.map(({ usage }) => usage)}::text[])`)
    .execute()
  await deleteSignaturesOfKeys(
    tx,
    userId,
    keys.map(({ public_key }) => public_key),
  )
}

/** Of a user who is leaving for good. Their signatures on others go too. */
export async function deleteCrossSigning(tx: Tx, userId: string): Promise<void> {
  await tx.q.deleteFrom('cross_signing_keys').where('user_id', '=', userId).execute()
  await deleteSignatures(tx, sql`signed_user_id = ${userId}`, sql`signer_user_id = ${userId}`)
}

/** @param keyIds device ids or public keys; what they signed goes, and what signed them */
export async function deleteSignaturesOfKeys(
  tx: Tx,
  userId: string,
  keyIds: readonly string[],
): Promise<void> {
  if (keyIds.length === 0) return
  const signerIds = keyIds.map(keyId => `ed25519:${keyId}`)
  await deleteSignatures(
    tx,
    sql`signed_user_id = ${userId} AND signed_key_id = ANY(${[...keyIds]}::text[])`,
    // "|| ''" is in no index: one that begins with who was signed has it, too, and would be read as a whole.
    sql`signer_user_id = ${userId} AND signer_key_id || '' = ANY(${signerIds}::text[])`,
  )
}

/**
 * Those for which one is true, or the other. All at once and always in the same order: two who have signed
 * each other's keys may both be giving theirs up. (A signature is never changed, so it stays in its place.)
 */
async function deleteSignatures(
  tx: Tx,
  isOnTheirs: RawBuilder<unknown>,
  isByTheirs: RawBuilder<unknown>,
): Promise<void> {
  await sql`
    WITH held AS MATERIALIZED (
      SELECT ctid FROM key_signatures
      WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM key_signatures WHERE ${isOnTheirs}
        UNION ALL SELECT ctid FROM key_signatures WHERE ${isByTheirs}
      ))
      -- In no index: by that of this order all would be read.
      ORDER BY signed_user_id || '', signed_key_id, signer_user_id, signer_key_id FOR UPDATE
    )
    DELETE FROM key_signatures WHERE ctid = ANY(ARRAY(SELECT ctid FROM held))`.execute(tx.q)
}

/** @returns whether it is new */
export async function insertSignature(tx: Tx, row: KeySignatureRow): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx.q
    .insertInto('key_signatures')
    .values(row)
    .onConflict(conflict => conflict.doNothing())
    .executeTakeFirstOrThrow()
  return numInsertedOrUpdatedRows === 1n
}

/** Signatures on keys of `userIds`: those by the owners themselves, and those by `viewer`. */
export async function selectSignaturesSeenBy(
  db: Db,
  viewer: string,
  userIds: readonly string[],
): Promise<KeySignatureRow[]> {
  if (userIds.length === 0) return []
  return db.q
    .selectFrom('key_signatures')
    .selectAll()
    .where('signed_user_id', '=', sql<string>`ANY(${[...userIds]}::text[])`)
    .where(eb =>
      eb.or([
        eb('signer_user_id', '=', eb.ref('signed_user_id')),
        eb('signer_user_id', '=', viewer),
      ]),
    )
    .execute()
}
