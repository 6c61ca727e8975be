/**
 * Limits that hold for every event, whatever it says.
 *
 * Spec: Client-Server API "Size limits"; "Event format" of each room version
 */
import { assertCanonicalEvent } from './canonical-json.ts'
import { badJson, tooLarge } from './errors.ts'
import type { Pdu } from './event.ts'
import type { RoomVersion } from './room-versions.ts'

export const maxEventBytes = 65_536
const maxKeyBytes = 255
/** MSC3757: of a key that begins with its owner, who has 255 of them, too. */
const maxOwnedKeyBytes = 511
const maxPrevEvents = 20
const maxAuthEvents = 10

const limitedKeys = ['sender', 'room_id', 'state_key', 'type', 'event_id'] as const

/**
 * Refuse an event that no room of its version may hold.
 *
 * @param bytes of the finished event, with hashes and signatures: they count
 * @throws 413 M_TOO_LARGE more than 65,536 bytes, or 255 in `sender`, `room_id`, `state_key`,
 *   `type` or `event_id`
 * @throws 400 M_BAD_JSON not canonical JSON (from v6 on), a NUL in one of those keys, too many
 *   references, or a `room_id` that is missing, or present where v12 forbids it
 */
export function assertEventFormat(pdu: Pdu, version: RoomVersion, bytes: number): void {
  for (const key of limitedKeys) {
    const value = pdu[key]
    if (value === undefined) continue
    const isOwned = version.ownedState && key === 'state_key' && value.startsWith('@')
    const most = isOwned ? maxOwnedKeyBytes : maxKeyBytes
    if (Buffer.byteLength(value) > most) throw tooLarge(`${key} is longer than ${most} bytes`)
    if (value.includes('\0')) throw badJson(`${key} contains NUL`)
  }

  // v12: the id of the room is the hash of its create event, which therefore cannot contain it.
  const hasNoRoomId = version.roomIdIsCreateHash && pdu.type === 'm.room.create'
  if (hasNoRoomId && pdu.room_id !== undefined) throw badJson('m.room.create has a room_id')
  if (!hasNoRoomId && pdu.room_id === undefined) throw badJson('room_id is missing')

  if (pdu.prev_events.length > maxPrevEvents) throw badJson('More than 20 prev_events')
  if (pdu.auth_events.length > maxAuthEvents) throw badJson('More than 10 auth_events')

  assertCanonicalEvent(pdu, version)
  if (bytes > maxEventBytes) {
    throw tooLarge(`The event is larger than ${maxEventBytes} bytes`)
  }
}
