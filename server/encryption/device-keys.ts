/**
 * Identity keys, one-time keys and fallback keys of devices: published by their owner, claimed by
 * others.
 *
 * Spec: Client-Server API "Key Distribution"
 */
import { deleteSignaturesOfKeys } from '../../db/cross-signing.ts'
import {
  type ClaimRow,
  claimFallbackKeys,
  claimOneTimeKeys,
  countOneTimeKeys,
  type DeviceOf,
  deletePublishedKeys,
  insertOneTimeKeys,
  selectDeviceKeys,
  selectFallbackKeys,
  selectOneTimeKeys,
  upsertDeviceKeys,
  upsertFallbackKeys,
} from '../../db/device-keys.ts'
import { lockDevice } from '../../db/sessions.ts'
import { type Tx, transaction } from '../../db/transaction.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts'
import { canonicalJsonLenient } from '../matrix/canonical-json.ts'
import { badJson, missingParam, unknown, unknownToken } from '../matrix/errors.ts'
import { isUserId } from '../matrix/ids.ts'
import type { Requester } from '../requester.ts'
import { noteDevicesChanged } from '../rooms/device-lists.ts'
import type { Context } from './context.ts'
import { failuresOf } from './elsewhere.ts'
import { assertDeviceKeys, assertNamedKeys, isName, type NamedKey } from './key-format.ts'

/** What one upload holds; each part may be missing. */
export interface KeyUpload {
  deviceKeys?: JsonObject | undefined
  oneTimeKeys?: JsonObject | undefined
  fallbackKeys?: JsonObject | undefined
}

/**
 * Publish keys of the requester's device. The same upload again changes nothing, also when some of
 * its one-time keys have been claimed meanwhile.
 *
 * @returns how many one-time keys nobody has claimed, by algorithm
 * @throws 400 M_BAD_JSON, M_INVALID_PARAM · 400 M_UNKNOWN a one-time key of that id is another key ·
 *   400 M_MISSING_PARAM an application service that names no device
 * Spec: POST /keys/upload
 */
export function uploadKeys(
  ctx: Context,
  { userId, deviceId }: Requester,
  upload: KeyUpload,
): Promise<Record<string, number>> {
  if (deviceId === '') throw missingParam('An application service has to name a device')
  const owner = { userId, deviceId }
  const publish = checkedUpload(owner, upload)
  return transaction(ctx.db, async tx => {
    // The device may have been logged out since the request came in.
    if (!(await lockDevice(tx, userId, deviceId))) throw unknownToken()
    await publish(ctx, tx)
    const counts = await countOneTimeKeys(tx, owner)
    return Object.fromEntries([
      ['signed_curve25519', 0],
      ...counts.map(({ algorithm, count }): [string, number] => [algorithm, count]),
    ])
  })
}

/**
 * Check an upload, and give the action that stores it. The caller holds the device's row.
 *
 * @throws as `uploadKeys`
 */
export function checkedUpload(
  owner: DeviceOf,
  { deviceKeys, oneTimeKeys = {}, fallbackKeys = {} }: KeyUpload,
): (ctx: Context, tx: Tx) => Promise<void> {
  if (deviceKeys) assertDeviceKeys(deviceKeys, owner)
  const oneTime = assertNamedKeys(oneTimeKeys, 'one_time_keys')
  const fallback = assertNamedKeys(fallbackKeys, 'fallback_keys')
  return async (ctx, tx) => {
    ctx.keyCounts.forget(tx, owner.userId)
    if (deviceKeys) await storeDeviceKeys(ctx, tx, owner, deviceKeys)
    await storeOneTimeKeys(tx, owner, oneTime)
    await storeFallbackKeys(tx, owner, fallback)
  }
}

async function storeDeviceKeys(
  ctx: Context,
  tx: Tx,
  owner: DeviceOf,
  uploaded: JsonObject,
): Promise<void> {
  const { unsigned: _, ...deviceKeys } = uploaded
  const stored = await selectDeviceKeys(tx, owner)
  const before = stored === undefined ? undefined : (JSON.parse(stored) as JsonObject)
  if (before && isSame(before, deviceKeys)) return
  if (before && !isSame(before.keys ?? null, deviceKeys.keys ?? null)) {
    // Nobody could verify what the old keys signed, and nobody has verified the new ones.
    await deletePublishedKeys(tx, owner)
    await deleteSignaturesOfKeys(tx, owner.userId, [owner.deviceId])
  }
  const keys = JSON.stringify(deviceKeys)
  await upsertDeviceKeys(tx, { user_id: owner.userId, device_id: owner.deviceId, keys })
  await noteDevicesChanged(ctx, tx, owner.userId)
}

