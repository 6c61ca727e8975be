/** Key backups: versions of a user, and the sessions in them. */
import { sql } from 'kysely'
import type { KeyBackupRow, KeyBackupSessionRow } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

/** A new version, above all that the user has ever had. The caller holds the user's row. */
export async function insertBackup(
  tx: Tx,
  backup: { userId: string; algorithm: string; authData: string },
): Promise<number> {
  const { rows } = await sql<{ version: number }>`
    INSERT INTO key_backups (user_id, version, algorithm, auth_data, etag, is_deleted)
    SELECT ${backup.userId}, coalesce(max(version), 0) + 1,
      ${backup.algorithm}, ${backup.authData}, 0, false
    FROM key_backups WHERE user_id = ${backup.userId}
    RETURNING version`.execute(tx.q)
  const [row] = rows
  if (!row) throw new Error('the insert returned no row')
  return row.version
}

/** Deleted or not. */
export async function selectBackup(
  db: Db,
  userId: string,
  version: number,
): Promise<KeyBackupRow | undefined> {
  return db.q
    .selectFrom('key_backups')
    .selectAll()
    .where('user_id', '=', userId)
    .where('version', '=', version)
    .executeTakeFirst()
}

/** The newest that is not deleted. */
export async function selectCurrentBackup(
  db: Db,
  userId: string,
): Promise<KeyBackupRow | undefined> {
  return db.q
    .selectFrom('key_backups')
    .selectAll()
    .where('user_id', '=', userId)
    .where('is_deleted', '=', false)
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirst()
}

export async function updateBackupAuthData(
  tx: Tx,
  { user_id, version }: KeyBackupRow,
  authData: string,
): Promise<void> {
  await tx.q
    .updateTable('key_backups')
    .set({ auth_data: authData })
    .where('user_id', '=', user_id)
    .where('version', '=', version)
    .execute()
}

/** Its sessions go; that there was such a version stays. */
export async function deleteBackup(tx: Tx, { user_id, version }: KeyBackupRow): Promise<void> {
  await deleteBackupSessions(tx, { user_id, version })
  await tx.q
    .updateTable('key_backups')
    .set({ is_deleted: true, auth_data: '{}' })
    .where('user_id', '=', user_id)
    .where('version', '=', version)
    .execute()
}

/** Without a trace: the user is leaving for good. */
export async function deleteBackups(tx: Tx, userId: string): Promise<void> {
  await tx.q.deleteFrom('key_backup_sessions').where('user_id', '=', userId).execute()
  await tx.q.deleteFrom('key_backups').where('user_id', '=', userId).execute()
}

/** What is in a backup has changed. */
export async function bumpBackupEtag(tx: Tx, { user_id, version }: KeyBackupRow): Promise<number> {
  const { etag } = await tx.q
    .updateTable('key_backups')
    .set(eb => ({ etag: eb('etag', '+', 1) }))
    .where('user_id', '=', user_id)
    .where('version', '=', version)
    .returning('etag')
    .executeTakeFirstOrThrow()
  return etag
}

/** Part of a backup: all of it, one room, or one session. */
export interface BackupPart {
  user_id: string
  version: number
  roomId?: string | undefined
  sessionId?: string | undefined
}

export async function selectBackupSessions(
  db: Db,
  { user_id, version, roomId, sessionId }: BackupPart,
): Promise<KeyBackupSessionRow[]> {
  return db.q
    .selectFrom('key_backup_sessions')
    .selectAll()
    .where('user_id', '=', user_id)
    .where('version', '=', version)
    .$if(roomId !== undefined, query => query.where('room_id', '=', roomId ?? ''))
    .$if(sessionId !== undefined, query => query.where('session_id', '=', sessionId ?? ''))
    .orderBy('room_id')
    .orderBy('session_id')
    .execute()
}

/** @returns how many there were */
export async function deleteBackupSessions(
  tx: Tx,
  { user_id, version, roomId, sessionId }: BackupPart,
): Promise<number> {
  const { numDeletedRows } = await tx.q
    .deleteFrom('key_backup_sessions')
    .where('user_id', '=', user_id)
    .where('version', '=', version)
    .$if(roomId !== undefined, query => query.where('room_id', '=', roomId ?? ''))
    .$if(sessionId !== undefined, query => query.where('session_id', '=', sessionId ?? ''))
    .executeTakeFirstOrThrow()
  return Number(numDeletedRows)
}

export async function countBackupSessions(
  db: Db,
  { user_id, version }: Pick<KeyBackupRow, 'user_id' | 'version'>,
): Promise<number> {
  const { count } = await db.q
    .selectFrom('key_backup_sessions')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('user_id', '=', user_id)
    .where('version', '=', version)
    .executeTakeFirstOrThrow()
  return count
}

/** PostgreSQL takes 65535 parameters a statement; a row has eight. */
const rowsPerStatement = 1000

/**
 * Store sessions; one that is there already gives way only to a better one: verified before not,
 * then the lower first message index, then the lower forwarded count.
 *
 * @returns how many were written
 * Spec: Client-Server API "Server-side key backups", "Recovering keys"
 */
export async function upsertBetterBackupSessions(
  tx: Tx,
  rows: readonly KeyBackupSessionRow[],
): Promise<number> {
  let written = 0
  for (let from = 0; from < rows.length; from += rowsPerStatement) {
    const { numInsertedOrUpdatedRows } = await tx.q
      .insertInto('key_backup_sessions')
      .values(rows.slice(from, from + rowsPerStatement))
      .onConflict(conflict =>
        conflict
          .columns(['user_id', 'version', 'room_id', 'session_id'])
          .doUpdateSet(eb => ({
            first_message_index: eb.ref('excluded.first_message_index'),
            forwarded_count: eb.ref('excluded.forwarded_count'),
            is_verified: eb.ref('excluded.is_verified'),
            session_data: eb.ref('excluded.session_data'),
          }))
          .where(
            sql<boolean>`
              (NOT excluded.is_verified, excluded.first_message_index, excluded.forwarded_count)
              < (NOT key_backup_sessions.is_verified, key_backup_sessions.first_message_index,
                key_backup_sessions.forwarded_count)`,
          ),
      )
      .executeTakeFirstOrThrow()
    written += Number(numInsertedOrUpdatedRows)
  }
  return written
}
