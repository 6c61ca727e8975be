/**
 * Ed25519 signatures on JSON and on events.
 *
 * Keys are derived by tweetnacl; node:crypto signs, because one signature takes it microseconds
 * where tweetnacl needs milliseconds. Both give the same bytes.
 *
 * Spec: Appendices "Signing JSON"; Server-Server API "Signing events"
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import nacl from 'tweetnacl'
import { isJsonObject, type JsonValue } from '../lib/json.ts'
import { canonicalJson, canonicalJsonLenient } from './canonical-json.ts'
import { referenceJson } from './event-id.ts'
import type { ServerName } from './ids.ts'
import type { Redactable } from './redact.ts'
import type { RoomVersion } from './room-versions.ts'

export interface SigningKey {
  /** `ed25519:version` */
  readonly keyId: string
  /** Unpadded base64, as other servers see it. */
  readonly publicKey: string
  /** Opaque, so that logging a key does not give it away. */
  readonly privateKey: KeyObject
}

/** By server name, then by key id; unpadded base64. */
export type Signatures = Record<string, Record<string, string>>

const seedBytes = 32
const signatureBytes = 64

/**
 * Derive a signing key.
 *
 * @param seed 32 random bytes
 * @param version what follows `ed25519:` in the key id; letters, digits and `_`
 * @throws Error on a seed or version of another form
 */
export function makeSigningKey(seed: Uint8Array, version: string): SigningKey {
  if (seed.length !== seedBytes) throw new Error(`A signing key's seed has ${seedBytes} bytes`)
  if (!/^[0-9A-Za-z_]+$/.test(version)) throw new Error(`Not a key version: ${version}`)
  const publicKey = Buffer.from(nacl.sign.keyPair.fromSeed(Uint8Array.from(seed)).publicKey)
  const jwk = {
    kty: 'OKP',
    crv: 'Ed25519',
    d: Buffer.from(seed).toString('base64url'),
    x: publicKey.toString('base64url'),
  }
  return {
    keyId: `ed25519:${version}`,
    publicKey: toUnpaddedBase64(publicKey),
    privateKey: createPrivateKey({ key: jwk, format: 'jwk' }),
  }
}

/** Write a key as the one line of a Synapse signing key file: `ed25519 version seed`. Secret. */
export function formatSigningKey(key: SigningKey): string {
  const { d } = key.privateKey.export({ format: 'jwk' })
  const seed = toUnpaddedBase64(Buffer.from(String(d), 'base64url'))
  return `${key.keyId.replace(':', ' ')} ${seed}\n`
}

/**
 * Read a Synapse signing key file that holds one key.
 *
 * @throws Error on any other text; its message does not repeat the text
 */
export function parseSigningKey(text: string): SigningKey {
  const [algorithm, version, seed, ...rest] = text.trim().split(/\s+/)
  if (algorithm !== 'ed25519' || !version || !seed || rest.length > 0) {
    throw new Error('A signing key reads: ed25519 <version> <seed in base64>')
  }
  return makeSigningKey(Buffer.from(seed, 'base64'), version)
}

/**
 * Sign an object, without its `signatures` and `unsigned`.
 *
 * @returns a copy with the signature added to those it has
 * @throws 400 M_BAD_JSON if the object has no canonical form
 */
export function signJson<T extends object>(
  object: T,
  serverName: ServerName,
  key: SigningKey,
): T & { signatures: Signatures } {
  const json = canonicalJson(signedPart(object))
  return withSignature(object, serverName, key, sign(null, Buffer.from(json), key.privateKey))
}

/**
 * Sign an event, which must have its `hashes` already. The signature covers the redacted form.
 *
 * @returns a copy with the signature added to those it has
 * @throws 400 M_BAD_JSON if the event has no canonical form in its room version
 */
export function signEvent<T extends Redactable>(
  event: T,
  version: RoomVersion,
  serverName: ServerName,
  key: SigningKey,
): T & { signatures: Signatures } {
  const json = referenceJson(event, version)
  return withSignature(event, serverName, key, sign(null, Buffer.from(json), key.privateKey))
}

/**
 * True if the object bears this server's signature by this key. For an event, pass its redacted
 * form. False also when key or signature are missing or malformed.
 *
 * @param publicKey base64, with or without padding
 * @throws 400 M_BAD_JSON if the object cannot be encoded
 */
export function verifyJson(
  object: object,
  serverName: ServerName,
  keyId: string,
  publicKey: string,
): boolean {
  const encoded = signaturesOf(object)[serverName]?.[keyId]
  if (!keyId.startsWith('ed25519:') || typeof encoded !== 'string') return false
  const signature = Buffer.from(encoded, 'base64')
  const point = Buffer.from(publicKey, 'base64')
  if (signature.length !== signatureBytes || point.length !== seedBytes) return false
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: point.toString('base64url') }
  const json = canonicalJsonLenient(signedPart(object))
  return verify(null, Buffer.from(json), createPublicKey({ key: jwk, format: 'jwk' }), signature)
}

function withSignature<T extends object>(
  object: T,
  serverName: ServerName,
  key: SigningKey,
  signature: Buffer,
): T & { signatures: Signatures } {
  const signatures = signaturesOf(object)
  const ours = { ...signatures[serverName], [key.keyId]: toUnpaddedBase64(signature) }
  return { ...object, signatures: { ...signatures, [serverName]: ours } }
}

function signedPart(object: object): JsonValue {
  const { signatures: _1, unsigned: _2, ...signed } = object as Record<string, JsonValue>
  return signed
}

function signaturesOf(object: object): Signatures {
  const { signatures } = object as { signatures?: JsonValue }
  return signatures !== undefined && isJsonObject(signatures) ? (signatures as Signatures) : {}
}

function toUnpaddedBase64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
