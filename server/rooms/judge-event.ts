/**
 * May this event enter its room? Judged in memory, by the state before it: what is refused has
 * written nothing. What is accepted is built, and becomes part of the state before the next.
 */
import type { HeldRoom } from '../../db/rooms.ts'
import type { EventRow } from '../../db/schema.ts'
import type { Tx } from '../../db/transaction.ts'
import { authEventKeys, type StateKey } from '../matrix/auth-events.ts'
import { isAllowed } from '../matrix/auth-rules.ts'
import { bumpEventTypes } from '../matrix/bump-event-types.ts'
import { forbidden, guestAccessForbidden } from '../matrix/errors.ts'
import type { AuthEvent, StateLookup } from '../matrix/event.ts'
import { isEventId } from '../matrix/ids.ts'
import { mayRedact } from '../matrix/power-levels.ts'
import { redact } from '../matrix/redact.ts'
import type { RoomVersion } from '../matrix/room-versions.ts'
import {
  allRoomsTopic,
  eventsTopic,
  roomTopic,
  stateTopic,
  stickyTopic,
  userTopic,
} from '../stream/notifier.ts'
import { buildEvent, type EventDraft, stickyUntil } from './build-event.ts'
import type { Context } from './context.ts'
import { assertNoLifetime } from './lifetime.ts'
import { assertRelation, type KnownRelations, relationOf } from './relate-event.ts'
import type { StateBefore, StatePlace } from './state-before.ts'
import { parsePdu, versionOf } from './stored-event.ts'
import { notInRoom } from './visibility.ts'

/** An event that is to enter a room. */
export interface Entry {
  room: HeldRoom
  draft: EventDraft
}

/** An entry that is being judged, with all that can be said of it before. */
export interface Candidate extends Entry {
  version: RoomVersion
  authEvent: AuthEvent
  citedKeys: readonly StateKey[]
  /** Nothing has happened there, and nothing is known of it anywhere. */
  isInNewRoom: boolean
  /** The id of the event that it empties. */
  redacts: string | undefined
}

/** What has been decided, and is to be stored. */
export interface Accepted extends Candidate {
  row: EventRow
  /** The event that it empties, and what is left of that. */
  redacted: { original: EventRow; pdu: string } | undefined
}

export const isJoin = ({ type, content }: EventDraft): boolean =>
  type === 'm.room.member' && content.membership === 'join'

/** Somebody comes in, or is on the way. */
export const isEntry = ({ type, content }: EventDraft): boolean =>
  type === 'm.room.member' && ['join', 'invite', 'knock'].includes(String(content.membership))

export function candidateOf({ room, draft: given }: Entry): Candidate {
  const draft = withOurVoucher(given)
  const version = versionOf(room)
  const authEvent = authEventOf(draft, room, version)
  const citedKeys = authEventKeys(authEvent, version)
  const isInNewRoom = room.last_depth === 0
  const redacts = redactedBy(draft, version)
  return { room, draft, version, authEvent, citedKeys, isInNewRoom, redacts }
}

/** The state that is needed to judge an event. */
export function keysToKnow({ room, draft, citedKeys }: Candidate): StatePlace[] {
  const keys: StateKey[] = [...citedKeys, ['m.room.create', '']]
  if (isJoin(draft)) keys.push(['m.room.guest_access', ''])
  return keys.map(([type, stateKey]) => ({ room, type, stateKey }))
}

/** @throws MatrixError the refusal */
export function judge(
  ctx: Context,
  tx: Tx,
  candidate: Candidate,
  states: StateBefore,
  known: {
    originals: ReadonlyMap<string, EventRow>
    guests: ReadonlySet<string>
    blocked: ReadonlySet<string>
    relations: KnownRelations
  },
): Accepted {
  const { room, draft, version, authEvent, citedKeys } = candidate
  assertNoLifetime(draft.content)
  const state = states.lookupIn(room.room_id)
  assertNotAnOutsider(draft, room, state)
  const original = originalOf(candidate, known.originals)
  ctx.restrictions.assertMaySend(draft, original)
  const now = ctx.clock.now()
  const { pdu, json, eventId, referenceHash } = buildEvent(ctx, room, draft, {
    version,
    citedEvents: states.referencesTo(room.room_id, citedKeys),
    now,
  })
  const verdict = isAllowed(authEvent, state, version, {
    isFirstAfterCreate: room.last_depth === 1,
  })
  if (!verdict.allowed) throw forbidden(verdict.reason)
  if (isEntry(draft) && known.blocked.has(room.room_id)) {
    throw forbidden('This room has been blocked on this server')
  }
  if (isJoin(draft) && known.guests.has(draft.sender)) {
    const { guest_access } = state('m.room.guest_access', '')?.content ?? {}
    if (guest_access !== 'can_join') {
      throw guestAccessForbidden('This room does not let guests in')
    }
  }
  assertRelation(known.relations, room.room_id, draft)
  const redacted = redactionOf(candidate, state, original)

  const emptiesState = typeof redacted?.original.state_key === 'string'
  const changesState = draft.stateKey !== undefined || emptiesState

  const row: EventRow = {
    event_id: eventId,
    room_id: room.room_id,
    position: ctx.positions.take(tx, topicsOf(draft, room, changesState)),
    type: draft.type,
    state_key: draft.stateKey ?? null,
    sender: draft.sender,
    origin_server_ts: pdu.origin_server_ts,
    reference_hash: referenceHash,
    contains_url: typeof draft.content.url === 'string',
    ...relationOf(draft.content),
    redacted_by: null,
    device_id: draft.deviceId ?? null,
    transaction_id: draft.transactionId ?? null,
    delay_id: draft.delayId ?? null,
    sticky_until_ts: stickyUntil(draft, pdu, now),
    pdu: json,
  }
  room.last_event_id = eventId
  room.last_event_hash = referenceHash
  room.last_depth = pdu.depth
  countMember(room, draft, state)
  // What is emptied stands under another key, and is to be read again.
  if (draft.stateKey !== undefined && !emptiesState) states.set(row, pdu)
  if (changesState) room.state_version = row.position
  if (bumpEventTypes.has(draft.type)) room.bump_position = row.position
  return { ...candidate, row, redacted }
}

