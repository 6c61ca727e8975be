/** When something last happened in rooms, as positions. */
import { sql } from 'kysely'
import type { Db } from './transaction.ts'

/** The position of the latest event of each room at or before `upTo`. */
export async function selectLatestPositions(
  db: Db,
  roomIds: readonly string[],
  upTo: number,
): Promise<Map<string, number>> {
  if (roomIds.length === 0) return new Map()
  const { rows } = await sql<{ room_id: string; position: number }>`
    SELECT wanted.room_id, latest.position
    FROM unnest(${[...roomIds]}::text[]) AS wanted (room_id)
    CROSS JOIN LATERAL (
      SELECT position FROM events
      WHERE events.room_id = wanted.room_id AND position <= ${upTo}
      ORDER BY position DESC LIMIT 1
    ) AS latest`.execute(db.q)
  return new Map(rows.map(row => [row.room_id, row.position]))
}

const mostSteps = 50

/** The position of the latest event of one of these types at or before `upTo`. */
export async function selectLatestOfTypes(
  db: Db,
  roomId: string,
  types: readonly string[],
  upTo: number,
): Promise<number | undefined> {
  // One after the other, for it is nearly always among the last few. Asked for the first at once,
  // PostgreSQL may sort all that the room has, as long as it has not counted how much that is
  // (decision 66); but to walk past thousands who have joined takes forty times as long.
  const isOne = sql`type = ANY(${[...types]}::text[])`
  const { rows } = await sql<{ position: number }>`
    WITH RECURSIVE walked AS (
      (SELECT position, type, 1 AS steps FROM events
        WHERE room_id = ${roomId} AND position <= ${upTo} ORDER BY position DESC LIMIT 1)
      UNION ALL
      SELECT before.position, before.type, steps + 1 FROM walked CROSS JOIN LATERAL (
        SELECT position, type FROM events
        WHERE room_id = ${roomId} AND events.position < walked.position
        ORDER BY events.position DESC LIMIT 1
      ) AS before
      WHERE NOT walked.${isOne} AND steps < ${mostSteps}
    )
    SELECT position FROM walked WHERE ${isOne}
    UNION ALL
    (SELECT position FROM events
      WHERE room_id = ${roomId} AND position < (SELECT min(position) FROM walked) AND ${isOne}
      ORDER BY position DESC LIMIT 1)
    LIMIT 1`.execute(db.q)
  return rows[0]?.position
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
