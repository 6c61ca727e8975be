/** From what somebody wants to say to a PDU: placed, hashed and named. */
import type { RoomRow } from '../../db/schema.ts'
import type { Ground } from '../ground.ts'
import type { JsonObject } from '../lib/json.ts'
import { randomLetters } from '../lib/random.ts'
import { authEventKeys } from '../matrix/auth-events.ts'
import type { EventReference, Pdu } from '../matrix/event.ts'
import { assertEventFormat } from '../matrix/event-format.ts'
import { contentHash, eventIdOf, referenceHash, referenceJson } from '../matrix/event-id.ts'
import type { RoomVersion } from '../matrix/room-versions.ts'

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
  /** Not the sender wants it, but the server shows what is so already. */
  evenIfSuspended?: true
}

export interface BuiltEvent {
  pdu: Pdu
  /** It, as it is stored. */
  json: string
  eventId: string
  /** Only for room versions 1 and 2, which cite an event together with it. */
  referenceHash: string | null
}

type Place = Pick<RoomRow, 'room_id' | 'last_event_id' | 'last_event_hash'>

/**
 * @param room where it goes, with its present last event
 * @param given the events to cite as `auth_events`
 * @throws 400 M_BAD_JSON · 413 M_TOO_LARGE
 */
export function buildEvent(
  ctx: Ground,
  room: Place & Pick<RoomRow, 'last_depth'>,
  draft: EventDraft,
  given: { version: RoomVersion; citedEvents: readonly EventReference[]; now: number },
): BuiltEvent {
  const { version } = given
  const body = bodyOf(ctx, room, draft, { ...given, depth: room.last_depth + 1 })
  const pdu: Pdu = { ...body, hashes: { sha256: contentHash(body) } }
  const json = JSON.stringify(pdu)
  assertEventFormat(pdu, version, signedBytes(ctx, json))
  const covered = referenceJson(pdu, version)
  const isOpaque = version.eventIdFormat === 'opaque'
  return {
    pdu,
    json,
    eventId: eventIdOf(pdu, version, covered),
    referenceHash: isOpaque ? referenceHash(pdu, version, covered) : null,
  }
}

/**
 * Refuse what could not be sent. What the server adds is taken at its largest: placed as far on as can
 * be, with an event for all that it may have to cite, and a join with the longest name of who lets it in.
 *
 * @throws 400 M_BAD_JSON · 413 M_TOO_LARGE
 */
export function assertBuildable(
  ctx: Ground,
  room: Place,
  given: EventDraft,
  version: RoomVersion,
): void {
  const draft = withLongestVoucher(given, version)
  const { stateKey: state_key, ...event } = draft
  const cited = authEventKeys(state_key === undefined ? event : { ...event, state_key }, version)
  // All ids of events of a room are of one length.
  const citedEvents = cited.map(() => referenceTo(room.last_event_id ?? '', room.last_event_hash))
  const most = Number.MAX_SAFE_INTEGER
  const pdu: Pdu = {
    ...bodyOf(ctx, room, draft, { version, citedEvents, now: most, depth: most }),
    hashes: { sha256: '-'.repeat(43) },
  }
  assertEventFormat(pdu, version, signedBytes(ctx, JSON.stringify(pdu)))
}

/** Whether the room will be restricted when somebody joins, and who is there then, nobody knows. */
function withLongestVoucher(draft: EventDraft, version: RoomVersion): EventDraft {
  const { type, sender, stateKey, content } = draft
  const isOwnJoin = type === 'm.room.member' && stateKey === sender && content.membership === 'join'
  if (!isOwnJoin || !version.allowsRestrictedJoin) return draft
  const longest = `@${'-'.repeat(254)}`
  return { ...draft, content: { ...content, join_authorised_via_users_server: longest } }
}

function bodyOf(
  ctx: Ground,
  room: Place,
  draft: EventDraft,
  given: {
    version: RoomVersion
    citedEvents: readonly EventReference[]
    now: number
    depth: number
  },
) {
  const { version } = given
  const hasRoomId = !(version.roomIdIsCreateHash && draft.type === 'm.room.create')
  const isOpaque = version.eventIdFormat === 'opaque'
  return {
    type: draft.type,
    ...(hasRoomId ? { room_id: room.room_id } : {}),
    ...(isOpaque ? { event_id: `$${randomLetters(18)}:${ctx.config.server_name}` } : {}),
    sender: draft.sender,
    ...(draft.stateKey === undefined ? {} : { state_key: draft.stateKey }),
    ...withRedacts(draft, version),
    origin_server_ts: draft.originServerTs ?? given.now,
    ...(draft.stickyDurationMs === undefined
      ? {}
      : { msc4354_sticky: { duration_ms: draft.stickyDurationMs } }),
    depth: given.depth,
    prev_events: room.last_event_id ? [referenceTo(room.last_event_id, room.last_event_hash)] : [],
    auth_events: [...given.citedEvents],
  }
}

/** What a redaction empties: beside its content, or from version 11 on in it, and nowhere else. */
function withRedacts({ content: given, redacts }: EventDraft, version: RoomVersion) {
  if (redacts === undefined) return { content: given }
  const { redacts: _, ...content } = given
  return version.updatedRedactionRules ? { content: { ...content, redacts } } : { redacts, content }
}

/** The size of an event with our signature; canonical or not, only the order of members differs. */
function signedBytes({ config, signingKey }: Ground, json: string): number {
  const signatures = { [config.server_name]: { [signingKey.keyId]: '-'.repeat(86) } }
  return Buffer.byteLength(json) + `,"signatures":${JSON.stringify(signatures)}`.length
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
