/** The user whom an administrator names. */
import { selectUser } from '../../db/accounts.ts'
import type { UserRow } from '../../db/schema.ts'
import { invalidParam, notFound } from '../matrix/errors.ts'
import { domainOf } from '../matrix/ids.ts'
import type { Context } from './context.ts'

/** @throws 400 M_INVALID_PARAM a user of another server · 404 M_NOT_FOUND */
export async function findUser(ctx: Context, userId: string): Promise<UserRow> {
  if (domainOf(userId) !== ctx.config.server_name) {
    throw invalidParam(`${userId} is not a user of this server`)
  }
  const user = await selectUser(ctx.db, userId)
  if (!user) throw notFound(`There is no user ${userId}`)
  return user
}
