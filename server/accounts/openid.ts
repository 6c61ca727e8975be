/**
 * OpenID: a user proves to a third party, such as lk-jwt-service, who they are on this server.
 *
 * Spec: Client-Server API "OpenID"
 */
import { deleteTicketsBefore, insertTicket, selectUserOfTicket } from '../../db/tickets.ts'
import { transaction } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import { hashSecret, randomToken } from '../lib/random.ts'
import type { Job } from '../lib/sweeper.ts'
import { unknownToken } from '../matrix/errors.ts'
import { assertSelf, type Requester } from '../requester.ts'
import type { Context } from './context.ts'

const lifetimeMs = 3_600_000

/**
 * A new token each time; the others stay good.
 *
 * @returns `{ access_token, token_type, matrix_server_name, expires_in }`, the last in seconds
 * @throws 403 M_FORBIDDEN for another user
 * Spec: POST /user/{userId}/openid/request_token
 */
export async function giveOpenIdToken(
  ctx: Context,
  requester: Requester,
  userId: string,
): Promise<JsonObject> {
  assertSelf(requester, userId)
  const token = `hgo_${randomToken(32)}`
  await transaction(ctx.db, tx =>
    insertTicket(tx, {
      ticket_hash: hashSecret(token),
      kind: 'openid',
      user_id: userId,
      expires_ts: ctx.clock.now() + lifetimeMs,
    }),
  )
  return {
    access_token: token,
    token_type: 'Bearer',
    matrix_server_name: ctx.config.server_name,
    expires_in: lifetimeMs / 1_000,
  }
}

/**
 * @returns the user who was given the token
 * @throws 401 M_UNKNOWN_TOKEN
 * Spec: GET /_matrix/federation/v1/openid/userinfo
 */
export async function userOfOpenIdToken(ctx: Context, token: string): Promise<string> {
  const now = ctx.clock.now()
  const userId = await selectUserOfTicket(ctx.db, 'openid', hashSecret(token), now)
  if (userId === undefined) throw unknownToken()
  return userId
}

const batchSize = 100

/** Forgets tickets that have expired. */
export function pruneTickets(ctx: Context): Job {
  return async isStopped => {
    const now = ctx.clock.now()
    let removed = batchSize
    while (removed === batchSize && !isStopped()) {
      removed = await transaction(ctx.db, tx => deleteTicketsBefore(tx, now, batchSize))
    }
  }
}
