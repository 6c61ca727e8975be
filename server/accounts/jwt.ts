/**
 * JSON Web Tokens that somebody else has signed, as proof of who wants to log in. It is Synapse's
 * dialect (`org.matrix.login.jwt`), not the specification's.
 */
import type { JWTPayload, JWTVerifyOptions } from 'jose'
import { forbidden } from '../matrix/errors.ts'
import type { Context } from './context.ts'
import { isDisplayName } from './users.ts'

/**
 * Check a token: signature, algorithm, and what it says of time, issuer and audience.
 *
 * @returns the name of the user and, if the options say where it is, the display name, if it can be one
 * @throws 403 M_FORBIDDEN whatever is wrong with it
 */
export async function readJwt(
  ctx: Context,
  token: string,
): Promise<{ username: string; displayName: string | undefined }> {
  const { algorithms, issuer, audiences, subject_claim, display_name_claim } = ctx.config.jwt
  const claims = await verified(ctx, token, {
    algorithms,
    currentDate: new Date(ctx.clock.now()),
    ...(issuer === undefined ? {} : { issuer }),
    ...(audiences.length === 0 ? {} : { audience: audiences }),
  })
  // For somebody else, as far as we know.
  if (audiences.length === 0 && claims.aud !== undefined) throw forbidden('Unexpected audience')
  const username = claims[subject_claim]
  if (typeof username !== 'string') throw forbidden('The token does not say whose it is')
  const displayName = display_name_claim === undefined ? undefined : claims[display_name_claim]
  // What cannot be one is no reason to keep anybody out.
  return {
    username,
    displayName: isDisplayName(displayName) && displayName ? displayName : undefined,
  }
}

async function verified(
  ctx: Context,
  token: string,
  options: JWTVerifyOptions,
): Promise<JWTPayload> {
  if (!ctx.jwtKey) throw forbidden('Logging in by JWT is switched off')
  // Only now: it takes a moment to load, and few servers need it.
  const { jwtVerify } = await import('jose')
  try {
    return (await jwtVerify(token, ctx.jwtKey, options)).payload
  } catch {
    throw forbidden('The token is not valid')
  }
}
