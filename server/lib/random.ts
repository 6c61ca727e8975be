/** Ids and secrets. The only source of chance in the server. */
import { createHmac, hash, randomFillSync, randomInt } from 'node:crypto'

/** Chance is drawn in stock: to ask the system for it costs fifteen times as much as a token. */
const stock = Buffer.alloc(4096)
let used = stock.length

/** Unguessable: `bytes` of entropy (16 = 128 bit) in the alphabet `[0-9A-Za-z_-]`. At most 4,096. */
export function randomToken(bytes: number): string {
  if (used + bytes > stock.length) {
    randomFillSync(stock)
    used = 0
  }
  const token = stock.toString('base64url', used, used + bytes)
  // What has been given away is not left lying about.
  stock.fill(0, used, used + bytes)
  used += bytes
  return token
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
