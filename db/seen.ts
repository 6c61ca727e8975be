/** What decides how much of a room somebody sees. */
import { fixed } from './fixed.ts'
import type { RoomStateRow } from './schema.ts'
import type { Db } from './transaction.ts'

type Place = Pick<RoomStateRow, 'room_id' | 'position'>

export interface Seen {
  memberships: (Place & { membership: string })[]
  visibilities: (Place & { pdu: string })[]
  /** The rooms' latest events: what came later may have come after a change that is not here. */
  ends: Place[]
}

/**
 * Every membership that this user has ever had in these rooms, and every visibility, oldest first; and
 * how far the rooms had come at that moment.
 */
export async function selectSeen(
  db: Db,
  roomIds: readonly string[],
  userId: string,
): Promise<Seen> {
  if (roomIds.length === 0) return { memberships: [], visibilities: [], ends: [] }
  const { rows } = await fixed<Place & { membership: string | null; pdu: string | null }>`
    SELECT room_id, position, membership, NULL AS pdu FROM room_state
    WHERE room_id = ANY(${[...roomIds]}::text[]) AND type = 'm.room.member'
      AND state_key = ${userId} AND membership IS NOT NULL
    UNION ALL
    SELECT room_state.room_id, room_state.position, NULL, events.pdu
    FROM room_state JOIN events ON events.event_id = room_state.event_id
    WHERE room_state.room_id = ANY(${[...roomIds]}::text[])
      AND room_state.type = 'm.room.history_visibility' AND room_state.state_key = ''
    UNION ALL
    SELECT latest.room_id, latest.position, NULL, NULL
    FROM unnest(${[...roomIds]}::text[]) AS wanted (wanted_room_id)
    CROSS JOIN LATERAL (
      SELECT room_id, position FROM events WHERE room_id = wanted_room_id
      ORDER BY position DESC LIMIT 1
    ) AS latest
    ORDER BY position`.execute(db.q)
  return {
    memberships: rows.flatMap(({ membership, pdu: _, ...place }) =>
      membership === null ? [] : { ...place, membership },
    ),
    visibilities: rows.flatMap(({ pdu, membership: _, ...place }) =>
      pdu === null ? [] : { ...place, pdu },
    ),
    ends: rows.filter(({ membership, pdu }) => membership === null && pdu === null),
  }
}
