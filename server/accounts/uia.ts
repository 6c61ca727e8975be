/**
 * User-interactive authentication: a request says "this needs proof", the client comes back with
 * it. Sessions live in memory; a restart only makes a client begin again.
 *
 * Spec: Client-Server API "User-Interactive Authentication API"
 */
import { z } from 'zod'
import { selectUser } from '../../db/accounts.ts'
import type { JsonObject } from '../lib/json.ts'
import { forbidden, MatrixError } from '../matrix/errors.ts'
import type { Context } from './context.ts'
import { isPassword } from './password.ts'
import { userIdOfLogin } from './users.ts'

export type Stage = 'm.login.dummy' | 'm.login.password'

/** The `auth` member of a request body; null, which some clients begin with, is as good as none. */
export const authData = z
  .looseObject({
    type: z.string().nullish(),
    session: z.string().nullish(),
    password: z.string().nullish(),
    user: z.string().nullish(),
    identifier: z.looseObject({ type: z.string(), user: z.string().nullish() }).nullish(),
  })
  .nullish()
export type AuthData = z.infer<typeof authData>

/** 401 with what is still to be proven; `params` is always there because Element Call reads it. */
function challenge(stage: Stage, session: string, failure: JsonObject = {}): MatrixError {
  const { errcode, error, ...rest } = failure
  const refusal = new MatrixError(401, String(errcode ?? ''), String(error ?? ''), {
    ...rest,
    session,
    flows: [{ stages: [stage] }],
    params: {},
  })
  if (errcode === undefined) {
    refusal.toJSON = () => refusal.fields
  }
  return refusal
}

/**
 * Demand one stage of proof. A stage without a session counts as well: Complement, matrix-rust-sdk
 * and Element Call send it in their first request.
 *
 * @param userId who must give the password; not looked at for the dummy stage
 * @param operation what for: a session that was opened for something else is refused
 * @throws 401 with `flows`, `params` and `session`, and M_FORBIDDEN after a failed attempt ·
 *   403 M_FORBIDDEN if it is another user's proof, the operation has changed, or the user has no password ·
 *   429 M_LIMIT_EXCEEDED
 */
export async function demand(
  ctx: Context,
  stage: Stage,
  auth: AuthData,
  userId?: string,
  operation = '',
): Promise<void> {
  const passwordHash = stage === 'm.login.password' ? await passwordHashOf(ctx, userId ?? '') : ''
  const purpose = JSON.stringify([stage, userId, operation])
  const openedFor = auth?.session ? ctx.uiaSessions.operationOf(auth.session) : undefined
  if (openedFor !== undefined && openedFor !== purpose) {
    throw forbidden('That session was opened for another operation')
  }
  const session = (openedFor && auth?.session) || ctx.uiaSessions.open(purpose)
  if (!auth?.type) throw challenge(stage, session)
  if (auth.session && openedFor === undefined) {
    throw challenge(stage, session, {
      errcode: 'M_UNKNOWN',
      error: 'That session is unknown or has ended',
    })
  }
  if (auth.type !== stage) {
    throw challenge(stage, session, {
      errcode: 'M_UNRECOGNIZED',
      error: 'That stage is not part of a flow',
    })
  }
  if (stage === 'm.login.dummy') return
  const claimed = userIdOfLogin(auth, ctx.config.server_name)
  if (claimed !== undefined && claimed !== userId) throw forbidden('That is another user')
  if (userId !== undefined) ctx.rateLimits.take('logins_by_account', userId)
  const isRight = claimed !== undefined && (await isPassword(auth.password ?? '', passwordHash))
  if (!isRight) {
    throw challenge(stage, session, { errcode: 'M_FORBIDDEN', error: 'Wrong password' })
  }
}

/** What nobody can give is not asked for: clients would go on asking their user. */
async function passwordHashOf(ctx: Context, userId: string): Promise<string> {
  const user = await selectUser(ctx.db, userId)
  if (user?.password_hash) return user.password_hash
  throw forbidden('This account has no password to prove whose it is; an administrator can set one')
}
