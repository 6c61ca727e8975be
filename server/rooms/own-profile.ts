/** What those who come into a room show of themselves. */
import { holdProfile, type ShownProfile } from '../../db/accounts.ts'
import type { Tx } from '../../db/transaction.ts'
import { unknownToken } from '../matrix/errors.ts'

/**
 * Who comes in shows the profile that they have once they are in, and nobody is in who has closed their
 * account: a change of either waits for the transaction, and finds them in the room.
 *
 * Asked before any room is locked.
 *
 * @throws 401 M_UNKNOWN_TOKEN the account has been closed since the request came
 */
export async function holdOwnProfile(tx: Tx, userId: string): Promise<ShownProfile> {
  const profile = await holdProfile(tx, userId)
  if (profile && profile.deactivated_ts !== null) throw unknownToken()
  return profile ?? { displayname: null, avatar_url: null }
}
