/** MSC4140's table: what is scheduled, what is due, and what became of it. */
import type { Insertable, NotNull, Selectable } from 'kysely'
import type { DelayedEventCause, DelayedEventTable } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

export type DelayedEventRow = Selectable<DelayedEventTable>
/** Whose, and of which group: null for most, which are of none. */
export type GroupMember = Pick<DelayedEventRow, 'user_id' | 'group_id'>

export async function insertScheduled(
  tx: Tx,
  delayedEvent: Insertable<DelayedEventTable>,
): Promise<void> {
  await tx.q.insertInto('delayed_events').values(delayedEvent).execute()
}

export async function countScheduled(db: Db, userId: string): Promise<number> {
  const row = await db.q
    .selectFrom('delayed_events')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('user_id', '=', userId)
    .where('status', '=', 'scheduled')
    .executeTakeFirstOrThrow()
  return row.count
}

/** When the first of this user's scheduled events is due; undefined if there is none. */
export async function selectNextSendAt(db: Db, userId: string): Promise<number | undefined> {
  const row = await db.q
    .selectFrom('delayed_events')
    .select(({ fn }) => fn.min('send_at').as('send_at'))
    .where('user_id', '=', userId)
    .where('status', '=', 'scheduled')
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

/** The first `limit` that are due, in the order in which they have to be sent. */
export async function selectDue(
  db: Db,
  now: number,
  limit: number,
  except: readonly string[],
): Promise<{ delay_id: string; room_id: string; send_at: number }[]> {
  return db.q
    .selectFrom('delayed_events')
    .select(['delay_id', 'room_id', 'send_at'])
    .where('status', '=', 'scheduled')
    .where('send_at', 'is not', null)
    .where('send_at', '<=', now)
    .$narrowType<{ send_at: NotNull }>()
    .$if(except.length > 0, query => query.where('delay_id', 'not in', except))
    .orderBy('send_at')
    .orderBy('seq')
    .limit(limit)
    .execute()
}

/** When the next one is due; undefined if nothing is scheduled. */
export async function selectNextDeadline(
  db: Db,
  except: readonly string[],
): Promise<number | undefined> {
  const row = await db.q
    .selectFrom('delayed_events')
    .select('send_at')
    .where('status', '=', 'scheduled')
    .where('send_at', 'is not', null)
    .$narrowType<{ send_at: NotNull }>()
    .$if(except.length > 0, query => query.where('delay_id', 'not in', except))
    .orderBy('send_at')
    .orderBy('seq')
    .limit(1)
    .executeTakeFirst()
  return row?.send_at
}

/**
 * Take a scheduled event for sending: because it is due, or, without `dueAt`, on request. No row:
 * cancelled, restarted or sent by somebody else.
 */
export async function claimScheduled(
  tx: Tx,
  delayId: string,
  claim: { now: number; cause: 'delay' | 'action' },
): Promise<DelayedEventRow | undefined> {
  return tx.q
    .updateTable('delayed_events')
    .set({ status: 'sent', cause: claim.cause, finalised_ts: claim.now })
    .where('delay_id', '=', delayId)
    .where('status', '=', 'scheduled')
    .$if(claim.cause === 'delay', query => query.where('send_at', '<=', claim.now))
    .returningAll()
    .executeTakeFirst()
}

/** Complete the record of one that was claimed in this transaction. */
export async function recordSent(tx: Tx, delayId: string, eventId: string): Promise<void> {
  await tx.q
    .updateTable('delayed_events')
    .set({ event_id: eventId })
    .where('delay_id', '=', delayId)
    .execute()
}

/** It was due and was refused. @returns undefined if somebody else decided it meanwhile */
export async function recordFailed(
  tx: Tx,
  delayId: string,
  now: number,
  error: string,
): Promise<GroupMember | undefined> {
  return tx.q
    .updateTable('delayed_events')
    .set({ status: 'failed', cause: 'error', finalised_ts: now, error })
    .where('delay_id', '=', delayId)
    .where('status', '=', 'scheduled')
    .where('send_at', '<=', now)
    .returning(['user_id', 'group_id'])
    .executeTakeFirst()
}

/** @returns undefined if it is not scheduled (any more) */
export async function cancelScheduled(
  tx: Tx,
  delayId: string,
  now: number,
): Promise<GroupMember | undefined> {
  return tx.q
    .updateTable('delayed_events')
    .set({ status: 'cancelled', cause: 'action' satisfies DelayedEventCause, finalised_ts: now })
    .where('delay_id', '=', delayId)
    .where('status', '=', 'scheduled')
    .returning(['user_id', 'group_id'])
    .executeTakeFirst()
}

/** Cancel everything that this user has scheduled. */
export async function cancelAllScheduled(tx: Tx, userId: string, now: number): Promise<void> {
  await tx.q
    .updateTable('delayed_events')
    .set({ status: 'cancelled', cause: 'action' satisfies DelayedEventCause, finalised_ts: now })
    .where('user_id', '=', userId)
    .where('status', '=', 'scheduled')
    .execute()
}

/** Give a scheduled event its full delay again. @returns its new `send_at`; undefined if finalised */
export async function restartScheduled(
  tx: Tx,
  delayId: string,
  now: number,
): Promise<number | undefined> {
  const row = await tx.q
    .updateTable('delayed_events')
    .set(eb => ({ since_ts: now, send_at: eb('delay_ms', '+', now) }))
    .where('delay_id', '=', delayId)
    .where('status', '=', 'scheduled')
    .where('delay_ms', 'is not', null)
    .returning('send_at')
    .executeTakeFirst()
  return row?.send_at ?? undefined
}

/**
 * A newer state event overtakes what was scheduled for the same key, as each one's policy says, and
 * what follows the event that it replaces.
 *
 * @returns the groups of which members were cancelled
 */
export async function cancelByStateUpdate(
  tx: Tx,
  update: {
    roomId: string
    type: string
    stateKey: string
    sender: string
    now: number
    /** What is recorded as the reason: `{ errcode, error }` as JSON. */
    error: string
    /** The delayed event that is itself becoming this state event. */
    exceptDelayId: string | null
    replacedEventId: string | undefined
  },
): Promise<GroupMember[]> {
  const { replacedEventId } = update
  return tx.q
    .updateTable('delayed_events')
    .set({
      status: 'cancelled',
      cause: 'state_update',
      finalised_ts: update.now,
      error: update.error,
    })
    .where('status', '=', 'scheduled')
    .where('delay_id', '!=', update.exceptDelayId ?? '')
    .where(eb => {
      const overtaken = eb.and([
        eb('room_id', '=', update.roomId),
        eb('type', '=', update.type),
        eb('state_key', '=', update.stateKey),
        eb.or([
          eb('cancel_policy', '=', 'any'),
          eb.and([eb('cancel_policy', '=', 'other_user'), eb('user_id', '!=', update.sender)]),
        ]),
      ])
      if (replacedEventId === undefined) return overtaken
      return eb.or([overtaken, eb('follows_event_id', '=', replacedEventId)])
    })
    .returning(['user_id', 'group_id'])
    .execute()
}
