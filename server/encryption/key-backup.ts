/**
 * Key backups: room keys that clients have encrypted for themselves. A user may have several
 * versions; only the newest takes new keys, the older ones can still be read.
 *
 * Spec: Client-Server API "Server-side key backups"
 */
import {
  type BackupPart,
  bumpBackupEtag,
  countBackupSessions,
  deleteBackup,
  deleteBackupSessions,
  insertBackup,
  selectBackup,
  selectBackupSessions,
  selectCurrentBackup,
  updateBackupAuthData,
  upsertBetterBackupSessions,
} from '../../db/key-backup.ts'
import type { KeyBackupRow, KeyBackupSessionRow } from '../../db/schema.ts'
import { type Db, type Tx, transaction } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import { invalidParam, notFound, wrongRoomKeysVersion } from '../matrix/errors.ts'
import type { Requester } from '../requester.ts'
import { lockOwnAccount } from '../rooms/account-in-use.ts'
import type { Context } from './context.ts'

/** All sessions, those of one room, or one. */
export interface Part {
  roomId?: string | undefined
  sessionId?: string | undefined
}

/** `KeyBackupData` of the specification, and where it belongs. */
export interface BackedUpSession {
  roomId: string
  sessionId: string
  firstMessageIndex: number
  forwardedCount: number
  isVerified: boolean
  sessionData: JsonObject
}

/** @returns the version. Spec: POST /room_keys/version */
export function createBackup(
  ctx: Context,
  { userId }: Requester,
  backup: { algorithm: string; authData: JsonObject },
): Promise<string> {
  return transaction(ctx.db, async tx => {
    await lockOwnAccount(tx, userId)
    const authData = JSON.stringify(backup.authData)
    return String(await insertBackup(tx, { userId, algorithm: backup.algorithm, authData }))
  })
}

/**
 * @param version undefined: the current one
 * @returns `{ algorithm, auth_data, count, etag, version }`
 * @throws 404 M_NOT_FOUND
 * Spec: GET /room_keys/version, GET /room_keys/version/{version}
 */
export async function describeBackup(
  ctx: Context,
  { userId }: Requester,
  version?: string,
): Promise<JsonObject> {
  const backup =
    version === undefined
      ? await selectCurrentBackup(ctx.db, userId)
      : await findBackup(ctx.db, userId, version)
  if (!backup) throw notFound('There is no backup')
  return {
    algorithm: backup.algorithm,
    auth_data: JSON.parse(backup.auth_data) as JsonObject,
    count: await countBackupSessions(ctx.db, backup),
    etag: String(backup.etag),
    version: String(backup.version),
  }
}

/**
 * @throws 404 M_NOT_FOUND · 400 M_INVALID_PARAM another algorithm than the backup has
 * Spec: PUT /room_keys/version/{version}
 */
export function updateBackup(
  ctx: Context,
  { userId }: Requester,
  version: string,
  change: { algorithm: string; authData: JsonObject },
): Promise<void> {
  return transaction(ctx.db, async tx => {
    const backup = await lockBackup(tx, userId, version)
    if (backup.algorithm !== change.algorithm) throw invalidParam('The algorithm cannot change')
    await updateBackupAuthData(tx, backup, JSON.stringify(change.authData))
  })
}

/**
 * Delete a backup with all that is in it. One that is deleted already is no mistake.
 *
 * @throws 404 M_NOT_FOUND there never was such a version
 * Spec: DELETE /room_keys/version/{version}
 */
export function removeBackup(ctx: Context, { userId }: Requester, version: string): Promise<void> {
  return transaction(ctx.db, async tx => {
    await lockOwnAccount(tx, userId)
    const backup = await selectBackup(tx, userId, numberOf(version))
    if (!backup) throw unknownVersion()
    await deleteBackup(tx, backup)
  })
}

