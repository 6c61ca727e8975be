/** Sessions: a device, its access token and, if it asked for one, its refresh token. */
import { lockUser } from '../../db/accounts.ts'
import { selectCrossSigningKeys } from '../../db/cross-signing.ts'
import type { DeviceRow } from '../../db/schema.ts'
import {
  deleteRemains,
  deleteReplacementsOf,
  deleteSessionsOfDevice,
  endReplacedSession,
  insertDevice,
  insertSession,
  lockSessionByRefreshToken,
} from '../../db/sessions.ts'
import type { Tx } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import { hashSecret, randomLetters, randomToken } from '../lib/random.ts'
import { forbidden, unknownToken, userDeactivated, userLocked } from '../matrix/errors.ts'
import type { Context } from './context.ts'

/** `{ access_token, refresh_token?, expires_in_ms? }` together with what is stored of them. */
function makeTokens(ctx: Context, wantsRefreshToken: boolean) {
  const accessToken = `hga_${randomToken(32)}`
  const refreshToken = `hgr_${randomToken(32)}`
  const lifetimeMs = ctx.config.access_token_lifetime_ms
  const refreshLifetimeMs = ctx.config.refresh_token_lifetime_ms
  return {
    wire: {
      access_token: accessToken,
      ...(wantsRefreshToken ? { refresh_token: refreshToken, expires_in_ms: lifetimeMs } : {}),
    },
    row: {
      access_token_hash: hashSecret(accessToken),
      expires_ts: wantsRefreshToken ? ctx.clock.now() + lifetimeMs : null,
      refresh_expires_ts:
        wantsRefreshToken && refreshLifetimeMs > 0 ? ctx.clock.now() + refreshLifetimeMs : null,
      refresh_token_hash: wantsRefreshToken ? hashSecret(refreshToken) : null,
    },
  }
}

/** What is the same for every way of logging in. */
export interface Device {
  /** Undefined: the server makes one up. */
  deviceId: string | undefined
  displayName: string | undefined
  wantsRefreshToken: boolean | undefined
}

/**
 * Make a device, or keep it as it is; a name is given only to a new one. The user's row is held.
 *
 * @returns whether it is new
 * @throws 403 M_FORBIDDEN it would have the id of one of the user's cross-signing keys: devices and
 *   keys are named in one namespace · 403 M_USER_DEACTIVATED, perhaps only just now
 */
export async function makeDevice(ctx: Context, tx: Tx, device: NewDevice): Promise<boolean> {
  if (!(await lockUser(tx, device.userId))) throw userDeactivated()
  const keys = await selectCrossSigningKeys(tx, [device.userId])
  if (keys.some(key => key.public_key === device.deviceId)) {
    throw forbidden('That device ID is in use')
  }
  const isNew = await insertDevice(tx, deviceRow(ctx, device))
  if (isNew) await deleteRemains(tx, device.userId, device.deviceId)
  return isNew
}

interface NewDevice {
  userId: string
  deviceId: string
  displayName?: string | undefined
}

const deviceRow = (ctx: Context, { userId, deviceId, displayName }: NewDevice): DeviceRow => ({
  user_id: userId,
  device_id: deviceId,
  display_name: displayName ?? null,
  created_ts: ctx.clock.now(),
  last_seen_ts: null,
  last_seen_ip: null,
  last_seen_user_agent: null,
})

/**
 * Log a device in. Its earlier sessions end; what it knows of its transaction ids and its messages
 * stays.
 *
 * @returns `{ user_id, device_id, access_token, home_server, refresh_token?, expires_in_ms? }`
 * @throws as `makeDevice` · 401 M_USER_LOCKED
 * Spec: POST /login
 */
export async function openSession(ctx: Context, tx: Tx, login: Login): Promise<JsonObject> {
  const deviceId = deviceIdOf(login)
  if (ctx.restrictions.of(login.userId).isLocked) throw userLocked()
  await makeDevice(ctx, tx, { ...login, deviceId })
  await deleteSessionsOfDevice(tx, login.userId, deviceId)
  ctx.sessionEnds.note(tx, login.userId, [deviceId])
  return insertTokens(ctx, tx, login, deviceId)
}

/** As {@link openSession}, of a user whom this transaction makes: there is nothing else of theirs. */
export async function openFirstSession(ctx: Context, tx: Tx, login: Login): Promise<JsonObject> {
  const deviceId = deviceIdOf(login)
  await insertDevice(tx, deviceRow(ctx, { ...login, deviceId }))
  return insertTokens(ctx, tx, login, deviceId)
}

type Login = { userId: string } & Partial<Device>

const deviceIdOf = ({ deviceId }: Login) => deviceId ?? randomLetters(10).toUpperCase()

async function insertTokens(
  ctx: Context,
  tx: Tx,
  login: Login,
  deviceId: string,
): Promise<JsonObject> {
  const { userId } = login
  const tokens = makeTokens(ctx, login.wantsRefreshToken ?? false)
  await insertSession(tx, { ...tokens.row, user_id: userId, device_id: deviceId, replaces: null })
  return {
    user_id: userId,
    device_id: deviceId,
    home_server: ctx.config.server_name,
    ...tokens.wire,
  }
}

/**
 * New tokens for a refresh token. The old pair works until one of the new is used, so an answer
 * that is lost costs nothing.
 *
 * @throws 401 M_UNKNOWN_TOKEN, with soft_logout if the refresh token has expired · 401 M_USER_LOCKED
 * Spec: POST /refresh
 */
export async function refreshSession(
  ctx: Context,
  tx: Tx,
  refreshToken: string,
): Promise<JsonObject> {
  const session = await lockSessionByRefreshToken(tx, hashSecret(refreshToken))
  if (!session) throw unknownToken()
  if (ctx.restrictions.of(session.user_id).isLocked) throw userLocked()
  const { refresh_expires_ts: endsAt } = session
  // The device is still there, and its keys with it.
  if (endsAt !== null && endsAt <= ctx.clock.now()) throw unknownToken(true)
  await endReplacedSession(tx, session)
  await deleteReplacementsOf(tx, session)
  const tokens = makeTokens(ctx, true)
  await insertSession(tx, {
    ...tokens.row,
    user_id: session.user_id,
    device_id: session.device_id,
    replaces: session.session_id,
  })
  return tokens.wire
}
