/** MSC4140's table: what is scheduled, and what moves or cancels it. */
import { type Selectable, sql } from 'kysely'
import { unawaited } from './engine/connection.ts'
import type { DelayedEventTable } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

export type DelayedEventRow = Selectable<DelayedEventTable>

/** Whose, and of which group: null for most, which are of none. */
export type GroupMember = Pick<DelayedEventRow, 'user_id' | 'group_id'>

/** Spelt out, and not a parameter: several indexes are of these alone, which a kept plan has to know. */
export const scheduled = sql.lit('scheduled' as const)

/** What those who finalise one are told of it. */
export const finalisedColumns = ['user_id', 'group_id', 'dialect', 'status', 'cause'] as const

export type FinalisedRow = Pick<DelayedEventRow, (typeof finalisedColumns)[number]>

/** When, and where on the stream, delayed events are finalised. */
export interface Moment {
  /** Unix ms. */
  now: number
  position: number
}

/** What all that is finalised is given. */
export const endedAt = ({ now, position }: Moment) => ({
  finalised_ts: now,
  finalised_position: position,
})

/** What is said of one when it is scheduled. */
const scheduledColumns = [
  'delay_id',
  'user_id',
  'device_id',
  'room_id',
  'type',
  'state_key',
  'content',
  'origin_server_ts',
  'sticky_duration_ms',
  'delay_ms',
  'since_ts',
  'send_at',
  'wake_at',
  'cancel_policy',
  'dialect',
  'is_rate_limited',
  'group_id',
  'member',
  'follows_event_id',
  'transaction_id',
] as const

export type ScheduledRow = Pick<DelayedEventRow, (typeof scheduledColumns)[number]>

/** In this order. As JSON: one parameter and one statement, however many. */
export async function insertScheduled(
  tx: Tx,
  delayedEvents: readonly ScheduledRow[],
): Promise<void> {
  if (delayedEvents.length === 0) return
  const columns = sql.join(scheduledColumns.map(column => sql.ref(column)))
  await sql`
    INSERT INTO delayed_events (${columns}, status)
    SELECT ${columns}, 'scheduled'
    FROM json_populate_recordset(
      NULL::delayed_events, ${JSON.stringify(delayedEvents)}::text::json
    ) ${unawaited}`.execute(tx.q)
}

/** How many each of these users has scheduled; who has none is left out. */
export async function countScheduledOf(
  db: Db,
  userIds: readonly string[],
): Promise<Map<string, number>> {
  const rows = await db.q
    .selectFrom('delayed_events')
    .select(({ fn }) => ['user_id', fn.countAll<number>().as('count')])
    .where('user_id', '=', sql<string>`ANY(${[...new Set(userIds)]}::text[])`)
    .where('status', '=', scheduled)
    .groupBy('user_id')
    .execute()
  return new Map(rows.map(({ user_id, count }) => [user_id, count]))
}

/** Of all users. */
export async function countAllScheduled(db: Db): Promise<number> {
  const row = await db.q
    .selectFrom('delayed_events')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('status', '=', scheduled)
    .executeTakeFirstOrThrow()
  return row.count
}

/** When the first of this user's scheduled events is due; undefined if there is none. */
export async function selectNextSendAt(db: Db, userId: string): Promise<number | undefined> {
  const row = await db.q
    .selectFrom('delayed_events')
    .select(({ fn }) => fn.min('send_at').as('send_at'))
    .where('user_id', '=', userId)
    .where('status', '=', scheduled)
    .executeTakeFirst()
  return row?.send_at ?? undefined
}

export async function selectDelayedEvent(
  db: Db,
  delayId: string,
): Promise<DelayedEventRow | undefined> {
  return db.q
    .selectFrom('delayed_events')
    .selectAll()
    .where('delay_id', '=', delayId)
    .executeTakeFirst()
}

/** What is needed to act on one. */
export const managedColumns = [
  'delay_id',
  'user_id',
  'room_id',
  'group_id',
  'delay_ms',
  'dialect',
  'status',
] as const

export type ManagedRow = Pick<DelayedEventRow, (typeof managedColumns)[number]>

/** Of each id the delayed event; undefined: there is none. */
export async function selectManaged(
  db: Db,
  delayIds: readonly string[],
): Promise<(ManagedRow | undefined)[]> {
  const rows = await db.q
    .selectFrom('delayed_events')
    .select(managedColumns)
    .where('delay_id', '=', sql<string>`ANY(${[...new Set(delayIds)]}::text[])`)
    .execute()
  const byId = new Map(rows.map(row => [row.delay_id, row]))
  return delayIds.map(delayId => byId.get(delayId))
}

/** @returns undefined if it is not scheduled (any more) */
export async function cancelScheduled(
  tx: Tx,
  delayId: string,
  moment: Moment,
): Promise<FinalisedRow | undefined> {
  return tx.q
    .updateTable('delayed_events')
    .set({ status: 'cancelled', cause: 'action', ...endedAt(moment) })
    .where('delay_id', '=', delayId)
    .where('status', '=', scheduled)
    .returning(finalisedColumns)
    .executeTakeFirst()
}

/** For which rooms this user has scheduled something. */
export async function selectRoomsOfScheduled(db: Db, userId: string): Promise<string[]> {
  const rows = await db.q
    .selectFrom('delayed_events')
    .select('room_id')
    .distinct()
    .where('user_id', '=', userId)
    .where('status', '=', scheduled)
    .execute()
  return rows.map(row => row.room_id)
}

/**
 * Cancel everything that this user has scheduled; in that order, as `claimDue` takes them. Who holds the
 * rooms waits for nobody who takes several in another order, such as a group.
 */
