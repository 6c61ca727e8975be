/**
 * From stored events to what a client sees: the client form, and an `unsigned` made for the viewer.
 *
 * Spec: Client-Server API "ClientEvent", "UnsignedData"; MSC4115 `unsigned.membership`; MSC4140
 * `unsigned.delay_id`.
 */
import { type Replacement, selectEvents, selectReplaced } from '../../db/events.ts'
import type { EventRow } from '../../db/schema.ts'
import type { Db } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import type { ClientEvent } from '../matrix/event.ts'
import { isInRanges } from '../matrix/readable-ranges.ts'
import { aggregationsOf } from './aggregations.ts'
import { isErasedFor, withoutErased } from './erasures.ts'
import { madeOf } from './latest-events.ts'
import { contentOf, parsePdu } from './stored-event.ts'
import type { Viewer } from './viewer.ts'
import type { Sight } from './visibility.ts'

export interface Presentation {
  /** Whatever relates to one of the rows, and may be read, is one of them. */
  rowsHoldChildren?: boolean
  /** As `/sync` has it; nor have those a `room_id` that are told with them. */
  withoutRoomId?: boolean
}

/**
 * The client form of events, in the order given. What an event says of another one is left out
 * where the viewer may not read that other; of what its sender has erased they see redacted copies.
 *
 * @param stored of one room or of several
 * @param sights what the viewer sees of these rooms
 */
export async function presentEvents(
  db: Db,
  stored: readonly EventRow[],
  viewer: Viewer,
  sights: readonly Sight[],
  { rowsHoldChildren = false, withoutRoomId = false }: Presentation = {},
): Promise<ClientEvent[]> {
  const rows = await withoutErased(db, stored, viewer, sights)
  const [replaced, redactingRows, aggregations] = await Promise.all([
    replacedBy(db, rows),
    redactionsOf(db, rows, viewer, sights),
    rowsHoldChildren && !areRelated(rows)
      ? new Map<string, JsonObject>()
      : aggregationsOf(db, rows, viewer, sights, children =>
          presentEvents(db, children, viewer, sights, { withoutRoomId }),
        ),
  ])
  const redactions = new Map(redactingRows.map(row => [row.event_id, row]))
  const sightOf = new Map(sights.map(sight => [sight.roomId, sight]))
  return rows.map(row => {
    const sight = sightOf.get(row.room_id)
    if (!sight) throw new Error('an event was presented to somebody who had not looked')
    const unsigned: JsonObject = {
      age: viewer.now - row.origin_server_ts,
      membership: membershipAt(sight, row.position),
    }
    const isOwn = row.sender === viewer.userId
    if (isOwn && row.transaction_id !== null && row.device_id === viewer.deviceId) {
      unsigned.transaction_id = row.transaction_id
    }
    if (isOwn) Object.assign(unsigned, delayIdIn(row))
    if (row.sticky_until_ts !== null && row.sticky_until_ts > viewer.now) {
      const leftMs = row.sticky_until_ts - viewer.now
      unsigned.sticky_duration_remaining_ms = leftMs
      unsigned.msc4354_sticky_duration_ttl_ms = leftMs
    }
    const before = replaced.get(row.event_id)
    // Their own membership they have been told, be it by an invite.
    const isOwnMembership = row.type === 'm.room.member' && row.state_key === viewer.userId
    const isErased =
      before && viewer.erased.size > 0 && isErasedFor(viewer, { ...row, ...before }, sight)
    if (before && !isErased && (isOwnMembership || isInRanges(before.position, sight.ranges))) {
      unsigned.replaces_state = before.replaces_state
      unsigned.prev_content = contentOf(before)
      unsigned.prev_sender = before.sender
    }
    const redaction = redactions.get(row.redacted_by ?? '')
    if (redaction) unsigned.redacted_because = redactedBecause(redaction, viewer, sight)
    const aggregated = aggregations.get(row.event_id)
    if (aggregated) unsigned['m.relations'] = aggregated
    return withUnsigned(formWithoutRoomId(row), withoutRoomId ? undefined : row.room_id, unsigned)
  })
}

