/**
 * The way events enter rooms. There is no other.
 *
 * In one transaction that holds the rooms' rows: read the state that the events depend on, build
 * each PDU, let the rules decide, hash, sign; then store them all, update the state, and cancel the
 * delayed events that new state overtakes. Judging is done in memory, so a refused event has
 * written nothing, and those beside it go on; and the number of queries does not grow with the
 * number of events.
 *
 * A room that is only here never forks, so its last event is the one `prev_event` and its current
 * state is the state before the next; with federation, this file is what would change.
 */
import { selectGuestsAmong } from '../../db/accounts.ts'
import { cancelWithoutTimeout } from '../../db/delayed-event-groups.ts'
import { cancelByStateUpdates } from '../../db/delayed-events.ts'
import { insertEvents, redactEvent, selectEvents } from '../../db/events.ts'
import {
  replaceStates,
  selectGuestsIn,
  selectStateByKeys,
  selectStateOfRooms,
} from '../../db/room-state.ts'
import { type LockedRoom, updateRooms } from '../../db/rooms.ts'
import type { EventRow } from '../../db/schema.ts'
import type { Tx } from '../../db/transaction.ts'
import type { Context } from '../context.ts'
import { authEventKeys, type StateKey } from '../matrix/auth-events.ts'
import { isAllowed } from '../matrix/auth-rules.ts'
import { forbidden, guestAccessForbidden, MatrixError } from '../matrix/errors.ts'
import type { AuthEvent, StateLookup } from '../matrix/event.ts'
import { isEventId } from '../matrix/ids.ts'
import { mayRedact } from '../matrix/power-levels.ts'
import { redact } from '../matrix/redact.ts'
import type { RoomVersion } from '../matrix/room-versions.ts'
import { allRoomsTopic, roomTopic, userTopic } from '../stream/notifier.ts'
import { buildEvent, type EventDraft, stickyUntil } from './build-event.ts'
import { assertNoLifetime } from './lifetime.ts'
import {
  assertRelation,
  forgetRelation,
  type KnownRelations,
  recordRelations,
  relationOf,
  selectKnownRelations,
} from './relate-event.ts'
import { forgetText, recordTexts } from './searchable-text.ts'
import { StateBefore } from './state-before.ts'
import { parsePdu, versionOf } from './stored-event.ts'
import { notInRoom } from './visibility.ts'

/** An event that is to enter a room. */
export interface Entry {
  room: LockedRoom
  draft: EventDraft
}

/** An entry that is being judged, with all that can be said of it before. */
interface Candidate extends Entry {
  version: RoomVersion
  authEvent: AuthEvent
  citedKeys: readonly StateKey[]
  /** The id of the event that it empties. */
  redacts: string | undefined
}

/** What has been decided and is to be stored. */
interface Accepted extends Entry {
  row: EventRow
  /** The event that it empties, and what is left of that. */
  redacted: { original: EventRow; pdu: string } | undefined
}

/**
 * Append an event to a room.
 *
 * @returns the stored event
 * @throws 403 M_FORBIDDEN if the room's rules refuse it · 400 M_BAD_JSON or 413 M_TOO_LARGE if no
 *   room of its version may hold it · 400 M_INVALID_PARAM if it is to expire by itself
 */
export async function appendEvent(
  ctx: Context,
  tx: Tx,
  room: LockedRoom,
  draft: EventDraft,
): Promise<EventRow> {
  const [outcome] = await appendEvents(ctx, tx, [{ room, draft }])
  if (!outcome || outcome instanceof MatrixError) throw outcome
  return outcome
}

/**
 * Append events in this order, each judged by the state that those before it leave. Entries of one
 * room hold the same `LockedRoom`.
 *
 * @returns for each the stored event, or the refusal, as {@link appendEvent} throws it
 */
export async function appendEvents(
  ctx: Context,
  tx: Tx,
  entries: readonly Entry[],
): Promise<(EventRow | MatrixError)[]> {
  const candidates = entries.map(candidateOf)
  const known = await selectStateOfRooms(tx, candidates.flatMap(keysToKnow))
  const state = new StateBefore(known)
  const originals = await originalsOf(tx, candidates)
  const guests = await guestsJoining(tx, candidates)
  const relations = await selectKnownRelations(
    tx,
    candidates.map(({ draft }) => draft),
  )

  const accepted: Accepted[] = []
  const outcomes = candidates.map(candidate => {
    try {
      const one = judge(ctx, tx, candidate, state, { originals, guests, relations })
      accepted.push(one)
      return one.row
    } catch (error) {
      if (error instanceof MatrixError) return error
      throw error
    }
  })
  await store(ctx, tx, accepted)
  for (const { room } of accepted.filter(changesGuestAccess)) await sendGuestsAway(ctx, tx, room)
  return outcomes
}