/** @param state before the event */
function countMember(room: HeldRoom, draft: EventDraft, state: StateLookup): void {
  if (draft.type !== 'm.room.member' || draft.stateKey === undefined) return
  const before = state('m.room.member', draft.stateKey)?.content.membership
  const after = draft.content.membership
  const change = (kind: string) => (after === kind ? 1 : 0) - (before === kind ? 1 : 0)
  room.joined_members += change('join')
  room.invited_members += change('invite')
}

/**
 * Whoever is named in `join_authorised_via_users_server` is vouched for by their server's signature,
 * which is ours: so we name them, after looking, and never a client, whichever way it sends.
 */
function withOurVoucher(draft: EventDraft): EventDraft {
  if (draft.type !== 'm.room.member') return draft
  const { join_authorised_via_users_server: _, ...content } = draft.content
  if (draft.joinAuthorisedVia !== undefined) {
    content.join_authorised_via_users_server = draft.joinAuthorisedVia
  }
  return { ...draft, content }
}

/**
 * Who is not in a room is told no more of it, by the refusal, than if there were none. A membership
 * is how one comes in, and the create event has nobody before it: those are for the rules alone.
 */
function assertNotAnOutsider(draft: EventDraft, room: HeldRoom, state: StateLookup): void {
  if (draft.type === 'm.room.member' && draft.stateKey === draft.sender) return
  if (draft.type === 'm.room.create' && room.last_depth === 0) return
  const { membership } = state('m.room.member', draft.sender)?.content ?? {}
  if (membership !== 'join') throw notInRoom(room.room_id)
}

/** The event as the authorisation rules see it. */
function authEventOf(draft: EventDraft, room: HeldRoom, version: RoomVersion): AuthEvent {
  const hasRoomId = !(version.roomIdIsCreateHash && draft.type === 'm.room.create')
  return {
    type: draft.type,
    sender: draft.sender,
    content: draft.content,
    ...(draft.stateKey === undefined ? {} : { state_key: draft.stateKey }),
    ...(hasRoomId ? { room_id: room.room_id } : {}),
    ...(draft.redacts === undefined ? {} : { redacts: draft.redacts }),
  }
}

/** Who is to look again: the room, who follows all rooms, and whoever's membership changes. */
function topicsOf(draft: EventDraft, room: HeldRoom, changesState: boolean): string[] {
  const topics = [roomTopic(room.room_id), eventsTopic(room.room_id), allRoomsTopic]
  if (changesState) topics.push(stateTopic(room.room_id))
  if (draft.stickyDurationMs !== undefined) topics.push(stickyTopic(room.room_id))
  if (draft.type === 'm.room.member' && draft.stateKey) topics.push(userTopic(draft.stateKey))
  return topics
}

function redactedBy(draft: EventDraft, version: RoomVersion): string | undefined {
  if (draft.type !== 'm.room.redaction') return undefined
  const inContent = version.updatedRedactionRules ? draft.content.redacts : undefined
  const redacts = draft.redacts ?? inContent
  return typeof redacts === 'string' && isEventId(redacts) ? redacts : undefined
}

/** The event that a redaction names, if this room has it. */
function originalOf(
  { room, redacts }: Candidate,
  originals: ReadonlyMap<string, EventRow>,
): EventRow | undefined {
  const original = redacts === undefined ? undefined : originals.get(redacts)
  return original?.room_id === room.room_id ? original : undefined
}

/**
 * What a redaction leaves of the event that it names. A redaction of something that this room does
 * not have is kept, and does nothing.
 *
 * @throws 403 M_FORBIDDEN if it is somebody else's event and the sender is below the redact level
 * Spec: room version 3 "Handling redactions", room version 11 "Redactions"
 */
function redactionOf(
  { draft, version }: Candidate,
  state: StateLookup,
  original: EventRow | undefined,
): Accepted['redacted'] {
  if (!original) return undefined
  const create = state('m.room.create', '')
  if (!create) throw new Error('a room without a create event')
  const isPermitted = mayRedact({
    redactor: draft.sender,
    originalSender: original.sender,
    create,
    powerLevels: state('m.room.power_levels', ''),
    version,
  })
  if (!isPermitted) throw forbidden(`${draft.sender} may not redact events of others here`)
  if (original.redacted_by !== null) return undefined
  return { original, pdu: JSON.stringify(redact(parsePdu(original), version)) }
}
