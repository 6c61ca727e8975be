/** MSC4140's table: what is due, and that it is sent once or is said to have failed. */
import { type NotNull, sql } from 'kysely'
import {
  type DelayedEventRow,
  endedAt,
  type FinalisedRow,
  finalisedColumns,
  type Moment,
  scheduled,
} from './delayed-events.ts'
import { unawaited } from './engine/connection.ts'
import type { Db, Tx } from './transaction.ts'

/** What has to be known of one that is due before it is claimed. */
export type DueRow = Pick<
  DelayedEventRow,
  'delay_id' | 'room_id' | 'type' | 'state_key' | 'group_id' | 'follows_event_id'
> & { send_at: number }

/** The first `limit` that are due, in the order in which they have to be sent. */
export async function selectDue(
  db: Db,
  now: number,
  limit: number,
  except: readonly string[],
): Promise<DueRow[]> {
  return db.q
    .selectFrom('delayed_events')
    .select(['delay_id', 'room_id', 'type', 'state_key', 'group_id', 'follows_event_id', 'send_at'])
    .where('status', '=', scheduled)
    .where('wake_at', 'is not', null)
    .where('wake_at', '<=', now)
    .where('send_at', '<=', now)
    .$narrowType<{ send_at: NotNull }>()
    .$if(except.length > 0, query => query.where('delay_id', 'not in', except))
    .orderBy('send_at')
    .orderBy('seq')
    .limit(limit)
    .execute()
}

/** Which one the scheduler has to look at next; undefined if nothing is scheduled. */
export async function selectNextWakeUp(
  db: Db,
  except: readonly string[],
): Promise<{ wake_at: number; send_at: number } | undefined> {
  return db.q
    .selectFrom('delayed_events')
    .select(['wake_at', 'send_at'])
    .where('status', '=', scheduled)
    .where('wake_at', 'is not', null)
    .$narrowType<{ wake_at: NotNull; send_at: NotNull }>()
    .$if(except.length > 0, query => query.where('delay_id', 'not in', except))
    .orderBy('wake_at')
    .limit(1)
    .executeTakeFirst()
}

/**
 * Let those that were restarted sleep on: the first `limit` that would wake up to `upTo` (Unix ms,
 * inclusive) and are due later.
 *
 * @returns how many; one that somebody is changing at this moment is left out, so that two who hold
 *   several never wait for each other
 */
export async function letSleep(tx: Tx, upTo: number, limit: number): Promise<number> {
  const { numAffectedRows } = await sql`
    WITH restarted AS MATERIALIZED (
      SELECT delay_id FROM delayed_events
      WHERE status = 'scheduled' AND wake_at IS NOT NULL AND wake_at <= ${upTo}
        AND wake_at < send_at
      ORDER BY wake_at LIMIT ${limit}
      FOR UPDATE SKIP LOCKED
    )
    UPDATE delayed_events SET wake_at = send_at FROM restarted
    WHERE delayed_events.delay_id = restarted.delay_id`.execute(tx.q)
  return Number(numAffectedRows ?? 0)
}

/**
 * Take a scheduled event for sending: because it is due, or, without `dueAt`, on request. No row:
 * cancelled, restarted or sent by somebody else.
 */
export async function claimScheduled(
  tx: Tx,
  delayId: string,
  claim: Moment & { cause: 'delay' | 'action' },
): Promise<DelayedEventRow | undefined> {
  return tx.q
    .updateTable('delayed_events')
    .set({ status: 'sent', cause: claim.cause, ...endedAt(claim) })
    .where('delay_id', '=', delayId)
    .where('status', '=', scheduled)
    .$if(claim.cause === 'delay', query => query.where('send_at', '<=', claim.now))
    .returningAll()
    .executeTakeFirst()
}

/**
 * As {@link claimScheduled}, of those that are due by now, whose rooms are held. Rows are taken in
 * the order of scheduling, so that two who take several never wait for each other.
 *
 * @returns those that were still scheduled, in the order in which they have to be sent
 */
export async function claimDue(
  tx: Tx,
  delayIds: readonly string[],
  moment: Moment,
): Promise<DelayedEventRow[]> {
  return tx.q
    .with('claimed', query =>
      query
        .updateTable('delayed_events')
        .set({ status: 'sent', cause: 'delay', ...endedAt(moment) })
        .where('delay_id', '=', sql<string>`ANY(ARRAY(${held(delayIds, moment.now)}))`)
        .returningAll(),
    )
    .selectFrom('claimed')
    .selectAll()
    .orderBy('send_at')
    .orderBy('seq')
    .execute()
}

/** Those that are due, each looked up by itself, and then held one after the other by `seq`. */
const held = (delayIds: readonly string[], now: number) => sql`
  SELECT one.delay_id FROM (
    SELECT found.delay_id FROM unnest(${[...delayIds]}::text[]) AS wanted (delay_id)
    CROSS JOIN LATERAL (
      SELECT delay_id, seq FROM delayed_events WHERE delay_id = wanted.delay_id LIMIT 1
    ) AS found
    ORDER BY found.seq
  ) AS due
  CROSS JOIN LATERAL (
    SELECT delay_id FROM delayed_events
    WHERE delay_id = due.delay_id AND status = 'scheduled' AND send_at <= ${now}
    LIMIT 1 FOR UPDATE
  ) AS one`

/** The rows of `delayed_events` that a list names, each looked up by itself, however few there are yet. */
const eachOf = (list: string) => sql`
    CROSS JOIN LATERAL (
      SELECT ctid FROM delayed_events AS named WHERE named.delay_id = ${sql.ref(`${list}.delay_id`)} LIMIT 1
    ) AS one
    WHERE delayed_events.ctid = one.ctid`

/** Complete the record of those that were claimed in this transaction, and have become events. */
export async function recordSent(
  tx: Tx,
  events: readonly { event_id: string; delay_id: string | null }[],
): Promise<void> {
  if (events.length === 0) return
  await sql`
    UPDATE delayed_events SET event_id = sent.event_id
    FROM unnest(
      ${events.map(({ delay_id }) => delay_id)}::text[],
      ${events.map(({ event_id }) => event_id)}::text[]
    ) AS sent (delay_id, event_id)
    ${eachOf('sent')} ${unawaited}`.execute(tx.q)
}

/** The same of those that were refused. @param refused.error as JSON */
export async function recordRefused(
  tx: Tx,
  refused: readonly { delay_id: string; error: string }[],
): Promise<void> {
  if (refused.length === 0) return
  await sql`
    UPDATE delayed_events SET status = 'failed', cause = 'error', error = refused.error
    FROM unnest(
      ${refused.map(({ delay_id }) => delay_id)}::text[],
      ${refused.map(({ error }) => error)}::text[]
    ) AS refused (delay_id, error)
    ${eachOf('refused')} ${unawaited}`.execute(tx.q)
}

/** It was due and was refused. @returns undefined if somebody else decided it meanwhile */
export async function recordFailed(
  tx: Tx,
  delayId: string,
  moment: Moment,
  error: string,
): Promise<FinalisedRow | undefined> {
  return tx.q
    .updateTable('delayed_events')
    .set({ status: 'failed', cause: 'error', error, ...endedAt(moment) })
    .where('delay_id', '=', delayId)
    .where('status', '=', scheduled)
    .where('send_at', '<=', moment.now)
    .returning(finalisedColumns)
    .executeTakeFirst()
}