function candidateOf({ room, draft: given }: Entry): Candidate {
  const draft = withOurVoucher(given)
  const version = versionOf(room)
  const authEvent = authEventOf(draft, room, version)
  const citedKeys = authEventKeys(authEvent, version)
  return { room, draft, version, authEvent, citedKeys, redacts: redactedBy(draft, version) }
}

/** The state that is needed to judge an event. */
function keysToKnow({ room, draft, citedKeys }: Candidate) {
  const keys: StateKey[] = [...citedKeys, ['m.room.create', '']]
  if (isJoin(draft)) keys.push(['m.room.guest_access', ''])
  return keys.map(([type, stateKey]) => ({ room_id: room.room_id, type, state_key: stateKey }))
}

/** @throws MatrixError the refusal */
function judge(
  ctx: Context,
  tx: Tx,
  candidate: Candidate,
  states: StateBefore,
  known: {
    originals: ReadonlyMap<string, EventRow>
    guests: ReadonlySet<string>
    relations: KnownRelations
  },
): Accepted {
  const { room, draft, version, authEvent, citedKeys } = candidate
  assertNoLifetime(draft.content)
  const state = states.lookupIn(room.room_id)
  assertNotAnOutsider(draft, room, state)
  const now = ctx.clock.now()
  const { pdu, eventId, referenceHash } = buildEvent(ctx, room, draft, {
    version,
    citedEvents: states.rowsUnder(room.room_id, citedKeys),
    now,
  })
  const verdict = isAllowed(authEvent, state, version, {
    isFirstAfterCreate: room.last_depth === 1,
  })
  if (!verdict.allowed) throw forbidden(verdict.reason)
  if (isJoin(draft) && known.guests.has(draft.sender)) {
    const { guest_access } = state('m.room.guest_access', '')?.content ?? {}
    if (guest_access !== 'can_join') {
      throw guestAccessForbidden('This room does not let guests in')
    }
  }
  assertRelation(known.relations, room.room_id, draft)
  const redacted = redactionOf(candidate, state, known.originals)

  const row: EventRow = {
    event_id: eventId,
    room_id: room.room_id,
    position: ctx.positions.take(tx, topicsOf(draft, room)),
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
    sticky_until_ts: stickyUntil(draft, pdu, now),
  }
  room.last_event_id = eventId
  room.last_event_hash = referenceHash
  room.last_depth = pdu.depth
  if (draft.stateKey !== undefined) states.set(row, pdu)
  return { room, draft, row, redacted }
}

/** A few queries, however many events; redactions alone are stored one by one. */
async function store(ctx: Context, tx: Tx, accepted: readonly Accepted[]): Promise<void> {
  if (accepted.length === 0) return
  await insertEvents(
    tx,
    accepted.map(({ row }) => row),
  )
  await recordRelations(
    tx,
    accepted.map(({ row }) => row),
  )
  await recordTexts(
    tx,
    accepted.map(({ row, draft }) => ({ event: row, content: draft.content })),
  )
  const stateEvents = accepted.filter(({ row }) => row.state_key !== null)
  if (stateEvents.length > 0) await updateState(ctx, tx, stateEvents)
  for (const { row, redacted } of accepted) {
    if (!redacted) continue
    const { original, pdu } = redacted
    await redactEvent(tx, original.event_id, { pdu, redactedBy: row.event_id })
    await forgetRelation(tx, original)
    await forgetText(tx, original)
  }
  await updateRooms(tx, [...new Set(accepted.map(({ room }) => room))])
}

const isJoin = ({ type, content }: EventDraft): boolean =>
  type === 'm.room.member' && content.membership === 'join'

/** Guests are a matter of their own server: the rules of the room know nothing of them. */
async function guestsJoining(tx: Tx, candidates: readonly Candidate[]): Promise<Set<string>> {
  const joining = candidates.filter(({ draft }) => isJoin(draft))
  return selectGuestsAmong(
    tx,
    joining.map(({ draft }) => draft.sender),
  )
}

