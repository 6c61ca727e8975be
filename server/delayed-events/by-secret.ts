/**
 * Managing by a secret instead of an access token, as the drafts of 2024-05 and 06 have it. The
 * delay_id, which is a secret too, is as good wherever the request says what to do.
 */
import { selectBySecret, selectMembers } from '../../db/delayed-event-groups.ts'
import { type DelayedEventRow, selectDelayedEvent } from '../../db/delayed-events.ts'
import type { SecretPower } from '../../db/schema.ts'
import { hashSecret } from '../lib/random.ts'
import { MatrixError, notFound } from '../matrix/errors.ts'
import type { Context } from './context.ts'
import { type Action, manage } from './delayed-events.ts'
import { actionMember } from './futures.ts'
import { type Caller, unknownDelayedEvent } from './limits.ts'

/** 410 M_NOT_FOUND: the secret stands for nothing, or not any more. */
export const gone = () => new MatrixError(410, 'M_NOT_FOUND', 'There is no such future (any more)')

const actionOf: Partial<Record<SecretPower, Action>> = {
  send: 'send',
  cancel: 'cancel',
  refresh: 'restart',
}

/**
 * Do what the secret is for.
 *
 * @param otherwise what to do if it is a delay_id, which is for everything
 * @throws 410 M_NOT_FOUND unknown, or finalised · 429 M_LIMIT_EXCEEDED too many unknown ones
 */
export async function doBySecret(
  ctx: Context,
  caller: Caller,
  secret: string,
  otherwise: Action | undefined,
): Promise<void> {
  const { row, power } = await find(ctx, caller, secret)
  const action = power === undefined ? otherwise : actionOf[power]
  if (action === undefined) throw gone()
  await manageOrGone(ctx, caller, row, action)
}

/** As {@link doBySecret}; the request says what to do, and the secret is for that kind of request. */
export async function manageBySecret(
  ctx: Context,
  caller: Caller,
  secret: string,
  wanted: { power: SecretPower; action: Action },
): Promise<void> {
  const { row, power } = await find(ctx, caller, secret)
  if (power !== undefined && power !== wanted.power) throw gone()
  await manageOrGone(ctx, caller, row, wanted.action)
}

/**
 * Send the event that an action of this name is to send.
 *
 * @throws as {@link doBySecret} · 404 M_NOT_FOUND the group has no such action (any more)
 */
export async function callAction(
  ctx: Context,
  caller: Caller,
  secret: string,
  action: string,
): Promise<void> {
  const { row, power } = await find(ctx, caller, secret)
  if (power !== undefined && power !== 'future') throw gone()
  if (row.status !== 'scheduled') throw gone()
  const group = row.group_id === null ? [] : await selectMembers(ctx.db, row.group_id)
  const member = group.find(
    ({ user_id, member }) => user_id === row.user_id && member === actionMember(action),
  )
  if (!member) throw notFound('That future has no such action')
  await manageOrGone(ctx, caller, member, 'send')
}

async function find(
  ctx: Context,
  caller: Caller,
  secret: string,
): Promise<{ row: DelayedEventRow; power: SecretPower | undefined }> {
  const bySecret = await selectBySecret(ctx.db, hashSecret(secret))
  if (bySecret) return { row: bySecret, power: bySecret.power }
  const row = await selectDelayedEvent(ctx.db, secret)
  if (!row) {
    // It throws 429 at who guesses; what it would have us say is for other dialects.
    unknownDelayedEvent(ctx, caller)
    throw gone()
  }
  return { row, power: undefined }
}

/** @throws 410 M_NOT_FOUND it is finalised: with it, its secrets are dead */
export async function manageOrGone(
  ctx: Context,
  caller: Caller,
  row: Pick<DelayedEventRow, 'delay_id'>,
  action: Action,
): Promise<void> {
  const outcome = await manage(ctx, caller, { delayId: row.delay_id, action })
  if (outcome !== 'done') throw gone()
}
