/** Who may invite whom, as the invited wish. Spec: MSC4155 */
import { selectAccountData } from '../../db/account-data.ts'
import type { Db } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import { MatrixError } from '../matrix/errors.ts'
import {
  type InvitePermission,
  inviteConfigType,
  invitePermission,
} from '../matrix/invite-permission.ts'

/** What becomes of an invite from that user. */
export async function selectInvitePermission(
  db: Db,
  invitee: string,
  inviter: string,
): Promise<InvitePermission> {
  const key = { user_id: invitee, room_id: '', type: inviteConfigType }
  const config = await selectAccountData(db, key)
  return config === undefined
    ? 'allow'
    : invitePermission(JSON.parse(config) as JsonObject, inviter)
}

/** @throws 403 ORG.MATRIX.MSC4155.M_INVITE_BLOCKED if the invited do not want that */
export async function assertMayInvite(db: Db, inviter: string, invitee: string): Promise<void> {
  if ((await selectInvitePermission(db, invitee, inviter)) !== 'block') return
  const errcode = 'ORG.MATRIX.MSC4155.M_INVITE_BLOCKED'
  throw new MatrixError(403, errcode, `${invitee} does not take invites from you`)
}
