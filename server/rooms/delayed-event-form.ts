/**
 * MSC4140: how a delayed event is shown. Under the names of every generation at once; clients take what they know.
 */
import type { DelayedEventRow } from '../../db/delayed-events.ts'
import type { JsonObject } from '../lib/json.ts'

/** Through which door a record is looked at; `strict` is the stable one with `strict_shapes`. */
export type View = 'unstable' | 'stable' | 'strict'

/**
 * What they call the delay, and since when it runs: the drafts of 2024-07 to 2026-05, and the newest
 * text. One that waits for an action has no delay.
 */
const namesOf = {
  drafts: ({ delay_ms, since_ts }: DelayedEventRow): JsonObject => ({
    ...(delay_ms === null ? {} : { delay: delay_ms }),
    running_since: since_ts,
  }),
  newest: ({ delay_ms, since_ts }: DelayedEventRow): JsonObject => ({
    ...(delay_ms === null ? {} : { delay_ms }),
    delayed_since_ts: since_ts,
  }),
  every: (row: DelayedEventRow): JsonObject => ({
    ...namesOf.drafts(row),
    ...namesOf.newest(row),
    // The name of 2026-06.
    scheduled_at: row.since_ts,
  }),
}

/** `content` is exactly what was submitted. */
function itemOf(row: DelayedEventRow, names: keyof typeof namesOf): JsonObject {
  return {
    delay_id: row.delay_id,
    room_id: row.room_id,
    type: row.type,
    ...(row.state_key === null ? {} : { state_key: row.state_key }),
    content: JSON.parse(row.content) as JsonObject,
    ...namesOf[names](row),
  }
}

/** As the drafts of 2024-07 to 2025-10 list what is scheduled. */
export function scheduledItemOf(row: DelayedEventRow, view: View): JsonObject {
  return itemOf(row, view === 'strict' ? 'drafts' : 'every')
}

const reasonOf = {
  delay: 'delay',
  action: 'action',
  group: 'action',
  error: 'error',
  state_update: 'error',
} as const

/** As the drafts of 2024-10 to 2025-10 list what is over: what came of it, and why. */
export function finalisedItemOf(row: DelayedEventRow, view: View): JsonObject {
  return {
    delayed_event: scheduledItemOf(row, view),
    outcome: row.status === 'sent' ? 'send' : 'cancel',
    reason: row.cause && reasonOf[row.cause],
    ...errorIn(row, view),
    ...eventIdIn(row),
    origin_server_ts: row.finalised_ts,
  }
}

/**
 * As `/sync` and application services are told of what is over: under the name that the drafts of 2024-10 to 2025-07
 * gave it, and under that of MSC4309. Neither says what its stable name would stand for.
 *
 * @returns nothing at all if nothing is
 */
export function finalisedMembers(
  rows: readonly DelayedEventRow[],
  { strict_shapes: isStrict }: { strict_shapes: boolean },
): JsonObject {
  if (rows.length === 0) return {}
  const finalised = rows.map(row => finalisedItemOf(row, 'unstable'))
  return {
    ...(isStrict ? {} : { 'org.matrix.msc4140.finalised_events': finalised }),
    'org.matrix.msc4140.finalised_delayed_events': finalised,
  }
}

/** As the draft of 2024-10-04, which lasted for a day, lists what is over. */
export function terminatedItemOf(row: DelayedEventRow, view: View): JsonObject {
  const isError = row.cause === 'error' || row.cause === 'state_update'
  const sentBy = row.cause === 'delay' ? 'timeout' : 'send'
  return {
    delayed_event: scheduledItemOf(row, view),
    termination_reason: isError ? 'error' : row.status === 'sent' ? sentBy : 'canceled',
    ...errorIn(row, view),
    ...eventIdIn(row),
    origin_server_ts: row.finalised_ts,
  }
}

/** As it is looked up by its id: what came of it is flat (2026-05) and in `finalised` (2026-09). */
export function lookUpItemOf(row: DelayedEventRow, view: View): JsonObject {
  const item = itemOf(row, view === 'strict' ? 'newest' : 'every')
  if (row.status === 'scheduled') return item
  const finalised = {
    finalised_ts: row.finalised_ts,
    ...eventIdIn(row),
    // With an error it would read as failed; one that a state update overtook was cancelled.
    ...(row.status === 'failed' ? errorIn(row, view) : {}),
  }
  return { ...item, ...(view === 'strict' ? {} : finalised), finalised }
}

const eventIdIn = (row: DelayedEventRow): JsonObject =>
  row.event_id === null ? {} : { event_id: row.event_id }

/** Under unstable paths, an errcode of ours stands behind M_UNKNOWN. */
function errorIn(row: DelayedEventRow, view: View): JsonObject {
  if (row.error === null) return {}
  const error = JSON.parse(row.error) as JsonObject
  if (view !== 'unstable' || row.cause !== 'state_update') return { error }
  const { errcode = null, ...rest } = error
  return { error: { errcode: 'M_UNKNOWN', 'org.matrix.msc4140.errcode': errcode, ...rest } }
}
