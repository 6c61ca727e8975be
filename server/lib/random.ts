/** Ids and secrets. The only source of chance in the server. */
import { createHmac, hash, randomBytes, randomInt } from 'node:crypto'

/** Unguessable: `bytes` of entropy (16 = 128 bit) in the alphabet `[0-9A-Za-z_-]`. */
export function randomToken(bytes: number): string {
  return randomBytes(bytes).toString('base64url')
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** Letters only: short, readable ids such as device and room ids. */
export function randomLetters(length: number): string {
  return Array.from({ length }, () => letters[randomInt(letters.length)]).join('')
}

/** How a secret is kept: it can be recognised again, but not read back. */
export function hashSecret(secret: string): string {
  return hash('sha256', secret, 'base64url')
}

/** A secret that `key` makes of a purpose: always the same one, and nobody else can make it. */
export function deriveSecret(key: string, purpose: string): string {
  return createHmac('sha256', key).update(purpose).digest('base64url')
}
