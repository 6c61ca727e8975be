/**
 * Signatures that are uploaded by themselves: what makes a device or another user trusted.
 *
 * Spec: Client-Server API "Cross-signing"
 */
import { insertSignature, selectCrossSigningKeys } from '../../db/cross-signing.ts'
import { selectDeviceKeysOf } from '../../db/device-keys.ts'
import { type Tx, transaction } from '../../db/transaction.ts'
import { isJsonObject, type JsonObject } from '../lib/json.ts'
import { canonicalJson } from '../matrix/canonical-json.ts'
import { badJson, invalidSignature, MatrixError, notFound } from '../matrix/errors.ts'
import { isUserId } from '../matrix/ids.ts'
import { verifyJson } from '../matrix/signing.ts'
import type { Requester } from '../requester.ts'
import { lockOwnAccount } from '../rooms/account-in-use.ts'
import { noteDevicesChanged, noteKeysSigned } from '../rooms/device-lists.ts'
import type { Context } from './context.ts'

/** A key that the user may sign, and with what. */
interface Signable {
  /** As it is stored. */
  key: JsonObject
  /** `ed25519:…` → public key */
  signers: Map<string, string>
}

/**
 * Store signatures that the user's keys have made: the self-signing key on own devices, own
 * devices on the master key, the user-signing key on the master keys of others. Those that are in
 * order are stored, whatever is wrong with the rest.
 *
 * @param uploaded `{ user: { deviceIdOrPublicKey: signed object } }`
 * @returns the failures: `{ user: { key: { errcode, error } } }`, with M_INVALID_SIGNATURE if it is
 *   missing, does not fit, or is on another object than the stored one, and M_NOT_FOUND if there is
 *   no such key to sign
 * @throws 400 M_BAD_JSON not of that shape · 401 M_UNKNOWN_TOKEN the account has just been closed
 * Spec: POST /keys/signatures/upload
 */
export function uploadSignatures(
  ctx: Context,
  { userId }: Requester,
  uploaded: JsonObject,
): Promise<JsonObject> {
  const objects = assertSignedObjects(uploaded)
  return transaction(ctx.db, async tx => {
    // Two devices may upload the same signatures, in another order.
    await lockOwnAccount(tx, userId)
    const targets = [...new Set([userId, ...objects.map(object => object.target)])]
    const signable = await selectSignable(tx, userId, targets.filter(isUserId))
    const failures = new Map<string, [string, JsonObject][]>()
    const newlySigned = new Set<string>()
    for (const { target, keyId, object } of objects) {
      try {
        const found = signable.get(`${target} ${keyId}`)
        if (!found) throw notFound('There is no such key to sign')
        for (const [signer_key_id, signature] of verified(found, userId, object)) {
          const row = { signed_key_id: keyId, signer_user_id: userId, signer_key_id, signature }
          const isNew = await insertSignature(tx, { ...row, signed_user_id: target })
          if (isNew) newlySigned.add(target)
        }
      } catch (error) {
        if (!(error instanceof MatrixError)) throw error
        failures.set(target, [...(failures.get(target) ?? []), [keyId, error.toJSON()]])
      }
    }
    if (newlySigned.delete(userId)) await noteDevicesChanged(ctx, tx, userId)
    if (newlySigned.size > 0) await noteKeysSigned(ctx, tx, userId, [...newlySigned])
    return Object.fromEntries(
      [...failures].map(([target, errors]) => [target, Object.fromEntries(errors)]),
    )
  })
}

/** `user keyId` → what may be signed there. */
async function selectSignable(
  tx: Tx,
  userId: string,
  targets: readonly string[],
): Promise<Map<string, Signable>> {
  const crossSigning = await selectCrossSigningKeys(tx, targets)
  const devices = await selectDeviceKeysOf(tx, [userId])
  const signerFor = (usage: string) =>
    new Map(
      crossSigning
        .filter(key => key.user_id === userId && key.usage === usage)
        .map(({ public_key }) => [`ed25519:${public_key}`, public_key]),
    )
  const deviceSigners = new Map(
    devices.flatMap(({ device_id, keys }): [string, string][] => {
      const { keys: byId } = JSON.parse(keys) as { keys: Record<string, string> }
      const publicKey = byId[`ed25519:${device_id}`]
      return publicKey === undefined ? [] : [[`ed25519:${device_id}`, publicKey]]
    }),
  )
  const signable = new Map<string, Signable>()
  for (const { device_id, keys } of devices) {
    const signers = signerFor('self_signing')
    signable.set(`${userId} ${device_id}`, { key: JSON.parse(keys) as JsonObject, signers })
  }
  for (const { user_id, usage, public_key, key } of crossSigning) {
    if (usage !== 'master') continue
    const signers = user_id === userId ? deviceSigners : signerFor('user_signing')
    signable.set(`${user_id} ${public_key}`, { key: JSON.parse(key) as JsonObject, signers })
  }
  return signable
}

/** The signatures among those on `object` that are new and right. @throws if there is none */
function verified(
  { key, signers }: Signable,
  userId: string,
  object: JsonObject,
): [keyId: string, signature: string][] {
  if (withoutSignatures(object) !== withoutSignatures(key)) {
    throw invalidSignature('That is not the key that is stored here')
  }
  const byUser = isJsonObject(object.signatures) ? object.signatures[userId] : undefined
  const made = Object.entries(isJsonObject(byUser) ? byUser : {}).flatMap(
    ([keyId, signature]): [string, string, string][] => {
      const publicKey = signers.get(keyId)
      const isOurs = publicKey !== undefined && typeof signature === 'string'
      return isOurs ? [[keyId, signature, publicKey]] : []
    },
  )
  if (made.length === 0) throw invalidSignature('There is no signature by a key that may sign it')
  return made.map(([keyId, signature, publicKey]) => {
    if (!verifyJson(object, userId, keyId, publicKey)) {
      throw invalidSignature(`The signature by ${keyId} is wrong`)
    }
    return [keyId, signature]
  })
}

function withoutSignatures(key: JsonObject): string {
  const { signatures: _1, unsigned: _2, ...signed } = key
  return canonicalJson(signed)
}

function assertSignedObjects(
  uploaded: JsonObject,
): { target: string; keyId: string; object: JsonObject }[] {
  return Object.entries(uploaded).flatMap(([target, byKey]) => {
    if (!isJsonObject(byKey)) throw badJson('A user has no map of keys')
    return Object.entries(byKey).map(([keyId, object]) => {
      if (!isJsonObject(object)) throw badJson('What is signed is not an object')
      return { target, keyId, object }
    })
  })
}