async function originalsOf(
  tx: Tx,
  candidates: readonly Candidate[],
): Promise<Map<string, EventRow>> {
  const ids = candidates.flatMap(({ redacts }) => redacts ?? [])
  return new Map((await selectEvents(tx, ids)).map(row => [row.event_id, row]))
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

/** Who is to look again: the room, who follows all rooms, and whoever's membership changes. */
function topicsOf(draft: EventDraft, room: LockedRoom): string[] {
  const topics = [roomTopic(room.room_id), allRoomsTopic]
  if (draft.type === 'm.room.member' && draft.stateKey) topics.push(userTopic(draft.stateKey))
  return topics
}

async function updateState(ctx: Context, tx: Tx, changes: readonly Accepted[]): Promise<void> {
  const replaced = await replaceStates(
    tx,
    changes.map(({ row, draft }) => ({
      room_id: row.room_id,
      type: row.type,
      state_key: row.state_key ?? '',
      position: row.position,
      event_id: row.event_id,
      sender: row.sender,
      membership: row.type === 'm.room.member' ? String(draft.content.membership) : null,
    })),
  )
  changes.forEach(({ room, row, draft }, i) => {
    if (row.type !== 'm.room.member') return
    const count = (kind: string) =>
      (draft.content.membership === kind ? 1 : 0) - (replaced[i]?.membership === kind ? 1 : 0)
    room.joined_members += count('join')
    room.invited_members += count('invite')
  })
  const now = ctx.clock.now()
  const cancelled = await cancelByStateUpdates(
    tx,
    changes.map(({ row }, i) => ({
      room_id: row.room_id,
      type: row.type,
      state_key: row.state_key ?? '',
      sender: row.sender,
      delay_id: row.delay_id,
      replaced_event_id: replaced[i]?.event_id ?? null,
    })),
    {
      now,
      error: JSON.stringify({
        errcode: 'M_CANCELLED_BY_STATE_UPDATE',
        error: 'A newer state event of another user took its place',
      }),
    },
  )
  ctx.metrics.finalised(tx, cancelled)
  for (const delayedEvent of cancelled) {
    if (delayedEvent.group_id === null) continue
    ctx.metrics.finalised(tx, await cancelWithoutTimeout(tx, delayedEvent, now))
  }
}

function redactedBy(draft: EventDraft, version: RoomVersion): string | undefined {
  if (draft.type !== 'm.room.redaction') return undefined
  const inContent = version.updatedRedactionRules ? draft.content.redacts : undefined
  const redacts = draft.redacts ?? inContent
  return typeof redacts === 'string' && isEventId(redacts) ? redacts : undefined
}

/**
 * What a redaction leaves of the event that it names. A redaction of something that this room does
 * not have is kept, and does nothing.
 *
 * @throws 403 M_FORBIDDEN if it is somebody else's event and the sender is below the redact level
 * Spec: room version 3 "Handling redactions", room version 11 "Redactions"
 */
function redactionOf(
  { room, draft, version, redacts }: Candidate,
  state: StateLookup,
  originals: ReadonlyMap<string, EventRow>,
): Accepted['redacted'] {
  const original = redacts === undefined ? undefined : originals.get(redacts)
  if (!original || original.room_id !== room.room_id) return undefined
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

const changesGuestAccess = ({ row, redacted }: Accepted): boolean =>
  [row, redacted?.original].some(
    event => event?.type === 'm.room.guest_access' && event.state_key === '',
  )

/**
 * Guest access has changed: where guests are not welcome any more, they leave.
 *
 * Spec: "Guest Access", "Server behaviour"
 */
async function sendGuestsAway(ctx: Context, tx: Tx, room: LockedRoom): Promise<void> {
  const [current] = await selectStateByKeys(tx, room.room_id, [['m.room.guest_access', '']])
  if (current && parsePdu(current).content.guest_access === 'can_join') return
  const leaves = (await selectGuestsIn(tx, room.room_id)).map(guest => ({
    room,
    draft: {
      type: 'm.room.member',
      stateKey: guest,
      sender: guest,
      content: { membership: 'leave' },
    },
  }))
  for (const outcome of await appendEvents(ctx, tx, leaves)) {
    if (outcome instanceof MatrixError) throw outcome
  }
}
