/** Who may invite whom, as the invited wish. Spec: MSC4155 */
import { selectAccountData, selectAccountDataOf } from '../../db/account-data.ts'
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
  return permissionBy(await selectInviteConfig(db, invitee), inviter)
}

/**
 * Of those who have invited a user, those whose invites the user is to hear of.
 *
 * @param ignored whom the user ignores
 */
export async function selectWelcome(
  db: Db,
  invitee: string,
  inviters: readonly string[],
  ignored: ReadonlySet<string>,
): Promise<ReadonlySet<string>> {
  const heard = inviters.filter(inviter => !ignored.has(inviter))
  if (heard.length === 0) return new Set()
  const config = await selectInviteConfig(db, invitee)
  return new Set(heard.filter(inviter => permissionBy(config, inviter) === 'allow'))
}

/** Those who do not want that, and what each of them says to it: 403 ORG.MATRIX.MSC4155.M_INVITE_BLOCKED */
export async function selectInviteRefusals(
  db: Db,
  inviter: string,
  invitees: readonly string[],
): Promise<Map<string, MatrixError>> {
  const configs = await selectAccountDataOf(db, invitees, inviteConfigType)
  const errcode = 'ORG.MATRIX.MSC4155.M_INVITE_BLOCKED'
  return new Map(
    configs
      .filter(({ content }) => permissionBy(content, inviter) === 'block')
      .map(({ user_id }) => [
        user_id,
        new MatrixError(403, errcode, `${user_id} does not take invites from you`),
      ]),
  )
}

/** @throws 403 ORG.MATRIX.MSC4155.M_INVITE_BLOCKED if the invited do not want that */
export async function assertMayInvite(db: Db, inviter: string, invitee: string): Promise<void> {
  const refusal = (await selectInviteRefusals(db, inviter, [invitee])).get(invitee)
  if (refusal) throw refusal
}

/** The content as JSON; undefined if there is none, which allows everything. */
const selectInviteConfig = (db: Db, userId: string): Promise<string | undefined> =>
  selectAccountData(db, { user_id: userId, room_id: '', type: inviteConfigType })

const permissionBy = (config: string | undefined, inviter: string): InvitePermission =>
  config === undefined ? 'allow' : invitePermission(JSON.parse(config) as JsonObject, inviter)
