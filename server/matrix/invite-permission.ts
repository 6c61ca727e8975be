/**
 * What a user wants to happen to invites, as they keep it in their account data.
 *
 * Spec: Client-Server API "Invite permission"; MSC4155
 */
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { matchesGlob } from './glob.ts'
import { domainOf, type UserId } from './ids.ts'

/** The specification's (MSC4380), which knows all or nobody, and MSC4155's, which has lists. */
const specified = 'm.invite_permission_config'
const listed = 'org.matrix.msc4155.invite_permission_config'
export const inviteConfigTypes: readonly string[] = [specified, listed]

/** What who may not invite is told by. */
export const inviteBlockedBy = (type: string): string =>
  type === specified ? 'M_INVITE_BLOCKED' : 'ORG.MATRIX.MSC4155.M_INVITE_BLOCKED'

/** `ignore`: the invite is made, and the user does not hear of it. `block`: it is refused. */
export type InvitePermission = 'allow' | 'ignore' | 'block'

/** The lists in the order in which they are asked: users before servers, the kinder ones first. */
const lists: readonly [name: string, permission: InvitePermission, of: 'user' | 'server'][] = [
  ['allowed_users', 'allow', 'user'],
  ['ignored_users', 'ignore', 'user'],
  ['blocked_users', 'block', 'user'],
  ['allowed_servers', 'allow', 'server'],
  ['ignored_servers', 'ignore', 'server'],
  ['blocked_servers', 'block', 'server'],
]

/** @param config what account data of this type says */
export function invitePermission(
  type: string,
  config: JsonObject,
  inviter: UserId,
): InvitePermission {
  if (type === specified) return config.default_action === 'block' ? 'block' : 'allow'
  return permissionByLists(config, inviter)
}

/** The first list with a glob that matches decides; without one, the invite is allowed. */
function permissionByLists(config: JsonObject, inviter: UserId): InvitePermission {
  if (config.enabled === false) return 'allow'
  const subjects = { user: inviter, server: domainOf(inviter).replace(/:\d+$/, '') }
  const list = lists.find(([name, , of]) => matchesAny(config[name], subjects[of]))
  return list ? list[1] : 'allow'
}

/** What is no list, or no glob, matches nothing: clients write nulls. */
const matchesAny = (globs: JsonValue | undefined, subject: string): boolean =>
  Array.isArray(globs) && globs.some(glob => typeof glob === 'string' && matchesGlob(subject, glob))
