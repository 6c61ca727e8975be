import nacl from 'tweetnacl'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { canonicalJson } from './canonical-json.ts'
import { contentHash } from './event-id.ts'
import { redact } from './redact.ts'
import { type RoomVersion, roomVersions } from './room-versions.ts'
import {
  formatSigningKey,
  makeSigningKey,
  parseSigningKey,
  signEvent,
  signJson,
  verifyJson,
} from './signing.ts'

// Appendices "Cryptographic Test Vectors"
const seed = Buffer.from('YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1', 'base64')
const key = makeSigningKey(seed, '1')
const versions = [...roomVersions.values()]

describe('signJson', () => {
  test.each<[JsonObject, string]>([
    [{}, 'K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ'],
    [
      { one: 1, two: 'Two' },
      'KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw',
    ],
  ])('the example of the specification: %j', (object, signature) => {
    const signed = signJson(object, 'domain', key)
    expect(signed).toEqual({ ...object, signatures: { domain: { 'ed25519:1': signature } } })
    expect(verifyJson(signed, 'domain', 'ed25519:1', key.publicKey)).toBe(true)
  })

  test('keeps other signatures and unsigned, and covers neither', () => {
    const signatures = { other: { 'ed25519:2': 'a' }, domain: { 'ed25519:0': 'b' } }
    const signed = signJson({ one: 1, two: 'Two', signatures, unsigned: { age: 1 } }, 'domain', key)
    expect(signed).toEqual({
      one: 1,
      two: 'Two',
      unsigned: { age: 1 },
      signatures: {
        other: { 'ed25519:2': 'a' },
        domain: {
          'ed25519:0': 'b',
          ...signJson({ one: 1, two: 'Two' }, 'domain', key).signatures.domain,
        },
      },
    })
    expect(signatures.domain).toEqual({ 'ed25519:0': 'b' })
  })

  test('a __proto__ member is signed and kept', () => {
    const object = JSON.parse('{"__proto__":{"a":1},"b":2}')
    const signed = signJson(object, 'domain', key)
    expect(Object.keys(signed)).toEqual(['__proto__', 'b', 'signatures'])
    expect(signed.signatures).toEqual({ domain: { 'ed25519:1': naclSign(object) } })
  })

  test('refuses what is not canonical', () => {
    expect(() => signJson({ a: 1.5 }, 'domain', key)).toThrow(
      expect.objectContaining({ errcode: 'M_BAD_JSON' }),
    )
  })
})

describe('verifyJson', () => {
  const signed = signJson({ one: 1 }, 'domain', key)
  const signature = signed.signatures.domain?.['ed25519:1'] ?? ''
  const withSignature = (text: JsonValue) => ({
    ...signed,
    signatures: { domain: { 'ed25519:1': text } },
  })

  test('accepts signature and key with or without padding', () => {
    expect(verifyJson(signed, 'domain', 'ed25519:1', `${key.publicKey}=`)).toBe(true)
    const padded = withSignature(`${signature}==`)
    expect(verifyJson(padded, 'domain', 'ed25519:1', key.publicKey)).toBe(true)
  })

  test.each<[string, object, string, string, string]>([
    ['a changed member', { ...signed, one: 2 }, 'domain', 'ed25519:1', key.publicKey],
    ['another server', signed, 'other', 'ed25519:1', key.publicKey],
    ['another key id', signed, 'domain', 'ed25519:2', key.publicKey],
    [
      'another algorithm',
      { ...signed, signatures: { domain: { 'x:1': signature } } },
      'domain',
      'x:1',
      key.publicKey,
    ],
    [
      'another public key',
      signed,
      'domain',
      'ed25519:1',
      makeSigningKey(
        seed.map(byte => byte ^ 1),
        '1',
      ).publicKey,
    ],
    ['a short public key', signed, 'domain', 'ed25519:1', 'AAAA'],
    ['no signatures', { one: 1 }, 'domain', 'ed25519:1', key.publicKey],
    [
      'signatures of another form',
      { one: 1, signatures: 'x' },
      'domain',
      'ed25519:1',
      key.publicKey,
    ],
    ['a signature that is no string', withSignature(1), 'domain', 'ed25519:1', key.publicKey],
    ['a short signature', withSignature('AAAA'), 'domain', 'ed25519:1', key.publicKey],
    ['a wrong signature', withSignature('A'.repeat(86)), 'domain', 'ed25519:1', key.publicKey],
  ])('false for %s', (_name, object, serverName, keyId, publicKey) => {
    expect(verifyJson(object, serverName, keyId, publicKey)).toBe(false)
  })
})

