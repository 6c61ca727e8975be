/** From a request to the session behind it. */
import type { Request } from 'express'
import { findRequester } from '../accounts/find-requester.ts'
import { operatorAsRequester } from '../accounts/operator.ts'
import type { Context } from '../context.ts'
import { hashSecret } from '../lib/random.ts'
import { forbidden, missingToken, unknownToken } from '../matrix/errors.ts'
import type { Requester } from '../requester.ts'
import { addressOf } from './client-address.ts'

/**
 * Who is asking, by bearer token or, as old clients still do, by the query parameter.
 *
 * @returns undefined only if `auth` is optional and no token was sent
 * @throws 401 M_MISSING_TOKEN · 401 M_UNKNOWN_TOKEN, M_USER_LOCKED, also where a token is optional · 403 M_FORBIDDEN
 *   where an administrator is wanted
 */
export async function authenticate(
  ctx: Context,
  request: Request,
  auth: 'user' | 'admin' | 'optional',
  evenIfLocked?: boolean,
): Promise<Requester | undefined> {
  const token = tokenOf(request)
  if (auth === 'admin' && token !== undefined && ctx.operator.isToken(token)) {
    return operatorAsRequester(ctx)
  }
  if (token !== undefined) {
    const query = queryOf(request)
    const asserted = {
      userId: query.get('user_id') ?? undefined,
      deviceId: query.get('device_id') ?? query.get('org.matrix.msc3202.device_id') ?? undefined,
    }
    const requester = await findRequester(ctx, token, { asserted, evenIfLocked })
    if (auth === 'admin' && !requester.isAdmin) throw forbidden('You are no administrator')
    ctx.lastSeen.note(requester, {
      ip: addressOf(request),
      userAgent: request.headers['user-agent'],
    })
    return requester
  }
  if (auth !== 'optional') throw missingToken()
  return undefined
}

/**
 * Where the config asks for a token of the laboratory, it must be there.
 *
 * @throws 401 M_MISSING_TOKEN · 401 M_UNKNOWN_TOKEN
 */
export function assertLabToken(ctx: Context, request: Request): void {
  const { lab_token: expected } = ctx.config
  if (expected === undefined) return
  const token = tokenOf(request)
  if (token === undefined) throw missingToken()
  // Of the hashes, how far they are alike says nothing.
  if (hashSecret(token) !== hashSecret(expected)) throw unknownToken()
}

/** The access token that was sent, whatever it is worth. */
export function tokenOf(request: Request): string | undefined {
  const header = request.headers.authorization
  const bearer = header && /^Bearer +(\S+)$/i.exec(header)?.[1]
  if (bearer) return bearer
  return queryOf(request).get('access_token') ?? undefined
}

const noQuery = new URLSearchParams()

function queryOf(request: Request): URLSearchParams {
  const at = request.url.indexOf('?')
  return at === -1 ? noQuery : new URLSearchParams(request.url.slice(at + 1))
}
