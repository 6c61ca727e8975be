/** What uploaded keys must look like. The server stores them for others and cannot use them itself. */
import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts'
import { assertCanonical } from '../matrix/canonical-json.ts'
import { badJson, invalidParam } from '../matrix/errors.ts'

/** One-time and fallback keys are called `algorithm:keyId`. */
export interface NamedKey {
  algorithm: string
  keyId: string
  key: JsonValue
}

/** May stand in a column of text: at most 255 bytes, without NUL, encodable. */
export function isName(text: string): boolean {
  return (
    text.length > 0 &&
    text.length <= 255 &&
    !text.includes('\0') &&
    text.isWellFormed() &&
    Buffer.byteLength(text) <= 255
  )
}

/**
 * The self-signature is not verified: clients do that, and Complement uploads keys without one.
 *
 * @throws 400 M_BAD_JSON wrong shape · 400 M_INVALID_PARAM another user's or device's keys
 * Spec: POST /keys/upload, `DeviceKeys`
 */
export function assertDeviceKeys(
  keys: JsonObject,
  { userId, deviceId }: { userId: string; deviceId: string },
): void {
  const { user_id, device_id, algorithms, signatures } = keys
  if (typeof user_id !== 'string') throw badJson('device_keys.user_id is not a string')
  if (typeof device_id !== 'string') throw badJson('device_keys.device_id is not a string')
  if (user_id !== userId) throw invalidParam('device_keys.user_id is another user')
  if (device_id !== deviceId) throw invalidParam('device_keys.device_id is another device')
  if (!Array.isArray(algorithms) || !algorithms.every(name => typeof name === 'string')) {
    throw badJson('device_keys.algorithms is not a list of strings')
  }
  if (!isStringMap(keys.keys)) throw badJson('device_keys.keys is not a map of strings')
  if (!isSignatures(signatures)) throw badJson('device_keys.signatures has another shape')
  assertCanonical(keys)
}

/**
 * @param member whose name goes into the refusal
 * @throws 400 M_BAD_JSON
 * Spec: Client-Server API "Key algorithms"
 */
export function assertNamedKeys(keys: JsonObject, member: string): NamedKey[] {
  return Object.entries(keys).map(([name, key]) => {
    const colon = name.indexOf(':')
    const algorithm = name.slice(0, colon)
    const keyId = name.slice(colon + 1)
    if (colon < 0 || !isName(algorithm) || !isName(keyId)) {
      throw badJson(`A name in ${member} is not algorithm:key_id`)
    }
    const isSigned = isJsonObject(key) && typeof key.key === 'string'
    if (typeof key !== 'string' && !(isSigned && isSignatures(key.signatures))) {
      throw badJson(`${member}.${name} is neither a string nor a signed key`)
    }
    return { algorithm, keyId, key }
  })
}

/**
 * @returns its public key, in unpadded base64
 * @throws 400 M_BAD_JSON wrong shape · 400 M_INVALID_PARAM another user's, or for another use
 * Spec: POST /keys/device_signing/upload, `CrossSigningKey`
 */
export function assertCrossSigningKey(key: JsonObject, userId: string, usage: string): string {
  if (typeof key.user_id !== 'string') throw badJson('user_id is not a string')
  if (key.user_id !== userId) throw invalidParam('user_id is another user')
  if (!Array.isArray(key.usage)) throw badJson('usage is not a list')
  if (!key.usage.includes(usage)) throw invalidParam(`usage does not have ${usage}`)
  if (!isStringMap(key.keys)) throw badJson('keys is not a map of strings')
  const [entry, ...others] = Object.entries(key.keys)
  if (!entry || others.length > 0) throw badJson('keys must have one member')
  const [keyId, publicKey] = entry
  if (keyId !== `ed25519:${publicKey}` || !/^[0-9A-Za-z+/]{43}$/.test(publicKey)) {
    throw invalidParam('keys must have ed25519:{public key} with that public key')
  }
  if (key.signatures !== undefined && !isSignatures(key.signatures)) {
    throw badJson('signatures has another shape')
  }
  assertCanonical(key)
  return publicKey
}

function isStringMap(value: JsonValue | undefined): value is Record<string, string> {
  return isJsonObject(value) && Object.values(value).every(member => typeof member === 'string')
}

function isSignatures(value: JsonValue | undefined): boolean {
  return isJsonObject(value) && Object.values(value).every(isStringMap)
}
