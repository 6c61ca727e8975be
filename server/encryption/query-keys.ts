/** Other people's keys, with the signatures that the asker may see. */
import { selectUsers } from '../../db/accounts.ts'
import { selectCrossSigningKeys, selectSignaturesSeenBy } from '../../db/cross-signing.ts'
import { selectDeviceKeysOf } from '../../db/device-keys.ts'
import type { KeySignatureRow, KeyUsage } from '../../db/schema.ts'
import { groupBy } from '../lib/group-by.ts'
import { isJsonObject, type JsonObject } from '../lib/json.ts'
import { badJson } from '../matrix/errors.ts'
import { domainOf, isUserId } from '../matrix/ids.ts'
import type { Requester } from '../requester.ts'
import type { Context } from './context.ts'
import { failuresOf } from './elsewhere.ts'

/**
 * The keys of devices, and of their users.
 *
 * Anybody may ask for anybody's. A signature is shown if its signer is the owner of the key or the
 * one who asks, so nobody learns whom others have verified; a user-signing key only to its owner.
 *
 * @param wanted `{ user: [device, …] }`; an empty list asks for all of the user's devices
 * @returns `{ device_keys, master_keys, self_signing_keys, user_signing_keys, failures }`
 * @throws 400 M_BAD_JSON
 * Spec: POST /keys/query; "Key and signature security"
 */
export async function queryKeys(
  ctx: Context,
  { userId: viewer }: Requester,
  wanted: JsonObject,
): Promise<JsonObject> {
  const asked = assertWanted(wanted)
  const ours = [...asked.keys()].filter(user => domainOf(user) === ctx.config.server_name)
  const users = (await selectUsers(ctx.db, ours)).map(user => user.user_id)
  const signatures = byKey(await selectSignaturesSeenBy(ctx.db, viewer, users))
  const wantedDevices = (await selectDeviceKeysOf(ctx.db, users)).filter(
    ({ user_id, device_id }) => {
      const ids = asked.get(user_id)
      return !ids || ids.size === 0 || ids.has(device_id)
    },
  )
  const devices = groupBy(wantedDevices, device => device.user_id)
  const crossSigning = await selectCrossSigningKeys(ctx.db, users)

  const keysFor = (usage: KeyUsage) =>
    Object.fromEntries(
      crossSigning
        .filter(key => key.usage === usage)
        .filter(({ user_id }) => usage !== 'user_signing' || user_id === viewer)
        .map(row => [row.user_id, signed(row.key, row.user_id, row.public_key, signatures)]),
    )
  return {
    // A user without keys has an empty entry; a user who does not exist has none.
    device_keys: Object.fromEntries(
      users.map(userId => [
        userId,
        Object.fromEntries(
          (devices.get(userId) ?? []).map(({ device_id, keys, display_name }) => [
            device_id,
            {
              ...signed(keys, userId, device_id, signatures),
              unsigned: nameOf(display_name),
            },
          ]),
        ),
      ]),
    ),
    master_keys: keysFor('master'),
    self_signing_keys: keysFor('self_signing'),
    user_signing_keys: keysFor('user_signing'),
    failures: failuresOf(ctx.config.server_name, [...asked.keys()]),
  }
}

const nameOf = (name: string | null): JsonObject =>
  name === null ? {} : { device_display_name: name }

/** By whose key it is, and by its id. Who asks for all of a large room gets many, and none is looked for. */
type SignaturesByKey = ReadonlyMap<string, ReadonlyMap<string, readonly KeySignatureRow[]>>

const byKey = (rows: readonly KeySignatureRow[]): SignaturesByKey =>
  new Map(
    [...groupBy(rows, row => row.signed_user_id)].map(([owner, theirs]) => [
      owner,
      groupBy(theirs, row => row.signed_key_id),
    ]),
  )

/** The key with the signatures that came with it and those that were uploaded later. */
function signed(json: string, userId: string, keyId: string, all: SignaturesByKey): JsonObject {
  const key = JSON.parse(json) as JsonObject
  const signatures = isJsonObject(key.signatures) ? { ...key.signatures } : {}
  for (const row of all.get(userId)?.get(keyId) ?? []) {
    const bySigner = signatures[row.signer_user_id]
    signatures[row.signer_user_id] = {
      ...(isJsonObject(bySigner) ? bySigner : {}),
      [row.signer_key_id]: row.signature,
    }
  }
  const isUnsigned = key.signatures === undefined && Object.keys(signatures).length === 0
  return isUnsigned ? key : { ...key, signatures }
}

function assertWanted(wanted: JsonObject): Map<string, ReadonlySet<string>> {
  const asked = new Map<string, ReadonlySet<string>>()
  for (const [userId, devices] of Object.entries(wanted)) {
    if (!Array.isArray(devices)) throw badJson('device_keys: a user has no list of devices')
    const ids = devices.map(device => {
      if (typeof device !== 'string') throw badJson('device_keys: a device ID is not a string')
      return device
    })
    if (isUserId(userId)) asked.set(userId, new Set(ids))
  }
  return asked
}
