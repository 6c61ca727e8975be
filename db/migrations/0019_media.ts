import { type Kysely, sql } from 'kysely'

/** What is known of uploaded files, and previews of web pages. The bytes are on disk. */
export async function media(q: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE media (
      media_id text PRIMARY KEY,
      user_id text NOT NULL REFERENCES users,
      created_ts bigint NOT NULL,
      expires_ts bigint,
      content_type text,
      file_name text,
      size_bytes bigint,
      CHECK ((content_type IS NULL) = (size_bytes IS NULL)),
      CHECK (size_bytes IS NOT NULL OR expires_ts IS NOT NULL)
    )`.execute(q)
  await sql`
    CREATE INDEX media_by_end ON media (expires_ts) WHERE expires_ts IS NOT NULL`.execute(q)
  await sql`
    CREATE INDEX media_not_yet_uploaded ON media (user_id, expires_ts)
    WHERE size_bytes IS NULL`.execute(q)
  await sql`
    CREATE TABLE url_previews (
      url_hash text PRIMARY KEY,
      preview text NOT NULL,
      expires_ts bigint NOT NULL
    )`.execute(q)
  await sql`CREATE INDEX url_previews_by_end ON url_previews (expires_ts)`.execute(q)
}
