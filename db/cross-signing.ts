/** Cross-signing keys of users, and signatures that were uploaded by themselves. */
import { sql } from 'kysely'
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

/** With the signatures on it and by it. */
export async function deleteCrossSigningKey(
  tx: Tx,
  { user_id, usage, public_key }: { user_id: string; usage: KeyUsage; public_key: string },
): Promise<void> {
  await tx.q
    .deleteFrom('cross_signing_keys')
    .where('user_id', '=', user_id)
    .where('usage', '=', usage)
    .execute()
  await deleteSignaturesOfKey(tx, user_id, public_key)
}

/** Of a user who is leaving for good. Their signatures on others go too. */
export async function deleteCrossSigning(tx: Tx, userId: string): Promise<void> {
  await tx.q.deleteFrom('cross_signing_keys').where('user_id', '=', userId).execute()
  await tx.q.deleteFrom('key_signatures').where('signed_user_id', '=', userId).execute()
  await tx.q.deleteFrom('key_signatures').where('signer_user_id', '=', userId).execute()
}

/** @param keyId a device id or a public key; what it signed goes, and what signed it */
export async function deleteSignaturesOfKey(tx: Tx, userId: string, keyId: string): Promise<void> {
  await tx.q
    .deleteFrom('key_signatures')
    .where('signed_user_id', '=', userId)
    .where('signed_key_id', '=', keyId)
    .execute()
  await tx.q
    .deleteFrom('key_signatures')
    .where('signer_user_id', '=', userId)
    .where('signer_key_id', '=', `ed25519:${keyId}`)
    .execute()
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
