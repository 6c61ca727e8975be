/** What is known of uploaded files; the bytes are elsewhere. And previews of web pages. */
import { sql } from 'kysely'
import type { MediaRow, UrlPreviewRow } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

export async function insertMedia(tx: Tx, media: MediaRow): Promise<void> {
  await tx.q.insertInto('media').values(media).execute()
}

/** Undefined: there never was any, or it has expired. */
export async function selectMedia(
  db: Db,
  mediaId: string,
  now: number,
): Promise<MediaRow | undefined> {
  return db.q
    .selectFrom('media')
    .selectAll()
    .where('media_id', '=', mediaId)
    .where(eb => eb.or([eb('expires_ts', 'is', null), eb('expires_ts', '>', now)]))
    .executeTakeFirst()
}

/** When those of a user expire to which nothing has been uploaded yet, the first to expire first. */
export async function selectEndsOfPending(db: Db, userId: string, now: number): Promise<number[]> {
  const rows = await db.q
    .selectFrom('media')
    .select('expires_ts')
    .where('user_id', '=', userId)
    .where('size_bytes', 'is', null)
    .where('expires_ts', '>', now)
    .orderBy('expires_ts')
    .execute()
  return rows.flatMap(row => row.expires_ts ?? [])
}

/** Something has been uploaded to it; it stays. @returns false if something had been before */
export async function completeMedia(
  tx: Tx,
  mediaId: string,
  uploaded: { content_type: string; file_name: string | null; size_bytes: number },
): Promise<boolean> {
  const completed = await tx.q
    .updateTable('media')
    .set({ ...uploaded, expires_ts: null })
    .where('media_id', '=', mediaId)
    // In no index: that of all to which nothing has been uploaded would be read.
    .where(sql`size_bytes - 0`, 'is', null)
    .returning('media_id')
    .executeTakeFirst()
  return completed !== undefined
}

/** @returns the ids of those that have gone, at the most `limit` */
export async function deleteMediaBefore(tx: Tx, before: number, limit: number): Promise<string[]> {
  const { rows } = await sql<{ media_id: string }>`
    DELETE FROM media WHERE media_id IN (
      SELECT media_id FROM media WHERE expires_ts <= ${before} LIMIT ${limit}
    ) RETURNING media_id`.execute(tx.q)
  return rows.map(row => row.media_id)
}

export async function selectUrlPreview(
  db: Db,
  urlHash: string,
  now: number,
): Promise<string | undefined> {
  const row = await db.q
    .selectFrom('url_previews')
    .select('preview')
    .where('url_hash', '=', urlHash)
    .where('expires_ts', '>', now)
    .executeTakeFirst()
  return row?.preview
}

export async function upsertUrlPreview(tx: Tx, preview: UrlPreviewRow): Promise<void> {
  await tx.q
    .insertInto('url_previews')
    .values(preview)
    .onConflict(conflict =>
      conflict.column('url_hash').doUpdateSet(eb => ({
        preview: eb.ref('excluded.preview'),
        expires_ts: eb.ref('excluded.expires_ts'),
      })),
    )
    .execute()
}

/** @returns how many there were, at the most `limit` */
export async function deleteUrlPreviewsBefore(
  tx: Tx,
  before: number,
  limit: number,
): Promise<number> {
  const { rows } = await sql`
    DELETE FROM url_previews WHERE url_hash IN (
      SELECT url_hash FROM url_previews WHERE expires_ts <= ${before} LIMIT ${limit}
    ) RETURNING 1`.execute(tx.q)
  return rows.length
}
