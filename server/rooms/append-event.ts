/**
 * The way an event enters a room. There is no other.
 *
 * In one transaction that holds the room's row: read the state that the event depends on, build
 * the PDU, let the rules decide, hash, sign, store, update the state, and cancel the delayed
 * events that a new state event overtakes. A room that is only here never forks, so its last event
 * is the one `prev_event` and its current state is the state before the next; with federation,
 * this file is what would change.
 */
import { selectUser } from '../../db/accounts.ts'
import { cancelWithoutTimeout } from '../../db/delayed-event-groups.ts'
import { cancelByStateUpdate } from '../../db/delayed-events.ts'
import { insertEvent, redactEvent, selectEvent } from '../../db/events.ts'
import { replaceState, selectGuestsIn, selectStateByKeys } from '../../db/room-state.ts'
import { type LockedRoom, updateRoom } from '../../db/rooms.ts'
import type { EventRow } from '../../db/schema.ts'
import type { Tx } from '../../db/transaction.ts'
import type { Context } from '../context.ts'
import { isJsonObject, type JsonObject } from '../lib/json.ts'
import { authEventKeys } from '../matrix/auth-events.ts'
import { isAllowed } from '../matrix/auth-rules.ts'
import { forbidden, guestAccessForbidden } from '../matrix/errors.ts'
import type { AuthEvent, Pdu, StateLookup } from '../matrix/event.ts'
import { isEventId } from '../matrix/ids.ts'
import { mayRedact } from '../matrix/power-levels.ts'
import { redact } from '../matrix/redact.ts'
import type { RoomVersion } from '../matrix/room-versions.ts'
import { roomTopic, userTopic } from '../stream/notifier.ts'
import { buildEvent, type EventDraft } from './build-event.ts'
import { parsePdu, versionOf } from './stored-event.ts'
import { notInRoom } from './visibility.ts'

/**
 * Append an event to a room.
 *
 * @returns the stored event
 * @throws 403 M_FORBIDDEN if the room's rules refuse it · 400 M_BAD_JSON or 413 M_TOO_LARGE if no
 *   room of its version may hold it
 */
