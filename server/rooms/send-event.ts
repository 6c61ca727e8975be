/** Sending: message events, state events and redactions, by somebody who is in the room. */

import { selectEvent } from '../../db/events.ts'
import { selectStateByKeys } from '../../db/room-state.ts'
import { type HeldRoom, type LockedRoom, lockRoom } from '../../db/rooms.ts'
import type { EventRow } from '../../db/schema.ts'
import { presumingTransaction, type Tx } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import { canonicalEventJson } from '../matrix/canonical-json.ts'
import { MatrixError, notFound } from '../matrix/errors.ts'
import { powerLevelOf, requiredLevel } from '../matrix/power-levels.ts'
import type { Requester } from '../requester.ts'
import { holdOwnProfile } from './account-in-use.ts'
import { appendEvent, appendEvents } from './append-event.ts'
import type { EventDraft } from './build-event.ts'
import type { Context } from './context.ts'
import { followEvent } from './follow-upgrade.ts'
import { vouchedFor } from './restricted-join.ts'
import { assertState } from './state-content.ts'
import { contentOf, versionOf } from './stored-event.ts'
import { notInRoom } from './visibility.ts'

/**
 * Hold a room for appending.
 *
 * @throws 403 M_FORBIDDEN if there is none: to somebody who is not in it, the two look the same
 */
export async function lockKnownRoom(tx: Tx, roomId: string): Promise<LockedRoom> {
  const room = await lockRoom(tx, roomId)
  if (!room) throw notInRoom(roomId)
  return room
}

/** The id of the event that a redaction empties; its content names it, whatever the version. */
export function redactsOf(type: string, content: JsonObject): string | undefined {
  return type === 'm.room.redaction' && typeof content.redacts === 'string'
    ? content.redacts
    : undefined
}

/** A message event to be sent. */
export interface Message {
  roomId: string
  type: string
  content: JsonObject
  transactionId: string | undefined
  /** Unix ms; undefined: now. */
  originServerTs?: number | undefined
  /** MSC4354: from 0 to an hour. Undefined: it is not sticky. */
  stickyDurationMs?: number | undefined
}

/**
 * Send a message event.
 *
 * @throws 403 M_FORBIDDEN · 400 M_BAD_JSON · 413 M_TOO_LARGE
 * Spec: PUT /rooms/{roomId}/send/{eventType}/{txnId}
 */
export async function sendMessage(
  ctx: Context,
  tx: Tx,
  requester: Requester,
  message: Message,
): Promise<EventRow> {
  const room = await lockKnownRoom(tx, message.roomId)
  return appendEvent(ctx, tx, room, draftOf({ ...message, requester }))
}

/**
 * Send message events, in this order.
 *
 * @returns for each what the request is answered, or its refusal as {@link sendMessage} throws it
 */
export async function sendMessages(
  ctx: Context,
  tx: Tx,
  messages: readonly (Message & { requester: Requester })[],
): Promise<({ event_id: string } | MatrixError)[]> {
  const rooms = await ctx.roomHeads.hold(
    tx,
    messages.map(({ roomId }) => roomId),
  )
  const entries = messages.map(message => {
    const room = rooms.get(message.roomId)
    return room && { room, draft: draftOf(message) }
  })
  const outcomes = await appendEvents(
    ctx,
    tx,
    entries.filter(entry => entry !== undefined),
  )
  return messages.map(({ roomId }, i) => {
    const outcome = entries[i] ? outcomes.shift() : notInRoom(roomId)
    if (!outcome) throw new Error('an event was neither stored nor refused')
    return outcome instanceof MatrixError ? outcome : { event_id: outcome.event_id }
  })
}

function draftOf({ requester, ...message }: Message & { requester: Requester }): EventDraft {
  return {
    type: message.type,
    sender: requester.userId,
    content: message.content,
    redacts: redactsOf(message.type, message.content),
    deviceId: requester.deviceId,
    transactionId: message.transactionId,
    originServerTs: message.originServerTs,
    stickyDurationMs: message.stickyDurationMs,
  }
}

/**
 * Empty an event.
 *
 * @throws 404 M_NOT_FOUND if the room has no such event · 403 M_FORBIDDEN
 * Spec: PUT /rooms/{roomId}/redact/{eventId}/{txnId}
 */
export async function redactEvent(
  ctx: Context,
  tx: Tx,
  requester: Requester,
  redaction: { roomId: string; eventId: string; content: JsonObject; transactionId: string },
): Promise<EventRow> {
  const room = await lockKnownRoom(tx, redaction.roomId)
  const event = await appendEvent(ctx, tx, room, {
    type: 'm.room.redaction',
    sender: requester.userId,
    content: redaction.content,
    redacts: redaction.eventId,
    deviceId: requester.deviceId,
    transactionId: redaction.transactionId,
  })
  const original = await selectEvent(tx, redaction.eventId)
  if (original?.room_id !== redaction.roomId) throw notFound('The room has no such event')
  return event
}

