/**
 * State that belongs to a user by its key: their id, or their id, an underscore, and anything.
 *
 * Spec: MSC3757, rule 8 of the authorisation rules of its room versions
 */
import { isUserId } from './ids.ts'

/** Of what follows the owner's id, with the underscore. */
const maxRestBytes = 256

/**
 * Whose state it is.
 *
 * @param stateKey one that begins with `@`
 * @returns undefined if no user's id stands at its beginning, or too much behind it
 */
export function ownerOf(stateKey: string): string | undefined {
  const colon = stateKey.indexOf(':')
  const underscore = colon < 0 ? -1 : stateKey.indexOf('_', colon)
  const end = underscore < 0 ? stateKey.length : underscore
  const owner = stateKey.slice(0, end)
  const isShort = Buffer.byteLength(stateKey.slice(end)) <= maxRestBytes
  return isShort && isUserId(owner) ? owner : undefined
}
