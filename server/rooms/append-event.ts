/**
 * The way events enter rooms. There is no other.
 *
 * In one transaction that holds the rooms' rows: read the state that the events depend on, judge and
 * build each (`judge-event.ts`); then store them all, update the state, and cancel the delayed
 * events that new state overtakes. A refused event has written nothing, and those beside it go on;
 * and the number of queries does not grow with the number of events.
 *
 * A room that is only here never forks, so its last event is the one `prev_event` and its current
 * state is the state before the next; with federation, this file is what would change.
 */
import { selectGuestsAmong } from '../../db/accounts.ts'
import { insertEvents } from '../../db/append.ts'
import { cancelExpiryOf, cancelWithoutTimeout } from '../../db/delayed-event-groups.ts'
import { cancelByStateUpdates, type StateUpdate } from '../../db/delayed-events.ts'
import { redactEvent, selectEvents } from '../../db/events.ts'
import { selectGuestsIn } from '../../db/memberships.ts'
import { selectBlocked } from '../../db/room-deletions.ts'
import { replaceStates, selectStateByKeys } from '../../db/room-state.ts'
import type { HeldRoom } from '../../db/rooms.ts'
import type { EventRow } from '../../db/schema.ts'
import type { Tx } from '../../db/transaction.ts'
import { MatrixError } from '../matrix/errors.ts'
import type { EventDraft } from './build-event.ts'
import type { Context } from './context.ts'
import { finalising } from './finalising.ts'
import {
  type Accepted,
  type Candidate,
  candidateOf,
  type Entry,
  isEntry,
  isJoin,
  judge,
  keysToKnow,
} from './judge-event.ts'
import { lifetimeKey } from './lifetime.ts'
import { forgetRelation, recordRelations, selectKnownRelations } from './relate-event.ts'
import { forgetText, textsOf } from './searchable-text.ts'
import { contentOf } from './stored-event.ts'

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
  room: HeldRoom,
  draft: EventDraft,
): Promise<EventRow> {
  const [event] = await appendAll(ctx, tx, room, [draft])
  if (!event) throw new Error('an event was neither stored nor refused')
  return event
}

/**
 * Append all of these events to a room, in this order.
 *
 * @throws as {@link appendEvent}, of the first that is refused
 */
export async function appendAll(
  ctx: Context,
  tx: Tx,
  room: HeldRoom,
  drafts: readonly EventDraft[],
): Promise<EventRow[]> {
  const outcomes = await appendEvents(
    ctx,
    tx,
    drafts.map(draft => ({ room, draft })),
  )
  return outcomes.map(outcome => {
    if (outcome instanceof MatrixError) throw outcome
    return outcome
  })
}

/**
 * Append events in this order, each judged by the state that those before it leave. Entries of one
 * room hold the same `HeldRoom`.
 *
 * @returns for each the stored event, or the refusal, as {@link appendEvent} throws it
 */
export async function appendEvents(
  ctx: Context,
  tx: Tx,
  entries: readonly Entry[],
): Promise<(EventRow | MatrixError)[]> {
  const outcomes: (EventRow | MatrixError)[] = []
  let from = 0
  while (from < entries.length) {
    const next = entries.findIndex((entry, i) => i > from && standsAlone(entry))
    const isAlone = entries.slice(from, from + 1).some(standsAlone)
    const to = isAlone ? from + 1 : next === -1 ? entries.length : next
    outcomes.push(...(await appendTogether(ctx, tx, entries.slice(from, to))))
    from = to
  }
  return outcomes
}

/**
 * A redaction may name any event before it, and changes what stands under other keys than its own;
 * a change of guest access may send guests away. So what is before is stored first, and what is
 * after is judged later. In a new room there is nobody to send away.
 */
const standsAlone = ({ room, draft }: Entry): boolean =>
  draft.type === 'm.room.redaction' || (draft.type === 'm.room.guest_access' && room.last_depth > 0)