describe('signEvent', () => {
  const minimal = {
    room_id: '!x:domain',
    sender: '@a:domain',
    origin: 'domain',
    origin_server_ts: 1_000_000,
    signatures: {},
    hashes: {},
    type: 'X',
    content: {},
    prev_events: [],
    auth_events: [],
    depth: 3,
    unsigned: { age_ts: 1_000_000 },
  }
  const withContent = {
    content: { body: 'Here is the message content' },
    event_id: '$0:domain',
    origin: 'domain',
    origin_server_ts: 1_000_000,
    type: 'm.room.message',
    room_id: '!r:domain',
    sender: '@u:domain',
    signatures: {},
    unsigned: { age_ts: 1_000_000 },
  }
  const hashed = <T extends object>(event: T) => ({
    ...event,
    hashes: { sha256: contentHash(event) },
  })

  // The examples protect `origin`, as room versions up to 10 do.
  test.each(versions.filter(({ id }) => Number(id) <= 10))(
    'the examples of the specification, in room version $id',
    version => {
      expect(signEvent(hashed(minimal), version, 'domain', key)).toEqual({
        ...hashed(minimal),
        signatures: {
          domain: {
            'ed25519:1':
              'KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg',
          },
        },
      })
      expect(signEvent(hashed(withContent), version, 'domain', key)).toEqual({
        ...hashed(withContent),
        signatures: {
          domain: {
            'ed25519:1':
              'Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA',
          },
        },
      })
    },
  )

  test.each(versions)('tweetnacl makes the same signature in room version $id', version => {
    const event = hashed(withContent)
    const signed = signEvent(event, version, 'domain', key)
    const { signatures: _, ...covered }: JsonObject = { ...redact(event, version) }
    expect(signed.signatures).toEqual({ domain: { 'ed25519:1': naclSign(covered) } })
    expect(isSigned(signed, version)).toBe(true)
    expect(isSigned({ ...signed, content: { body: 'redacted' } }, version)).toBe(true)
    expect(isSigned({ ...signed, sender: '@b:domain' }, version)).toBe(false)
  })

  const isSigned = (event: typeof withContent, version: RoomVersion) =>
    verifyJson(redact(event, version), 'domain', 'ed25519:1', key.publicKey)
})

describe('signing keys', () => {
  test('the public key of the test vectors', () => {
    expect(key.keyId).toBe('ed25519:1')
    expect(key.publicKey).toBe('XGX0JRS2Af3be3knz2fBiRbApjm2Dh61gXDJA8kcJNI')
  })

  test('are written and read as Synapse does', () => {
    const text = 'ed25519 a_AbCd YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA0\n'
    expect(formatSigningKey(makeSigningKey(seed, 'a_AbCd'))).toBe(text)
    const read = parseSigningKey(text)
    expect(read).toEqual(
      expect.objectContaining({ keyId: 'ed25519:a_AbCd', publicKey: key.publicKey }),
    )
    expect(formatSigningKey(read)).toBe(text)
    expect(formatSigningKey(parseSigningKey(` ed25519  a_AbCd\t${seed.toString('base64')} `))).toBe(
      text,
    )
  })

  test.each([
    '',
    'ed25519',
    'ed25519 1',
    'rsa 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA0',
    'ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW',
    'ed25519 1:2 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA0',
    'ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA0 ed25519',
  ])('not %j, and the error does not repeat the seed', text => {
    expect(() => parseSigningKey(text)).toThrow()
    expect(() => parseSigningKey(text)).not.toThrow('YJDBA9')
  })

  test('a key that is logged does not give its seed away', () => {
    expect(JSON.stringify(key)).toBe(
      JSON.stringify({ keyId: key.keyId, publicKey: key.publicKey, privateKey: {} }),
    )
  })
})

function naclSign(covered: JsonObject): string {
  const { secretKey } = nacl.sign.keyPair.fromSeed(Uint8Array.from(seed))
  const bytes = new TextEncoder().encode(canonicalJson(covered))
  return Buffer.from(nacl.sign.detached(bytes, secretKey)).toString('base64').replace(/=+$/, '')
}
