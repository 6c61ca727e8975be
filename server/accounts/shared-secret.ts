/**
 * Registration by those who know `registration_shared_secret`, open or not: Complement, and the
 * test fixtures of Element Web and Element Call. It is Synapse's interface, not the
 * specification's.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { transaction } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import { forbidden, unknown, unrecognized } from '../matrix/errors.ts'
import type { Context } from './context.ts'
import { freeUserId } from './registration.ts'
import { openSession } from './sessions.ts'
import { createUser, hashNewPassword } from './users.ts'

/** @throws 404 M_UNRECOGNIZED without a secret in the options there is no such endpoint */
export function assertHasSecret(ctx: Context): string {
  const secret = ctx.config.registration_shared_secret
  if (secret === undefined) throw unrecognized()
  return secret
}

/** @throws 404 M_UNRECOGNIZED no secret in the options */
export function giveNonce(ctx: Context): string {
  assertHasSecret(ctx)
  return ctx.registrationNonces.give()
}

/**
 * Make an account and log a device in, if `mac` proves that the caller knows the secret. The nonce
 * is spent whatever comes of it.
 *
 * @param wanted.mac hexadecimal HMAC-SHA1 of nonce, user name as written here, password, and
 *   `admin` or `notadmin`, with NUL between them
 * @returns as `openSession`
 * @throws 404 M_UNRECOGNIZED no secret in the options · 400 M_UNKNOWN that nonce is not open ·
 *   403 M_FORBIDDEN wrong mac · 400 M_INVALID_USERNAME · 400 M_USER_IN_USE
 */
export async function registerBySecret(
  ctx: Context,
  wanted: {
    nonce: string
    username: string
    password: string
    mac: string
    isAdmin: boolean
    displayname: string | undefined
  },
): Promise<JsonObject> {
  const secret = assertHasSecret(ctx)
  if (!ctx.registrationNonces.spend(wanted.nonce)) throw unknown('That nonce is not open')
  const { nonce, username, password, isAdmin } = wanted
  const expected = createHmac('sha1', secret)
    .update([nonce, username, password, isAdmin ? 'admin' : 'notadmin'].join('\0'))
    .digest()
  const given = Buffer.from(wanted.mac, 'hex')
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw forbidden('The mac is wrong')
  }
  const userId = await freeUserId(ctx, username)
  const passwordHash = await hashNewPassword(ctx, password)
  return transaction(ctx.db, async tx => {
    await createUser(ctx, tx, {
      userId,
      passwordHash,
      isAdmin,
      displayname: wanted.displayname,
    })
    return openSession(ctx, tx, { userId })
  })
}
