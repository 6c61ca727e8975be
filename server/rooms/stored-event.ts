/** From rows back to what they stand for. */
import type { EventRow, RoomRow } from '../../db/schema.ts'
import type { Pdu } from '../matrix/event.ts'
import { type RoomVersion, roomVersions } from '../matrix/room-versions.ts'

/** The PDU of a stored event. Our own database is trusted. */
export function parsePdu(row: Pick<EventRow, 'pdu'>): Pdu {
  return JSON.parse(row.pdu) as Pdu
}

/** The rules by which a stored room lives. */
export function versionOf(room: Pick<RoomRow, 'version'>): RoomVersion {
  const version = roomVersions.get(room.version)
  if (!version) throw new Error(`a stored room has the unknown version ${room.version}`)
  return version
}