/** A state event to be sent. */
export interface StateDraft {
  roomId: string
  type: string
  stateKey: string
  content: JsonObject
  /** Unix ms; undefined: now. */
  originServerTs?: number | undefined
  /** MSC4354: from 0 to an hour. Undefined: it is not sticky. */
  stickyDurationMs?: number | undefined
}

/**
 * Set a piece of state. Setting what the same user has set already, to the letter, does nothing
 * and gives the event that is there, as long as they may still set it.
 *
 * @throws 403 M_FORBIDDEN · 400 M_BAD_JSON, M_INVALID_PARAM, M_BAD_ALIAS · 413 M_TOO_LARGE
 * Spec: PUT /rooms/{roomId}/state/{eventType}/{stateKey}
 */
export async function sendState(
  ctx: Context,
  requester: Requester,
  draft: StateDraft,
): Promise<EventRow> {
  const isOwnMembership = draft.type === 'm.room.member' && draft.stateKey === requester.userId
  const sent = await presumingTransaction(ctx.db, async tx => {
    if (isOwnMembership) await holdOwnProfile(tx, requester.userId)
    const room = (await ctx.roomHeads.hold(tx, [draft.roomId])).get(draft.roomId)
    if (!room) throw notInRoom(draft.roomId)
    await assertMaySetState(ctx, tx, room, { sender: requester.userId, type: draft.type })
    // One that is to be sticky is sent again, so that it is sticky for longer; a create event is
    // refused, even if it would repeat the one there is.
    const isNew = draft.stickyDurationMs !== undefined || draft.type === 'm.room.create'
    const same = isNew ? undefined : await findSame(ctx, tx, room, requester.userId, draft)
    return same ?? appendState(ctx, tx, room, requester, draft)
  })
  await followEvent(ctx, sent)
  return sent
}

/** As {@link sendState}, inside the caller's transaction, and always with an event of its own. */
export async function sendNewState(
  ctx: Context,
  tx: Tx,
  requester: Requester,
  draft: StateDraft,
): Promise<EventRow> {
  const room = await lockKnownRoom(tx, draft.roomId)
  await assertMaySetState(ctx, tx, room, { sender: requester.userId, type: draft.type })
  return appendState(ctx, tx, room, requester, draft)
}

/**
 * By a membership one may come in; all else is for those who are in, and who is not is told no more.
 *
 * @throws 403 M_FORBIDDEN, before anything is asked of the content
 */
export async function assertMaySetState(
  ctx: Context,
  tx: Tx,
  room: HeldRoom,
  { sender, type }: { sender: string; type: string },
): Promise<void> {
  if (type === 'm.room.member') return
  const state = await ctx.roomStates.lookUp(tx, room, [['m.room.member', sender]])
  const { membership } = state('m.room.member', sender)?.content ?? {}
  if (membership !== 'join') throw notInRoom(room.room_id)
}

async function appendState(
  ctx: Context,
  tx: Tx,
  room: HeldRoom,
  requester: Requester,
  draft: StateDraft,
): Promise<EventRow> {
  await assertState(tx, room, requester.userId, draft)
  const event = await vouchedFor(ctx, tx, room, {
    type: draft.type,
    stateKey: draft.stateKey,
    sender: requester.userId,
    content: draft.content,
    deviceId: requester.deviceId,
    originServerTs: draft.originServerTs,
    stickyDurationMs: draft.stickyDurationMs,
  })
  return appendEvent(ctx, tx, room, event)
}

/** The event that the draft would only repeat, if its sender may still send it. */
async function findSame(
  ctx: Context,
  tx: Tx,
  room: HeldRoom,
  sender: string,
  draft: StateDraft,
): Promise<EventRow | undefined> {
  const [current] = await selectStateByKeys(tx, draft.roomId, [[draft.type, draft.stateKey]])
  if (current?.sender !== sender || current.redacted_by !== null) return undefined
  const version = versionOf(room)
  // Whether one may overrule the owner is for the rules to say.
  if (version.ownedState && !draft.stateKey.startsWith(sender) && draft.stateKey.startsWith('@')) {
    return undefined
  }
  const [before, after] = [contentOf(current), draft.content]
  if (canonicalEventJson(before, version) !== canonicalEventJson(after, version)) return undefined

  const state = await ctx.roomStates.lookUp(tx, room, [['m.room.member', sender]])
  const [create, member] = [state('m.room.create', ''), state('m.room.member', sender)]
  if (!create || member?.content.membership !== 'join') return undefined
  // Memberships have rules of their own, and no level: in the room, their own says nothing new.
  if (draft.type === 'm.room.member') return draft.stateKey === sender ? current : undefined
  const powerLevels = state('m.room.power_levels', '')
  const required = requiredLevel(
    { type: draft.type, state_key: draft.stateKey },
    powerLevels,
    version,
  )
  return powerLevelOf(sender, create, powerLevels, version) >= required ? current : undefined
}
