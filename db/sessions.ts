/**
 * Devices and their sessions: one access token and perhaps a refresh token each.
 *
 * Whoever adds or removes them holds the user's row, so that a login, a refresh and a logout at the
 * same moment follow each other.
 */
import { type Insertable, type Selectable, sql } from 'kysely'
import { lockUser } from './accounts.ts'
import { fixed } from './fixed.ts'
import type { DeviceRow, SessionTable, UserRow } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

export type SessionRow = Selectable<SessionTable>

/**
 * Make the device, or keep it as it is; a name is given only to a new one.
 *
 * @returns whether it is new
 */
export async function insertDevice(tx: Tx, device: DeviceRow): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx.q
    .insertInto('devices')
    .values(device)
    .onConflict(conflict => conflict.doNothing())
    .executeTakeFirstOrThrow()
  return numInsertedOrUpdatedRows === 1n
}

export async function selectDevices(db: Db, userId: string): Promise<DeviceRow[]> {
  return db.q
    .selectFrom('devices')
    .selectAll()
    .where('user_id', '=', userId)
    .orderBy('created_ts')
    .orderBy('device_id')
    .execute()
}

export async function selectDevice(
  db: Db,
  userId: string,
  deviceId: string,
): Promise<DeviceRow | undefined> {
  return db.q
    .selectFrom('devices')
    .selectAll()
    .where('user_id', '=', userId)
    .where('device_id', '=', deviceId)
    .executeTakeFirst()
}

/** The devices of several users, by user and age. */
export async function selectDevicesOf(
  db: Db,
  userIds: readonly string[],
): Promise<Pick<DeviceRow, 'user_id' | 'device_id'>[]> {
  if (userIds.length === 0) return []
  return db.q
    .selectFrom('devices')
    .select(['user_id', 'device_id'])
    .where('user_id', '=', sql<string>`ANY(${[...userIds]}::text[])`)
    .orderBy('user_id')
    .orderBy('created_ts')
    .orderBy('device_id')
    .execute()
}

export async function updateDeviceName(
  tx: Tx,
  userId: string,
  deviceId: string,
  displayName: string,
): Promise<void> {
  await tx.q
    .updateTable('devices')
    .set({ display_name: displayName })
    .where('user_id', '=', userId)
    .where('device_id', '=', deviceId)
    .execute()
}

/** Hold a device's row until the transaction ends. Undefined if there is no such device (any more). */
export async function lockDevice(
  tx: Tx,
  userId: string,
  deviceId: string,
): Promise<DeviceRow | undefined> {
  return tx.q
    .selectFrom('devices')
    .selectAll()
    .where('user_id', '=', userId)
    .where('device_id', '=', deviceId)
    .forUpdate()
    .executeTakeFirst()
}

/** Written also by who found the device a moment before it ceased to be. */
const remains = ['to_device_messages', 'transaction_ids'] as const
/** All that belongs to a device and to nobody else; its sessions and its keys go with the last. */
const tablesOfDevices = [...remains, 'devices'] as const

/**
 * Remove what came to a device of that ID while it ceased to be. Requests that were under way then may
 * have been answered in its name, or have found it in time to write to it.
 */
export async function deleteRemains(tx: Tx, userId: string, deviceId: string): Promise<void> {
  for (const table of remains) {
    await tx.q
      .deleteFrom(table)
      .where('user_id', '=', userId)
      .where('device_id', '=', deviceId)
      .execute()
  }
}

/** MSC3890: what a device keeps with its user about its own notifications. */
const settingsOfDevice = 'org.matrix.msc3890.local_notification_settings.'

/**
 * Those of these devices that the user has, with their sessions, messages, keys and transaction
 * ids.
 *
 * @returns which of them had identity keys, so that others have to hear of it
 */
