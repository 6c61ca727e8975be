/** What decides how much of a room somebody sees. */
import { fixed } from './fixed.ts'
import type { RoomStateRow } from './schema.ts'
import type { Db } from './transaction.ts'

type Place = Pick<RoomStateRow, 'room_id' | 'position'>

export interface Seen {
  memberships: (Place & { membership: string })[]
  visibilities: (Place & { pdu: string })[]
}

/** Every membership that this user has ever had in these rooms, and every visibility; oldest first. */
export async function selectSeen(
  db: Db,
  roomIds: readonly string[],
  userId: string,
): Promise<Seen> {
  if (roomIds.length === 0) return { memberships: [], visibilities: [] }
  const { rows } = await fixed<Place & { membership: string | null; pdu: string | null }>`
    SELECT room_id, position, membership, NULL AS pdu FROM room_state
    WHERE room_id = ANY(${[...roomIds]}::text[]) AND type = 'm.room.member'
      AND state_key = ${userId} AND membership IS NOT NULL
    UNION ALL
    SELECT room_state.room_id, room_state.position, NULL, events.pdu
    FROM room_state JOIN events ON events.event_id = room_state.event_id
    WHERE room_state.room_id = ANY(${[...roomIds]}::text[])
      AND room_state.type = 'm.room.history_visibility' AND room_state.state_key = ''
    ORDER BY position`.execute(db.q)
  return {
    memberships: rows.flatMap(({ membership, pdu: _, ...place }) =>
      membership === null ? [] : { ...place, membership },
    ),
    visibilities: rows.flatMap(({ pdu, membership: _, ...place }) =>
      pdu === null ? [] : { ...place, pdu },
    ),
  }
}