async function storeOneTimeKeys(tx: Tx, owner: DeviceOf, keys: readonly NamedKey[]): Promise<void> {
  if (keys.length === 0) return
  const stored = new Map(
    (
      await selectOneTimeKeys(
        tx,
        owner,
        keys.map(({ keyId }) => keyId),
      )
    ).map(row => [`${row.algorithm}:${row.key_id}`, row]),
  )
  const fresh = keys.filter(({ algorithm, keyId, key }) => {
    const before = stored.get(`${algorithm}:${keyId}`)
    if (!before) return true
    if (isSame(JSON.parse(before.key) as JsonValue, key)) return false
    // A client that has lost its store counts its keys from the beginning again.
    if (before.is_claimed) return true
    // matrix-rust-sdk recognises this refusal by its words.
    throw unknown(
      `One time key ${algorithm}:${keyId} already exists. ` +
        `Old key: ${before.key}; new key: ${JSON.stringify(key)}`,
    )
  })
  await insertOneTimeKeys(
    tx,
    fresh.map(key => ({ ...rowOf(owner, key), is_claimed: false })),
  )
}

/** A fallback key that is there already stays as used as it is. There is one of each algorithm. */
async function storeFallbackKeys(tx: Tx, owner: DeviceOf, keys: readonly NamedKey[]) {
  if (keys.length === 0) return
  const stored = new Map(
    (await selectFallbackKeys(tx, owner)).map(row => [row.algorithm, row] as const),
  )
  const latest = new Map(keys.map(key => [key.algorithm, key] as const))
  const fresh = [...latest.values()].filter(({ algorithm, keyId, key }) => {
    const before = stored.get(algorithm)
    return before?.key_id !== keyId || !isSame(JSON.parse(before.key) as JsonValue, key)
  })
  await upsertFallbackKeys(
    tx,
    fresh.map(key => ({ ...rowOf(owner, key), is_used: false })),
  )
}

const rowOf = ({ userId, deviceId }: DeviceOf, { algorithm, keyId, key }: NamedKey) => ({
  user_id: userId,
  device_id: deviceId,
  algorithm,
  key_id: keyId,
  key: JSON.stringify(key),
})

const isSame = (one: JsonValue, other: JsonValue) =>
  canonicalJsonLenient(one) === canonicalJsonLenient(other)

/**
 * Take a one-time key of each device that is asked for, the oldest first, or else its fallback
 * key. A one-time key is given out once. Devices that have neither are left out.
 *
 * @param wanted `{ user: { device: algorithm } }`
 * @returns `{ one_time_keys: { user: { device: { "algorithm:keyId": key } } }, failures }`
 * @throws 400 M_BAD_JSON
 * Spec: POST /keys/claim
 */
export function claimKeys(ctx: Context, wanted: JsonObject): Promise<JsonObject> {
  const claims = assertClaims(wanted)
  return transaction(ctx.db, async tx => {
    const oneTime = await claimOneTimeKeys(tx, claims)
    const served = new Set(oneTime.map(nameOfClaim))
    const unserved = claims.filter(claim => !served.has(nameOfClaim(claim)))
    const fallback = unserved.length === 0 ? [] : await claimFallbackKeys(tx, unserved)
    const byUser = new Map<string, Map<string, JsonObject>>()
    for (const row of [...oneTime, ...fallback]) {
      ctx.keyCounts.forget(tx, row.user_id)
      const ofUser = byUser.get(row.user_id) ?? new Map<string, JsonObject>()
      byUser.set(row.user_id, ofUser)
      ofUser.set(row.device_id, {
        [`${row.algorithm}:${row.key_id}`]: JSON.parse(row.key) as JsonValue,
      })
    }
    return {
      one_time_keys: Object.fromEntries(
        [...byUser].map(([userId, devices]) => [userId, Object.fromEntries(devices)]),
      ),
      failures: failuresOf(ctx.config.server_name, Object.keys(wanted).filter(isUserId)),
    }
  })
}

const nameOfClaim = ({ user_id, device_id }: ClaimRow) => `${user_id} ${device_id}`

/** Those that could be met; what cannot be a user or a device has no keys. */
function assertClaims(wanted: JsonObject): ClaimRow[] {
  return Object.entries(wanted).flatMap(([user_id, devices]) => {
    if (!isJsonObject(devices)) throw badJson('one_time_keys: a user has no map of devices')
    return Object.entries(devices).flatMap(([device_id, algorithm]) => {
      if (typeof algorithm !== 'string') throw badJson('one_time_keys: an algorithm is no string')
      if (!isUserId(user_id) || !isName(device_id) || !isName(algorithm)) return []
      return [{ user_id, device_id, algorithm }]
    })
  })
}
