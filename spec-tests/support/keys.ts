/** Keys as a client makes them: real Ed25519, so that what must be verified can be. */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { type SigningKey, signJson } from '../../server/matrix/signing.ts'
import type { Client } from './client.ts'
import { startServer, type TestServer } from './server.ts'
import type { JsonObject } from './wire.ts'

export type { SigningKey }

const v3 = '/_matrix/client/v3'

/** A server for this file, and for each test two users who have published nothing yet. */
export function beforeEachWithUsers(
  take: (all: { server: TestServer; alice: Client; bob: Client }) => void,
): void {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer()
  })
  beforeEach(async () => {
    take({ server, alice: await server.user('alice'), bob: await server.user('bob') })
  })
  afterAll(() => server.stop())
}

/** An Ed25519 key, called after a device or after itself. */
export function makeKey(name?: string): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const raw = Buffer.from(String(publicKey.export({ format: 'jwk' }).x), 'base64url')
  const encoded = raw.toString('base64').replace(/=+$/, '')
  return { keyId: `ed25519:${name ?? encoded}`, publicKey: encoded, privateKey }
}

/** A copy with one more signature. */
export function signedBy(object: JsonObject, userId: string, key: SigningKey): JsonObject {
  return signJson(object, userId, key)
}

const curve25519 = () => randomBytes(32).toString('base64').replace(/=+$/, '')

/** Identity keys of a client's device, signed by `key`. */
export function deviceKeysOf(client: Client, key: SigningKey): JsonObject {
  const { userId, deviceId } = client
  const keys = {
    user_id: userId,
    device_id: deviceId,
    algorithms: ['m.olm.v1.curve25519-aes-sha2', 'm.megolm.v1.aes-sha2'],
    keys: { [`curve25519:${deviceId}`]: curve25519(), [key.keyId]: key.publicKey },
  }
  return signedBy(keys, userId, key)
}

/** Signed keys under these ids. */
export function oneTimeKeys(
  client: Client,
  key: SigningKey,
  ids: readonly string[],
  extra: JsonObject = {},
): JsonObject {
  return Object.fromEntries(
    ids.map(id => [
      `signed_curve25519:${id}`,
      signedBy({ key: curve25519(), ...extra }, client.userId, key),
    ]),
  )
}

/** A device with its key, after it has published its identity keys. */
export async function publishDevice(
  client: Client,
): Promise<{ key: SigningKey; keys: JsonObject }> {
  const key = makeKey(client.deviceId)
  const keys = deviceKeysOf(client, key)
  await upload(client, { device_keys: keys })
  return { key, keys }
}

export async function upload(client: Client, body: JsonObject): Promise<Record<string, number>> {
  return (await client.ok('POST', `${v3}/keys/upload`, { body })).one_time_key_counts
}

export function query(client: Client, deviceKeys: JsonObject): Promise<JsonObject> {
  return client.ok('POST', `${v3}/keys/query`, { body: { device_keys: deviceKeys } })
}

/** The one-time keys that a claim gave. */
export async function claim(client: Client, wanted: JsonObject): Promise<JsonObject> {
  const body = { one_time_keys: wanted }
  const answer = await client.ok('POST', `${v3}/keys/claim`, { body })
  expect(answer.failures).toEqual({})
  return answer.one_time_keys
}

/** A key for cross-signing, not signed yet. */
export function crossSigningKey(userId: string, usage: string, key: SigningKey): JsonObject {
  return { user_id: userId, usage: [usage], keys: { [key.keyId]: key.publicKey } }
}

/** A full set, as the body of /keys/device_signing/upload, with its private keys. */
export function crossSigningSet(userId: string) {
  const [master, selfSigning, userSigning] = [makeKey(), makeKey(), makeKey()]
  const byMaster = (usage: string, key: SigningKey) =>
    signedBy(crossSigningKey(userId, usage, key), userId, master)
  return {
    master,
    selfSigning,
    userSigning,
    body: {
      master_key: crossSigningKey(userId, 'master', master),
      self_signing_key: byMaster('self_signing', selfSigning),
      user_signing_key: byMaster('user_signing', userSigning),
    },
  }
}
