/** From rows back to what they stand for. */
import type { EventRow, RoomRow } from '../../db/schema.ts'
import type { Ground } from '../ground.ts'
import type { JsonObject } from '../lib/json.ts'
import type { Pdu, SignedPdu } from '../matrix/event.ts'
import { type RoomVersion, roomVersions } from '../matrix/room-versions.ts'
import { signEvent } from '../matrix/signing.ts'

/** The PDU of a stored event. Our own database is trusted. */
export function parsePdu(row: Pick<EventRow, 'pdu'>): Pdu {
  return JSON.parse(row.pdu) as Pdu
}

/**
 * The content of a stored event, without reading what stands around it: most of a page is ids of other
 * events and hashes. `buildEvent` puts strings alone before the content, in which no quotation mark is
 * bare, and the time right after it; where a redaction has brought another order, all is read.
 */
export function contentOf(row: Pick<EventRow, 'pdu'>): JsonObject {
  const { pdu } = row
  const begin = pdu.indexOf(',"content":{') + ',"content":'.length
  const end = pdu.lastIndexOf('},"origin_server_ts":') + 1
  return end > begin ? JSON.parse(pdu.slice(begin, end)) : parsePdu(row).content
}

/**
 * The PDU of a stored event as other servers are to see it. What is stored bears no signature: it
 * follows from the rest, is the same whenever it is made, and covers only what a redaction leaves.
 */
export function signedPdu(
  { config, signingKey }: Ground,
  row: Pick<EventRow, 'pdu'>,
  version: RoomVersion,
): SignedPdu {
  return signEvent(parsePdu(row), version, config.server_name, signingKey)
}

/** The rules by which a stored room lives. */
export function versionOf(room: Pick<RoomRow, 'version'>): RoomVersion {
  const version = roomVersions.get(room.version)
  if (!version) throw new Error(`a stored room has the unknown version ${room.version}`)
  return version
}