/**
 * Put sessions into the current backup. One that is there gives way only to a better one.
 *
 * @returns `{ count, etag }`; the etag is another if anything was written
 * @throws 404 M_NOT_FOUND · 403 M_WRONG_ROOM_KEYS_VERSION there is a newer backup
 * Spec: PUT /room_keys/keys and below
 */
export function storeSessions(
  ctx: Context,
  { userId }: Requester,
  version: string,
  sessions: readonly BackedUpSession[],
): Promise<JsonObject> {
  return transaction(ctx.db, async tx => {
    const backup = await lockBackup(tx, userId, version)
    const current = await selectCurrentBackup(tx, userId)
    if (current && current.version !== backup.version) {
      throw wrongRoomKeysVersion(String(current.version))
    }
    const rows = sessions.map(session => rowOf(backup, session))
    const written = await upsertBetterBackupSessions(tx, rows)
    return summary(tx, backup, written > 0)
  })
}

/**
 * @returns `{ count, etag }`
 * @throws 404 M_NOT_FOUND there is no such backup
 * Spec: DELETE /room_keys/keys and below
 */
export function removeSessions(
  ctx: Context,
  { userId }: Requester,
  version: string,
  part: Part,
): Promise<JsonObject> {
  return transaction(ctx.db, async tx => {
    const backup = await lockBackup(tx, userId, version)
    const deleted = await deleteBackupSessions(tx, partOf(backup, part))
    return summary(tx, backup, deleted > 0)
  })
}

/**
 * The sessions of a backup, by room and session.
 *
 * @returns room id → session id → `KeyBackupData`
 * @throws 404 M_NOT_FOUND there is no such backup
 * Spec: GET /room_keys/keys and below
 */
export async function readSessions(
  ctx: Context,
  { userId }: Requester,
  version: string,
  part: Part,
): Promise<Map<string, Map<string, JsonObject>>> {
  const backup = await findBackup(ctx.db, userId, version)
  const rooms = new Map<string, Map<string, JsonObject>>()
  for (const row of await selectBackupSessions(ctx.db, partOf(backup, part))) {
    const room = rooms.get(row.room_id) ?? new Map<string, JsonObject>()
    rooms.set(row.room_id, room)
    room.set(row.session_id, {
      first_message_index: row.first_message_index,
      forwarded_count: row.forwarded_count,
      is_verified: row.is_verified,
      session_data: JSON.parse(row.session_data) as JsonObject,
    })
  }
  return rooms
}

async function summary(tx: Tx, backup: KeyBackupRow, isChanged: boolean): Promise<JsonObject> {
  const etag = isChanged ? await bumpBackupEtag(tx, backup) : backup.etag
  return { count: await countBackupSessions(tx, backup), etag: String(etag) }
}

/** With the user's row, so that changes of backups follow each other. */
async function lockBackup(tx: Tx, userId: string, version: string): Promise<KeyBackupRow> {
  await lockOwnAccount(tx, userId)
  return findBackup(tx, userId, version)
}

async function findBackup(db: Db, userId: string, version: string): Promise<KeyBackupRow> {
  const backup = await selectBackup(db, userId, numberOf(version))
  if (!backup || backup.is_deleted) throw unknownVersion()
  return backup
}

const unknownVersion = () => notFound('There is no such backup version')

/** A version is opaque to clients; ours are numbers, and what is none names no backup. */
function numberOf(version: string): number {
  if (!/^[1-9]\d{0,14}$/.test(version)) throw unknownVersion()
  return Number(version)
}

const partOf = ({ user_id, version }: KeyBackupRow, part: Part): BackupPart => ({
  user_id,
  version,
  ...part,
})

const rowOf = (
  { user_id, version }: KeyBackupRow,
  session: BackedUpSession,
): KeyBackupSessionRow => ({
  user_id,
  version,
  room_id: session.roomId,
  session_id: session.sessionId,
  first_message_index: session.firstMessageIndex,
  forwarded_count: session.forwardedCount,
  is_verified: session.isVerified,
  session_data: JSON.stringify(session.sessionData),
})
