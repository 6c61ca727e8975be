/** Who asks has an account that is in use, and it stays so until what they asked for is done. */
import { holdProfile, lockUser, type ShownProfile } from '../../db/accounts.ts'
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

/**
 * What is written for a user goes when the account is closed. So whoever writes follows those who have
 * written before, and is not there any more when that has been.
 *
 * @throws 401 M_UNKNOWN_TOKEN the account has been closed since the request came
 */
export async function lockOwnAccount(tx: Tx, userId: string): Promise<void> {
  if (!(await lockUser(tx, userId))) throw unknownToken()
}
