/** From what somebody wants to say to a finished PDU: placed, hashed, named and signed. */
import type { LockedRoom } from '../../db/rooms.ts'
import type { Context } from '../context.ts'
import type { JsonObject } from '../lib/json.ts'
import { randomLetters } from '../lib/random.ts'
import type { EventReference, Pdu } from '../matrix/event.ts'
import { assertEventFormat } from '../matrix/event-format.ts'
import { contentHash, eventIdOf, referenceHash, referenceJson } from '../matrix/event-id.ts'
import type { RoomVersion } from '../matrix/room-versions.ts'
import { signEvent } from '../matrix/signing.ts'

/** What a request may say of an event besides what is in it. */
export interface SendOptions {
  /** Unix ms, from an application service; undefined: the time when it is sent. */
  originServerTs?: number | undefined
  /** MSC4354: from 0 to an hour, counted from when it is sent. Undefined: it is not sticky. */
  stickyDurationMs?: number | undefined
}

/** What somebody wants to say. */
export interface EventDraft extends SendOptions {
  type: string
  sender: string
  content: JsonObject
  /** Undefined: a message event. */
  stateKey?: string | undefined
  /** What an m.room.redaction empties. Put where the room's version wants it. */
  redacts?: string | undefined
  deviceId?: string | undefined
  transactionId?: string | undefined
  /** The delayed event that becomes this event. */
  delayId?: string | undefined
  /** On a join to a restricted room: the member in whose name this server lets the user in. */
  joinAuthorisedVia?: string | undefined
}

export interface BuiltEvent {
  pdu: Pdu
  /** The same, as it is stored. */
  json: string
  eventId: string
  /** Only for room versions 1 and 2, which cite an event together with it. */
  referenceHash: string | null
}

/**
 * @param room where it goes, with its present last event
 * @param given the events to cite as `auth_events`
 * @throws 400 M_BAD_JSON · 413 M_TOO_LARGE
 */
export function buildEvent(
  ctx: Context,
  room: Pick<LockedRoom, 'room_id' | 'last_event_id' | 'last_event_hash' | 'last_depth'>,
  draft: EventDraft,
  given: { version: RoomVersion; citedEvents: readonly EventReference[]; now: number },
): BuiltEvent {
  const { version, citedEvents, now } = given
  const serverName = ctx.config.server_name
  const isOpaque = version.eventIdFormat === 'opaque'
  const hasRoomId = !(version.roomIdIsCreateHash && draft.type === 'm.room.create')

  const body = {
    type: draft.type,
    ...(hasRoomId ? { room_id: room.room_id } : {}),
    ...(isOpaque ? { event_id: `$${randomLetters(18)}:${serverName}` } : {}),
    sender: draft.sender,
    ...(draft.stateKey === undefined ? {} : { state_key: draft.stateKey }),
    ...(draft.redacts === undefined || version.updatedRedactionRules
      ? {}
      : { redacts: draft.redacts }),
    content:
      draft.redacts !== undefined && version.updatedRedactionRules
        ? { ...draft.content, redacts: draft.redacts }
        : draft.content,
    origin_server_ts: draft.originServerTs ?? now,
    ...(draft.stickyDurationMs === undefined
      ? {}
      : { msc4354_sticky: { duration_ms: draft.stickyDurationMs } }),
    depth: room.last_depth + 1,
    prev_events: room.last_event_id ? [referenceTo(room.last_event_id, room.last_event_hash)] : [],
    auth_events: [...citedEvents],
  }
  const hashed = { ...body, hashes: { sha256: contentHash(body) } }
  // Each form is written once: what is signed is what is hashed, what is measured is what is stored.
  const signed = referenceJson(hashed, version)
  const pdu: Pdu = signEvent(hashed, version, serverName, ctx.signingKey, signed)
  const json = JSON.stringify(pdu)
  assertEventFormat(pdu, version, json)
  return {
    pdu,
    json,
    eventId: eventIdOf(pdu, version, signed),
    referenceHash: isOpaque ? referenceHash(pdu, version, signed) : null,
  }
}

/** MSC4354: an `origin_server_ts` in the future makes nothing sticky for longer. */
export function stickyUntil(
  { stickyDurationMs }: EventDraft,
  pdu: Pdu,
  now: number,
): number | null {
  if (stickyDurationMs === undefined) return null
  return Math.min(now, pdu.origin_server_ts) + stickyDurationMs
}

/** How later events cite one. */
export function referenceTo(eventId: string, hash: string | null): EventReference {
  return hash === null ? eventId : [eventId, { sha256: hash }]
}