export async function deleteDevices(
  tx: Tx,
  userId: string,
  deviceIds: readonly string[],
): Promise<string[]> {
  await lockUser(tx, userId)
  const isOneOfThem = sql<string>`ANY(${[...deviceIds]}::text[])`
  // Whoever is publishing keys at this moment holds the row of their device; who writes when devices
  // were last seen holds many, in this order.
  await tx.q
    .selectFrom('devices')
    .select('device_id')
    .where('user_id', '=', userId)
    .where('device_id', '=', isOneOfThem)
    .orderBy('device_id')
    .forUpdate()
    .execute()
  // Before they go with the devices, one after the other: as who claims keys takes them.
  await tx.q
    .deleteFrom('one_time_keys')
    .where('user_id', '=', userId)
    .where('device_id', '=', isOneOfThem)
    .execute()
  await tx.q
    .selectFrom('fallback_keys')
    .select('key_id')
    .where('user_id', '=', userId)
    .where('device_id', '=', isOneOfThem)
    .orderBy('device_id')
    .orderBy('algorithm')
    .forUpdate()
    .execute()
  const withKeys = await tx.q
    .deleteFrom('device_keys')
    .where('user_id', '=', userId)
    .where('device_id', '=', isOneOfThem)
    .returning('device_id')
    .execute()
  for (const table of tablesOfDevices) {
    await tx.q
      .deleteFrom(table)
      .where('user_id', '=', userId)
      .where('device_id', '=', isOneOfThem)
      .execute()
  }
  const types = deviceIds.map(deviceId => `${settingsOfDevice}${deviceId}`)
  await tx.q
    .deleteFrom('account_data')
    .where('user_id', '=', userId)
    .where('room_id', '=', '')
    .where('type', '=', sql<string>`ANY(${types}::text[])`)
    .execute()
  return withKeys.map(row => row.device_id)
}

/** As {@link deleteDevices}, all devices. @param except one to keep */
export async function deleteAllDevices(tx: Tx, userId: string, except?: string): Promise<string[]> {
  await lockUser(tx, userId)
  const devices = await selectDevices(tx, userId)
  const ids = devices.map(device => device.device_id).filter(id => id !== except)
  return deleteDevices(tx, userId, ids)
}

export async function insertSession(tx: Tx, session: Insertable<SessionTable>): Promise<void> {
  await tx.q.insertInto('sessions').values(session).execute()
}

/** A session, with what a request needs to know of its user. */
export type SessionWithUser = SessionRow & Pick<UserRow, 'is_guest' | 'is_admin' | 'deactivated_ts'>

/** Of each access token the session; undefined: there is none (any more). */
export async function selectSessionsByAccessToken(
  db: Db,
  accessTokenHashes: readonly string[],
): Promise<(SessionWithUser | undefined)[]> {
  // LIMIT 1: each session's user is looked up (decision 66).
  const { rows } = await fixed<SessionWithUser>`
    SELECT sessions.*, users.is_guest, users.is_admin, users.deactivated_ts
    FROM sessions CROSS JOIN LATERAL (
      SELECT is_guest, is_admin, deactivated_ts FROM users
      WHERE users.user_id = sessions.user_id LIMIT 1
    ) AS users
    WHERE access_token_hash = ANY(${[...new Set(accessTokenHashes)]}::text[])`.execute(db.q)
  const byHash = new Map(rows.map(row => [row.access_token_hash, row]))
  return accessTokenHashes.map(hash => byHash.get(hash))
}

/** With its user's row, so that two refreshes with one token follow each other. */
export async function lockSessionByRefreshToken(
  tx: Tx,
  refreshTokenHash: string,
): Promise<SessionRow | undefined> {
  const select = () =>
    tx.q
      .selectFrom('sessions')
      .selectAll()
      .where('refresh_token_hash', '=', refreshTokenHash)
      .executeTakeFirst()
  const session = await select()
  if (!session) return undefined
  await lockUser(tx, session.user_id)
  // Whoever held the row before may have ended it.
  return select()
}

/** Those that a refresh made from this one and that nobody has used yet. */
export async function deleteReplacementsOf(
  tx: Tx,
  session: Pick<SessionRow, 'session_id' | 'user_id'>,
): Promise<void> {
  await tx.q
    .deleteFrom('sessions')
    .where('user_id', '=', session.user_id)
    .where('replaces', '=', session.session_id)
    .execute()
}

/** A refreshed session is in use, so the one that it came from ends. */
export async function endReplacedSession(tx: Tx, session: SessionRow): Promise<void> {
  if (session.replaces === null) return
  await lockUser(tx, session.user_id)
  await tx.q.deleteFrom('sessions').where('session_id', '=', session.replaces).execute()
  await tx.q
    .updateTable('sessions')
    .set({ replaces: null })
    .where('session_id', '=', session.session_id)
    .execute()
}

/** Sessions of one device end; the device stays. Used when it logs in again. */
export async function deleteSessionsOfDevice(
  tx: Tx,
  userId: string,
  deviceId: string,
): Promise<void> {
  await tx.q
    .deleteFrom('sessions')
    .where('user_id', '=', userId)
    .where('device_id', '=', deviceId)
    .execute()
}
