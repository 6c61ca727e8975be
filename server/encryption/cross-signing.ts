/**
 * Cross-signing keys of a user.
 *
 * Spec: Client-Server API "Cross-signing"; MSC3967
 */
import {
  deleteCrossSigningKeys,
  selectCrossSigningKeys,
  upsertCrossSigningKey,
} from '../../db/cross-signing.ts'
import type { CrossSigningKeyRow, KeyUsage } from '../../db/schema.ts'
import { selectDevice } from '../../db/sessions.ts'
import { type Tx, transaction } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import { canonicalJsonLenient } from '../matrix/canonical-json.ts'
import { forbidden, invalidSignature, missingParam } from '../matrix/errors.ts'
import { verifyJson } from '../matrix/signing.ts'
import type { Requester } from '../requester.ts'
import { lockOwnAccount } from '../rooms/account-in-use.ts'
import { noteDevicesChanged } from '../rooms/device-lists.ts'
import type { Context } from './context.ts'
import { assertCrossSigningKey } from './key-format.ts'

interface UploadedKey {
  usage: KeyUsage
  publicKey: string
  key: JsonObject
}

/**
 * Publish or replace the user's cross-signing keys. The first set, and the same keys again, need
 * no proof of who is asking; anything else does.
 *
 * @param prove demands the proof; called at most once, outside any transaction
 * @throws 400 M_BAD_JSON, M_INVALID_PARAM a key's form · 400 M_MISSING_PARAM no key, or no master
 *   key to sign the others · 400 M_INVALID_SIGNATURE not signed by the master key · 403
 *   M_FORBIDDEN a key has the id of a device · what `prove` throws
 * Spec: POST /keys/device_signing/upload
 */
export async function uploadCrossSigningKeys(
  ctx: Context,
  { userId }: Requester,
  upload: Partial<Record<KeyUsage, JsonObject | undefined>>,
  prove: () => Promise<void>,
): Promise<void> {
  const keys: UploadedKey[] = []
  for (const usage of ['master', 'self_signing', 'user_signing'] as const) {
    const key = upload[usage]
    if (key) keys.push({ usage, key, publicKey: assertCrossSigningKey(key, userId, usage) })
  }
  if (keys.length === 0) throw missingParam('There is no key in the body')
  const store = (isProven: boolean) =>
    transaction(ctx.db, tx => storeKeys(ctx, tx, userId, keys, isProven))
  if ((await store(false)) === 'stored') return
  await prove()
  await store(true)
}

async function storeKeys(
  ctx: Context,
  tx: Tx,
  userId: string,
  keys: readonly UploadedKey[],
  isProven: boolean,
): Promise<'stored' | 'needs proof'> {
  await lockOwnAccount(tx, userId)
  const stored = new Map(
    (await selectCrossSigningKeys(tx, [userId])).map(row => [row.usage, row] as const),
  )
  const uploadedMaster = keys.find(key => key.usage === 'master')
  assertSigned(userId, keys, uploadedMaster?.publicKey ?? stored.get('master')?.public_key)
  const fresh = keys.filter(key => !isSame(stored.get(key.usage), key))
  if (fresh.length === 0) return 'stored'
  if (stored.has('master') && !isProven) return 'needs proof'

  const isNewMaster = uploadedMaster?.publicKey !== stored.get('master')?.public_key
  const over = [...stored.values()].filter(before => {
    const after = keys.find(key => key.usage === before.usage)
    // What the old master key vouched for is not vouched for by the new one.
    return after
      ? after.publicKey !== before.public_key
      : uploadedMaster !== undefined && isNewMaster
  })
  await deleteCrossSigningKeys(tx, userId, over)
  for (const { usage, publicKey, key } of fresh) {
    if (await selectDevice(tx, userId, publicKey)) throw forbidden('That key ID is in use')
    const row = { user_id: userId, usage, public_key: publicKey, key: JSON.stringify(key) }
    await upsertCrossSigningKey(tx, row)
  }
  await noteDevicesChanged(ctx, tx, userId)
  return 'stored'
}

function assertSigned(
  userId: string,
  keys: readonly UploadedKey[],
  masterKey: string | undefined,
): void {
  if (masterKey === undefined) throw missingParam('There is no master key')
  for (const { usage, key } of keys) {
    if (usage === 'master') continue
    if (!verifyJson(key, userId, `ed25519:${masterKey}`, masterKey)) {
      throw invalidSignature(`The ${usage} key is not signed by the master key`)
    }
  }
}

function isSame(stored: CrossSigningKeyRow | undefined, { key }: UploadedKey): boolean {
  if (!stored) return false
  return canonicalJsonLenient(JSON.parse(stored.key)) === canonicalJsonLenient(key)
}
