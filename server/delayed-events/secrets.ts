/**
 * The secrets by which the drafts of 2024 manage a delayed event without an access token.
 *
 * They are derived, not drawn: a repeated request must be given the same ones, and the lists of
 * 2024-06 show them, though only their hashes are stored.
 */
import type { SecretPower } from '../../db/schema.ts'
import { deriveSecret } from '../lib/random.ts'
import { formatSigningKey } from '../matrix/signing.ts'
import type { Context } from './context.ts'

/** The secret of a delayed event for one purpose: 256 bit, url-safe, `hgs_…`. */
export function secretOf(ctx: Context, delayId: string, power: SecretPower): string {
  const key = formatSigningKey(ctx.signingKey)
  return `hgs_${deriveSecret(key, `delayed event secret ${power} ${delayId}`)}`
}
