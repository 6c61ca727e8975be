/** Events as if they had been redacted, for some of those who read them. */
import { selectRooms } from '../../db/rooms.ts'
import type { EventRow } from '../../db/schema.ts'
import type { Db } from '../../db/transaction.ts'
import { redact } from '../matrix/redact.ts'
import { parsePdu, versionOf } from './stored-event.ts'

/**
 * The same rows, with redacted copies of those that are concealed. Of a deleted room only departures are
 * left, and by which version it lived is forgotten: they stay as they are.
 */
export async function withRedacted(
  db: Db,
  rows: readonly EventRow[],
  isConcealed: (row: EventRow) => boolean,
): Promise<readonly EventRow[]> {
  const roomIds = rows.flatMap(row => (isConcealed(row) ? row.room_id : []))
  if (roomIds.length === 0) return rows
  const rooms = await selectRooms(db, [...new Set(roomIds)])
  const versions = new Map(rooms.map(room => [room.room_id, versionOf(room)]))
  return rows.map(row => {
    const version = versions.get(row.room_id)
    if (!version || !isConcealed(row)) return row
    return { ...row, pdu: JSON.stringify(redact(parsePdu(row), version)) }
  })
}