export async function cancelAllScheduled(
  tx: Tx,
  userId: string,
  moment: Moment,
): Promise<FinalisedRow[]> {
  return tx.q
    .updateTable('delayed_events')
    .set({ status: 'cancelled', cause: 'action', ...endedAt(moment) })
    .where('delay_id', 'in', rows =>
      rows
        .selectFrom('delayed_events as scheduled')
        .select('scheduled.delay_id')
        .where('scheduled.user_id', '=', userId)
        .where('scheduled.status', '=', scheduled)
        .orderBy('scheduled.seq')
        .forUpdate(),
    )
    .returning(finalisedColumns)
    .execute()
}

/** The room is no more: nothing that was scheduled for it is sent. @param error as JSON */
export async function failAllInRoom(
  tx: Tx,
  roomId: string,
  moment: Moment,
  error: string,
): Promise<FinalisedRow[]> {
  return tx.q
    .updateTable('delayed_events')
    .set({ status: 'failed', cause: 'error', error, ...endedAt(moment) })
    .where('room_id', '=', roomId)
    .where('status', '=', scheduled)
    .returning(finalisedColumns)
    .execute()
}

/**
 * Give scheduled events their full delay again. In no index, the time when they are due may move
 * without any being touched; `wake_at` stays before it, unless the clock was set back.
 *
 * @returns those that could be had at once, once the transaction has committed: one that somebody
 *   is changing at this moment is left out, so that two who hold several never wait for each other
 */
export async function restartAtOnce(
  tx: Tx,
  delayIds: readonly string[],
  now: number,
): Promise<readonly { delay_id: string; send_at: number }[]> {
  const { rows } = await sql<{ delay_id: string; send_at: number }>`
    WITH free AS MATERIALIZED (
      SELECT one.delay_id FROM unnest(${[...new Set(delayIds)]}::text[]) AS wanted (delay_id)
      CROSS JOIN LATERAL (
        SELECT delay_id FROM delayed_events
        WHERE delay_id = wanted.delay_id AND status = 'scheduled' AND delay_ms IS NOT NULL
        LIMIT 1 FOR UPDATE SKIP LOCKED
      ) AS one
    )
    UPDATE delayed_events SET
      since_ts = ${now}, send_at = delay_ms + ${now}, wake_at = LEAST(wake_at, delay_ms + ${now})
    WHERE delay_id = ANY(ARRAY(SELECT delay_id FROM free))
    RETURNING delay_id, send_at ${unawaited}`.execute(tx.q)
  return rows
}

/** As {@link restartAtOnce}, one, however long it takes. @returns undefined if it is finalised */
export async function restartScheduled(
  tx: Tx,
  delayId: string,
  now: number,
): Promise<number | undefined> {
  const row = await tx.q
    .updateTable('delayed_events')
    .set(eb => ({
      since_ts: now,
      send_at: eb('delay_ms', '+', now),
      wake_at: sql<number>`LEAST(wake_at, delay_ms + ${now})`,
    }))
    .where('delay_id', '=', delayId)
    .where('status', '=', scheduled)
    .where('delay_ms', 'is not', null)
    .returning('send_at')
    .executeTakeFirst()
  return row?.send_at ?? undefined
}

/** A piece of state that has become another. */
export interface StateUpdate {
  room_id: string
  type: string
  state_key: string
  sender: string
  /** The delayed event that itself became this state event. */
  delay_id: string | null
  replaced_event_id: string | null
}

/**
 * Newer state overtakes what was scheduled for the same key, as each one's policy says, and what
 * was to follow the event that it replaces.
 *
 * @param error what is recorded as the reason: `{ errcode, error }` as JSON
 * @returns those that were cancelled
 */
export async function cancelByStateUpdates(
  tx: Tx,
  updates: readonly StateUpdate[],
  moment: Moment,
  error: string,
): Promise<FinalisedRow[]> {
  const { rows } = await sql<FinalisedRow>`
    WITH updates AS MATERIALIZED (
      SELECT * FROM json_to_recordset(${JSON.stringify(updates)}::text::json) AS updates (
        room_id text, type text, state_key text, sender text, delay_id text, replaced_event_id text
      )
    ), overtaken AS (
      SELECT delayed.delay_id FROM updates CROSS JOIN LATERAL (
        SELECT * FROM delayed_events
        WHERE room_id = updates.room_id AND type = updates.type AND state_key = updates.state_key
          AND status = 'scheduled' AND state_key IS NOT NULL AND cancel_policy <> 'none'
        OFFSET 0
      ) AS delayed
      WHERE cancel_policy = 'any' OR (cancel_policy = 'other_user' AND user_id <> updates.sender)
      UNION
      SELECT delayed.delay_id FROM updates CROSS JOIN LATERAL (
        SELECT delay_id FROM delayed_events
        WHERE follows_event_id = replaced_event_id AND status = 'scheduled'
        OFFSET 0
      ) AS delayed
    )
    UPDATE delayed_events
    SET status = 'cancelled', cause = 'state_update', error = ${error},
      finalised_ts = ${moment.now}, finalised_position = ${moment.position}
    -- (In no index is "status || ''": by it all that is scheduled would be found.)
    WHERE delay_id = ANY(ARRAY(SELECT delay_id FROM overtaken)) AND status || '' = 'scheduled'
      AND delay_id NOT IN (SELECT delay_id FROM updates WHERE delay_id IS NOT NULL)
    RETURNING user_id, group_id, dialect, status, cause`.execute(tx.q)
  return rows
}