export async function appendEvent(
  ctx: Context,
  tx: Tx,
  room: LockedRoom,
  given: EventDraft,
): Promise<EventRow> {
  const draft = withOurVoucher(given)
  const version = versionOf(room)
  const authEvent = authEventOf(draft, room, version)
  const citedKeys = authEventKeys(authEvent, version)
  const known = await selectStateByKeys(tx, room.room_id, [...citedKeys, ['m.room.create', '']])
  const state = lookupIn(known)
  assertNotAnOutsider(draft, room, state)

  const { pdu, eventId, referenceHash } = buildEvent(ctx, room, draft, {
    version,
    citedEvents: known.filter(row =>
      citedKeys.some(([type, stateKey]) => row.type === type && row.state_key === stateKey),
    ),
    now: ctx.clock.now(),
  })
  const verdict = isAllowed(authEvent, state, version, {
    isFirstAfterCreate: room.last_depth === 1,
  })
  if (!verdict.allowed) throw forbidden(verdict.reason)
  await assertNoUnwelcomeGuest(tx, draft, room)

  const position = ctx.positions.take(tx, topicsOf(draft, room))
  const row: EventRow = {
    event_id: eventId,
    room_id: room.room_id,
    position,
    type: draft.type,
    state_key: draft.stateKey ?? null,
    sender: draft.sender,
    origin_server_ts: pdu.origin_server_ts,
    pdu: JSON.stringify(pdu),
    reference_hash: referenceHash,
    contains_url: typeof draft.content.url === 'string',
    ...relationOf(draft.content),
    redacted_by: null,
    device_id: draft.deviceId ?? null,
    transaction_id: draft.transactionId ?? null,
    delay_id: draft.delayId ?? null,
  }
  await insertEvent(tx, row)
  room.last_event_id = eventId
  room.last_event_hash = referenceHash
  room.last_depth = pdu.depth

  if (draft.stateKey !== undefined) await updateState(ctx, tx, room, row, draft)
  let changed: { type: string; state_key: string | null } | undefined = row
  if (draft.type === 'm.room.redaction') {
    changed = await applyRedaction(tx, row, pdu, state, version)
  }
  if (changed?.type === 'm.room.guest_access' && changed.state_key === '') {
    await sendGuestsAway(ctx, tx, room)
  }
  await updateRoom(tx, room)
  return row
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
function assertNotAnOutsider(draft: EventDraft, room: LockedRoom, state: StateLookup): void {
  if (draft.type === 'm.room.member' && draft.stateKey === draft.sender) return
  if (draft.type === 'm.room.create' && room.last_depth === 0) return
  const { membership } = state('m.room.member', draft.sender)?.content ?? {}
  if (membership !== 'join') throw notInRoom(room.room_id)
}

/** The event as the authorisation rules see it. */
function authEventOf(draft: EventDraft, room: LockedRoom, version: RoomVersion): AuthEvent {
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

function lookupIn(rows: readonly EventRow[]): StateLookup {
  const byKey = new Map<string, AuthEvent>()
  for (const row of rows) {
    byKey.set(`${row.type}\0${row.state_key}`, { ...parsePdu(row), event_id: row.event_id })
  }
  return (type, stateKey) => byKey.get(`${type}\0${stateKey}`)
}

/** Who is to look again: the room, and whoever's membership changes. */
function topicsOf(draft: EventDraft, room: LockedRoom): string[] {
  const topics = [roomTopic(room.room_id)]
  if (draft.type === 'm.room.member' && draft.stateKey) topics.push(userTopic(draft.stateKey))
  return topics
}

function relationOf(content: JsonObject): Pick<EventRow, 'relates_to' | 'rel_type'> {
  const relation = content['m.relates_to']
  if (!isJsonObject(relation)) return { relates_to: null, rel_type: null }
  const { event_id: relatesTo, rel_type: relType } = relation
  const isShortText = typeof relType === 'string' && relType.length <= 255
  return {
    relates_to: typeof relatesTo === 'string' && isEventId(relatesTo) ? relatesTo : null,
    rel_type: isShortText && !relType.includes('\0') ? relType : null,
  }
}

async function updateState(
  ctx: Context,
  tx: Tx,
  room: LockedRoom,
  row: EventRow,
  draft: EventDraft,
): Promise<void> {
  const stateKey = draft.stateKey ?? ''
  const isMember = draft.type === 'm.room.member'
  const membership = isMember ? String(draft.content.membership) : null
  const replaced = await replaceState(tx, {
    room_id: room.room_id,
    type: draft.type,
    state_key: stateKey,
    position: row.position,
    event_id: row.event_id,
    sender: draft.sender,
    membership,
  })
  if (isMember) {
    const count = (kind: string) =>
      (membership === kind ? 1 : 0) - (replaced?.membership === kind ? 1 : 0)
    room.joined_members += count('join')
    room.invited_members += count('invite')
  }
  const now = ctx.clock.now()
  const cancelled = await cancelByStateUpdate(tx, {
    roomId: room.room_id,
    type: draft.type,
    stateKey,
    sender: draft.sender,
    now,
    error: JSON.stringify({
      errcode: 'M_CANCELLED_BY_STATE_UPDATE',
      error: 'A newer state event of another user took its place',
    }),
    exceptDelayId: row.delay_id,
    replacedEventId: replaced?.event_id,
  })
  for (const delayedEvent of cancelled) {
    if (delayedEvent.group_id !== null) await cancelWithoutTimeout(tx, delayedEvent, now)
  }
}

/**
 * Empty the event that a redaction names. A redaction of something that this room does not have
 * is kept, and does nothing.
 *
 * @returns the event that was emptied
 * @throws 403 M_FORBIDDEN if it is somebody else's event and the sender is below the redact level
 * Spec: room version 3 "Handling redactions", room version 11 "Redactions"
 */
async function applyRedaction(
  tx: Tx,
  redaction: EventRow,
  pdu: Pdu,
  state: StateLookup,
  version: RoomVersion,
): Promise<EventRow | undefined> {
  const redacts = version.updatedRedactionRules ? pdu.content.redacts : pdu.redacts
  if (typeof redacts !== 'string' || !isEventId(redacts)) return undefined
  const original = await selectEvent(tx, redacts)
  if (!original || original.room_id !== redaction.room_id) return undefined
  const create = state('m.room.create', '')
  if (!create) throw new Error('a room without a create event')
  const isPermitted = mayRedact({
    redactor: redaction.sender,
    originalSender: original.sender,
    create,
    powerLevels: state('m.room.power_levels', ''),
    version,
  })
  if (!isPermitted) throw forbidden(`${redaction.sender} may not redact events of others here`)
  if (original.redacted_by !== null) return undefined
  await redactEvent(tx, original.event_id, {
    pdu: JSON.stringify(redact(parsePdu(original), version)),
    redactedBy: redaction.event_id,
  })
  return original
}

async function welcomesGuests(tx: Tx, roomId: string): Promise<boolean> {
  const [row] = await selectStateByKeys(tx, roomId, [['m.room.guest_access', '']])
  return row !== undefined && parsePdu(row).content.guest_access === 'can_join'
}

/**
 * Guests are a matter of their own server: the rules of the room know nothing of them.
 *
 * @throws 403 M_GUEST_ACCESS_FORBIDDEN a guest would join a room that does not let guests in
 * Spec: "Guest Access", "Server behaviour"
 */
async function assertNoUnwelcomeGuest(tx: Tx, draft: EventDraft, room: LockedRoom): Promise<void> {
  const isJoin = draft.type === 'm.room.member' && draft.content.membership === 'join'
  if (!isJoin || !(await selectUser(tx, draft.sender))?.is_guest) return
  if (await welcomesGuests(tx, room.room_id)) return
  throw guestAccessForbidden('This room does not let guests in')
}

/** Guest access has changed: where guests are not welcome any more, they leave. */
async function sendGuestsAway(ctx: Context, tx: Tx, room: LockedRoom): Promise<void> {
  if (await welcomesGuests(tx, room.room_id)) return
  for (const guest of await selectGuestsIn(tx, room.room_id)) {
    await appendEvent(ctx, tx, room, {
      type: 'm.room.member',
      stateKey: guest,
      sender: guest,
      content: { membership: 'leave' },
    })
  }
}
