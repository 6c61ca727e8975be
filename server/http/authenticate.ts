/** From a request to the session behind it. */
import type { Request } from 'express'
import { findRequester, type Requester } from '../accounts/requester.ts'
import type { Context } from '../context.ts'
import { missingToken } from '../matrix/errors.ts'

/**
 * Who is asking, by bearer token or, as old clients still do, by the query parameter.
 *
 * @returns undefined only if `auth` is optional and no token was sent
 * @throws 401 M_MISSING_TOKEN · 401 M_UNKNOWN_TOKEN, also where a token is optional
 */
export async function authenticate(
  ctx: Context,
  request: Request,
  auth: 'user' | 'optional',
): Promise<Requester | undefined> {
  const token = tokenOf(request)
  if (token !== undefined) return findRequester(ctx, token)
  if (auth === 'user') throw missingToken()
  return undefined
}

function tokenOf(request: Request): string | undefined {
  const header = request.headers.authorization
  const bearer = header && /^Bearer +(\S+)$/i.exec(header)?.[1]
  if (bearer) return bearer
  const at = request.url.indexOf('access_token=')
  if (at === -1) return undefined
  const query = new URLSearchParams(request.url.slice(request.url.indexOf('?') + 1))
  return query.get('access_token') ?? undefined
}
