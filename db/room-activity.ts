/** When something last happened in rooms, as positions. */
import { sql } from 'kysely'
import type { Db } from './transaction.ts'

export interface Activity {
  room_id: string
  /** Of the latest event at or before `upTo`. */
  position: number
  /** Of the latest by which clients sort; `upTo` if that came later. */
  bump_position: number
}

export async function selectActivity(
  db: Db,
  roomIds: readonly string[],
  upTo: number,
): Promise<Map<string, Activity>> {
  if (roomIds.length === 0) return new Map()
  const { rows } = await sql<Activity>`
    SELECT wanted.room_id, latest.position, least(room.bump_position, ${upTo}) AS bump_position
    FROM unnest(${[...roomIds]}::text[]) AS wanted (room_id)
    CROSS JOIN LATERAL (
      SELECT bump_position FROM rooms WHERE rooms.room_id = wanted.room_id LIMIT 1
    ) AS room
    CROSS JOIN LATERAL (
      SELECT position FROM events
      WHERE events.room_id = wanted.room_id AND position <= ${upTo}
      ORDER BY position DESC LIMIT 1
    ) AS latest`.execute(db.q)
  return new Map(rows.map(row => [row.room_id, row]))
}

/** For each room the position at which a receipt of this user last moved, at or before `upTo`. */
export async function selectLatestReads(
  db: Db,
  userId: string,
  roomIds: readonly string[],
  upTo: number,
): Promise<Map<string, number>> {
  if (roomIds.length === 0) return new Map()
  const rows = await db.q
    .selectFrom('receipts')
    .select('room_id')
    .select(eb => eb.fn.max('position').as('position'))
    .where('user_id', '=', userId)
    .where('room_id', '=', sql<string>`ANY(${[...roomIds]}::text[])`)
    .where('position', '<=', upTo)
    .groupBy('room_id')
    .execute()
  return new Map(rows.map(row => [row.room_id, row.position]))
}
