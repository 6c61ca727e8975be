import { type Kysely, sql } from 'kysely'

/** Clients sort rooms by an event that may lie far back: its position is kept. */
export async function bumpPosition(q: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE rooms ADD bump_position bigint NOT NULL DEFAULT 0`.execute(q)
  await sql`ALTER TABLE rooms ALTER COLUMN bump_position SET STATISTICS 0`.execute(q)
  await sql`
    UPDATE rooms SET bump_position = bumping.position FROM (
      SELECT room_id, max(position) AS position FROM events
      WHERE type IN ('m.room.create', 'm.room.message', 'm.room.encrypted', 'm.sticker', 'm.call.invite',
        'm.poll.start', 'org.matrix.msc3381.poll.start', 'm.beacon_info', 'org.matrix.msc3672.beacon_info')
      GROUP BY room_id
    ) AS bumping WHERE rooms.room_id = bumping.room_id`.execute(q)
}
