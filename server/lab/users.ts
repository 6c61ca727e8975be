/** Users without ceremony: no form, no proof, and a password only if one is wanted. */
import { selectUser } from '../../db/accounts.ts'
import { transaction } from '../../db/transaction.ts'
import { openSession } from '../accounts/sessions.ts'
import { createUser, hashNewPassword, userIdOfUsername } from '../accounts/users.ts'
import { userDeactivated } from '../matrix/errors.ts'
import type { Lab } from './lab.ts'

export interface LabUser {
  user_id: string
  device_id: string
  access_token: string
}

/**
 * Log a new device of each in; who does not exist is made. All or none.
 *
 * @param usernames as in /register
 * @param password of those who are made; without it they have none, and can only be logged in here
 * @throws 400 M_INVALID_USERNAME · 403 M_USER_DEACTIVATED
 */
export function makeUsers(
  lab: Lab,
  usernames: readonly string[],
  password?: string,
): Promise<LabUser[]> {
  return lab.inTurn(async () => {
    const ctx = lab.context
    const userIds = usernames.map(name => userIdOfUsername(name, ctx.config.server_name))
    const passwordHash = password === undefined ? null : await hashNewPassword(ctx, password)
    return transaction(ctx.db, async tx => {
      const users: LabUser[] = []
      for (const userId of userIds) {
        const user = await selectUser(tx, userId)
        if (!user) await createUser(ctx, tx, { userId, passwordHash })
        else if (user.deactivated_ts !== null) throw userDeactivated()
        const session = await openSession(ctx, tx, { userId })
        users.push({
          user_id: userId,
          device_id: String(session.device_id),
          access_token: String(session.access_token),
        })
      }
      return users
    })
  })
}
