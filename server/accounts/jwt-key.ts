/** With what the signatures of JSON Web Tokens are checked. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { type Config, ConfigError } from '../config.ts'

/** A secret, or a public key. */
export type JwtKey = Uint8Array | KeyObject

/** @returns undefined if logging in by JWT is switched off @throws ConfigError a key of no use */
export function readJwtKey({ jwt }: Config): JwtKey | undefined {
  if (jwt.key === undefined) return undefined
  const isSecret = jwt.algorithms.map(algorithm => algorithm.startsWith('HS'))
  if (isSecret.every(Boolean)) return new TextEncoder().encode(jwt.key)
  // One key for both would let anybody who has the public key sign with it.
  if (isSecret.some(Boolean)) throw new ConfigError('jwt: algorithms: HS… does not go with others')
  try {
    return createPublicKey(jwt.key)
  } catch {
    throw new ConfigError('jwt: key: is not a public key in PEM')
  }
}