async function appendTogether(
  ctx: Context,
  tx: Tx,
  entries: readonly Entry[],
): Promise<(EventRow | MatrixError)[]> {
  const candidates = entries.map(candidateOf)
  const state = await ctx.roomStates.before(tx, candidates.flatMap(keysToKnow))
  const originals = await originalsOf(tx, candidates)
  const guests = await guestsJoining(tx, candidates)
  const blocked = await blockedAmong(tx, candidates)
  const relations = await selectKnownRelations(
    tx,
    candidates.map(({ draft }) => draft),
  )

  const judged = candidates.map(candidate => {
    try {
      return judge(ctx, tx, candidate, state, { originals, guests, blocked, relations })
    } catch (error) {
      if (error instanceof MatrixError) return error
      throw error
    }
  })
  const accepted = judged.flatMap(one => (one instanceof MatrixError ? [] : [one]))
  await store(ctx, tx, accepted)
  const mayHaveGuests = accepted.filter(({ isInNewRoom }) => !isInNewRoom)
  for (const { room } of mayHaveGuests.filter(changesGuestAccess)) {
    await sendGuestsAway(ctx, tx, room)
  }
  return judged.map(one => (one instanceof MatrixError ? one : one.row))
}

/** A few queries, however many events; redactions alone are stored one by one. */
async function store(ctx: Context, tx: Tx, accepted: readonly Accepted[]): Promise<void> {
  if (accepted.length === 0) return
  const events = accepted.map(({ row }) => row)
  const rooms = [...new Set(accepted.map(({ room }) => room))]
  await insertEvents(tx, { events, texts: textsOf(accepted), rooms })
  ctx.latestEvents.note(tx, events)
  ctx.roomHeads.note(tx, rooms)
  await recordRelations(tx, events)
  const stateEvents = accepted.filter(({ row }) => row.state_key !== null)
  if (stateEvents.length > 0) await updateState(ctx, tx, stateEvents)
  for (const { row, redacted } of accepted) {
    if (!redacted) continue
    const { original, pdu } = redacted
    await redactEvent(tx, original.event_id, { pdu, redactedBy: row.event_id })
    if (mayExpire(original)) {
      const end = finalising(ctx, tx)
      end.note(await cancelExpiryOf(tx, original.event_id, end))
    }
    ctx.latestEvents.forget(tx, row.room_id)
    await forgetRelation(tx, original)
    await forgetText(tx, original)
  }
}

/** What was in it would be sent once more, as the event that says that it has expired. */
const mayExpire = (original: EventRow): boolean => contentOf(original)[lifetimeKey] === 'running'

/** The rooms that an administrator has blocked: nobody comes in any more. A new one is none. */
async function blockedAmong(tx: Tx, candidates: readonly Candidate[]): Promise<Set<string>> {
  const entered = candidates.filter(({ draft, isInNewRoom }) => isEntry(draft) && !isInNewRoom)
  const rows = await selectBlocked(tx, [...new Set(entered.map(({ room }) => room.room_id))])
  return new Set(rows.map(row => row.room_id))
}

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

async function updateState(ctx: Context, tx: Tx, changes: readonly Accepted[]): Promise<void> {
  const replacedIds = await replaceStates(
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
  for (const { row, draft } of changes) {
    if (row.type !== 'm.room.member' || draft.content.membership === 'join') continue
    // Whoever is not there does not type there, nor when they come back.
    tx.afterCommit(() => ctx.typing.stop(row.room_id, row.state_key ?? ''))
  }
  // In a new room nothing has been scheduled yet.
  const updates = changes.flatMap(({ row, isInNewRoom }, i) =>
    isInNewRoom
      ? []
      : {
          room_id: row.room_id,
          type: row.type,
          state_key: row.state_key ?? '',
          sender: row.sender,
          delay_id: row.delay_id,
          replaced_event_id: replacedIds[i] ?? null,
        },
  )
  if (updates.length > 0) await cancelOvertaken(ctx, tx, updates)
}

async function cancelOvertaken(
  ctx: Context,
  tx: Tx,
  updates: readonly StateUpdate[],
): Promise<void> {
  const end = finalising(ctx, tx)
  const error = JSON.stringify({
    errcode: 'M_CANCELLED_BY_STATE_UPDATE',
    error: 'A newer state event took its place',
  })
  const cancelled = await cancelByStateUpdates(tx, updates, end, error)
  end.note(cancelled)
  for (const delayedEvent of cancelled) {
    if (delayedEvent.group_id === null) continue
    end.note(await cancelWithoutTimeout(tx, delayedEvent, end))
  }
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
async function sendGuestsAway(ctx: Context, tx: Tx, room: HeldRoom): Promise<void> {
  const [current] = await selectStateByKeys(tx, room.room_id, [['m.room.guest_access', '']])
  if (current && contentOf(current).guest_access === 'can_join') return
  const leaves = (await selectGuestsIn(tx, room.room_id)).map(guest => ({
    type: 'm.room.member',
    stateKey: guest,
    sender: guest,
    content: { membership: 'leave' },
  }))
  await appendAll(ctx, tx, room, leaves)
}
