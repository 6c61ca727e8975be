/** Who may invite whom, as the invited wish. Spec: Client-Server API "Invite permission"; MSC4155 */
import { selectAccountDataOf } from '../../db/account-data.ts'
import type { AccountDataRow } from '../../db/schema.ts'
import type { Db } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import { MatrixError } from '../matrix/errors.ts'
import {
  type InvitePermission,
  inviteBlockedBy,
  inviteConfigTypes,
  invitePermission,
} from '../matrix/invite-permission.ts'

/** What becomes of an invite from that user. */
export async function selectInvitePermission(
  db: Db,
  invitee: string,
  inviter: string,
): Promise<InvitePermission> {
  return permissionBy(await selectConfigs(db, [invitee]), inviter)
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
  const configs = await selectConfigs(db, [invitee])
  return new Set(heard.filter(inviter => permissionBy(configs, inviter) === 'allow'))
}

/**
 * Those who do not want that, and what each of them says to it: 403 M_INVITE_BLOCKED, or by MSC4155's lists
 * 403 ORG.MATRIX.MSC4155.M_INVITE_BLOCKED
 */
export async function selectInviteRefusals(
  db: Db,
  inviter: string,
  invitees: readonly string[],
): Promise<Map<string, MatrixError>> {
  const configs = await selectConfigs(db, invitees)
  const blocking = configs.filter(config => permissionBy([config], inviter) === 'block')
  const place = ({ type }: Config) => inviteConfigTypes.indexOf(type)
  // Of who says it by both, the specification's counts: of a key the last value stays.
  blocking.sort((one, other) => place(other) - place(one))
  return new Map(
    blocking.map(({ user_id, type }) => [
      user_id,
      new MatrixError(403, inviteBlockedBy(type), `${user_id} does not take invites from you`),
    ]),
  )
}

/** @throws 403 as {@link selectInviteRefusals}, if the invited do not want that */
export async function assertMayInvite(db: Db, inviter: string, invitee: string): Promise<void> {
  const refusal = (await selectInviteRefusals(db, inviter, [invitee])).get(invitee)
  if (refusal) throw refusal
}

type Config = Pick<AccountDataRow, 'user_id' | 'type' | 'content'>

const selectConfigs = (db: Db, userIds: readonly string[]): Promise<Config[]> =>
  selectAccountDataOf(db, userIds, inviteConfigTypes)

/** The strictest that one of them says; nothing allows everything. */
function permissionBy(configs: readonly Config[], inviter: string): InvitePermission {
  const each = configs.map(({ type, content }) =>
    invitePermission(type, JSON.parse(content) as JsonObject, inviter),
  )
  return (['block', 'ignore'] as const).find(permission => each.includes(permission)) ?? 'allow'
}