/** Member by member: to spread objects of several shapes takes ten times as long. */
function withUnsigned(
  event: ClientEvent,
  roomId: string | undefined,
  unsigned: JsonObject,
): ClientEvent {
  const { event_id, type, sender, content, origin_server_ts } = event
  const shown: ClientEvent = { event_id, type, sender, content, origin_server_ts, unsigned }
  if (roomId !== undefined) shown.room_id = roomId
  if (event.state_key !== undefined) shown.state_key = event.state_key
  if (event.redacts !== undefined) shown.redacts = event.redacts
  if (event.sticky !== undefined) shown.sticky = event.sticky
  if (event.msc4354_sticky !== undefined) shown.msc4354_sticky = event.msc4354_sticky
  return shown
}

/** MSC4140, under both names: for the sender alone. */
export function delayIdIn({ delay_id }: EventRow): JsonObject {
  return delay_id === null ? {} : { delay_id, 'org.matrix.msc4140.delay_id': delay_id }
}

/** Whether one of them relates to another. */
function areRelated(rows: readonly EventRow[]): boolean {
  const ids = new Set(rows.map(row => row.event_id))
  return rows.some(row => row.relates_to !== null && ids.has(row.relates_to))
}

/** MSC4115: the viewer's membership just after the event at this position. */
function membershipAt(sight: Sight, position: number): string {
  return sight.memberships.findLast(change => change.position <= position)?.value ?? 'leave'
}

/** Clients tell by this that the event is redacted; why it was, the viewer may not know. */
function redactedBecause(redaction: EventRow, viewer: Viewer, sight: Sight): JsonObject {
  const isOwnDelayed = redaction.sender === viewer.userId && redaction.delay_id !== null
  const event = {
    ...clientForm(redaction),
    ...(isOwnDelayed ? { unsigned: delayIdIn(redaction) } : {}),
  }
  if (isInRanges(redaction.position, sight.ranges)) return event
  const { redacts } = event
  return { ...event, content: redacts === undefined ? {} : { redacts } }
}

async function redactionsOf(
  db: Db,
  rows: readonly EventRow[],
  viewer: Viewer,
  sights: readonly Sight[],
): Promise<readonly EventRow[]> {
  const redactionIds = rows.flatMap(row => row.redacted_by ?? [])
  return withoutErased(db, await selectEvents(db, redactionIds), viewer, sights)
}

/** For each state event that replaced another: that other. */
async function replacedBy(
  db: Db,
  rows: readonly EventRow[],
): Promise<ReadonlyMap<string, Replacement>> {
  const states = rows.filter(row => row.state_key !== null)
  const unknown = states.filter(row => madeOf(row)?.replaced === undefined)
  const found = new Map((await selectReplaced(db, unknown)).map(row => [row.event_id, row]))
  for (const row of states) {
    const made = madeOf(row)
    if (!made) continue
    made.replaced ??= found.get(row.event_id) ?? null
    if (made.replaced !== null) found.set(row.event_id, made.replaced)
  }
  return found
}

/** The event without anything that depends on who looks. */
export function clientForm(row: EventRow): ClientEvent {
  return { ...formWithoutRoomId(row), room_id: row.room_id }
}

/** {@link clientForm} without `room_id`. Others may be given the same: nobody may change it. */
function formWithoutRoomId(row: EventRow): ClientEvent {
  const made = madeOf(row)
  if (made?.event) return made.event
  const event: ClientEvent = {
    event_id: row.event_id,
    type: row.type,
    sender: row.sender,
    content: contentOf(row),
    origin_server_ts: row.origin_server_ts,
  }
  if (row.state_key !== null) event.state_key = row.state_key
  const { msc4354_sticky } = row.sticky_until_ts === null ? {} : parsePdu(row)
  if (msc4354_sticky) {
    event.sticky = msc4354_sticky
    event.msc4354_sticky = msc4354_sticky
  }
  if (row.type === 'm.room.redaction') showRedacts(event, parsePdu(row).redacts)
  if (made) made.event = event
  return event
}

/** v11 moved `redacts` into the content; clients of either age find it in both places. */
function showRedacts(event: ClientEvent, topLevel: string | undefined): void {
  const redacts = topLevel ?? event.content.redacts
  if (typeof redacts !== 'string') return
  event.redacts = redacts
  event.content = { ...event.content, redacts }
}
