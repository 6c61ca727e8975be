/**
 * Sending what is due: many in one transaction, as far as they have nothing to do with each other;
 * else, or if that breaks, each in its own.
 */
import { cancelWithoutTimeout } from '../../db/delayed-event-groups.ts'
import {
  claimDue,
  type DueRow,
  recordFailed,
  recordRefused,
  recordSent,
} from '../../db/delayed-events-due.ts'
import { lockRoom } from '../../db/rooms.ts'
import type { EventRow } from '../../db/schema.ts'
import { presumingTransaction, transaction } from '../../db/transaction.ts'
import { MatrixError } from '../matrix/errors.ts'
import { appendEvents } from '../rooms/append-event.ts'
import { finalising } from '../rooms/finalising.ts'
import type { Entry } from '../rooms/judge-event.ts'
import type { Context } from './context.ts'
import { claimAndAppend, countLateness, countMessage, sendableDraft, senderOf } from './send.ts'

/** A transaction takes no more, so that nobody waits long behind it. */
const mostTogether = 100

/** What is due, in its order, cut into those that may go together. */
export function inRuns(due: readonly DueRow[]): DueRow[][] {
  const runs: DueRow[][] = []
  let keys = new Set<string>()
  for (const row of due) {
    const last = runs.at(-1)
    const key = row.state_key === null ? row.delay_id : keyOf(row)
    const isOpen = last !== undefined && last.length < mostTogether && !last.some(goesAlone)
    if (isOpen && !goesAlone(row) && !keys.has(key)) {
      last.push(row)
      keys.add(key)
    } else {
      runs.push([row])
      keys = new Set([key])
    }
  }
  return runs
}

/** State that takes the place of other state may cancel what was to take it, too. */
const keyOf = ({ room_id, type, state_key }: DueRow) => JSON.stringify([room_id, type, state_key])

/**
 * Of a group one is sent, and cancels the others; what follows an event ends with it; and state by
 * which a room is governed is checked against tables, and decides what may come after it.
 */
const goesAlone = ({ group_id, follows_event_id, state_key, type }: DueRow): boolean =>
  group_id !== null || follows_event_id !== null || (state_key !== null && /^m\.room\./.test(type))

/** What became of one that was due. */
export interface Fired {
  delayedEvent: { room_id: string; send_at: number | null }
  outcome: EventRow | MatrixError
}

/**
 * Send a run of {@link inRuns}: claim, append and finalise all of them in one transaction, each
 * judged by the state that those before it leave. Who is refused has written nothing but the reason.
 *
 * @returns what became of each, without those that somebody else decided first
 */
export function sendDueTogether(ctx: Context, run: readonly DueRow[]): Promise<Fired[]> {
  return presumingTransaction(ctx.db, async tx => {
    const rooms = await ctx.roomHeads.hold(
      tx,
      run.map(({ room_id }) => room_id),
    )
    const end = finalising(ctx, tx)
    const delayIds = run.map(({ delay_id }) => delay_id)
    const claimed = await claimDue(tx, delayIds, end)
    const entries: Entry[] = []
    const refusals = new Map<string, MatrixError>()
    for (const row of claimed) {
      const room = rooms.get(row.room_id)
      if (!room) throw new Error('a delayed event of a room that is not there')
      try {
        countMessage(ctx, row)
        // If all is undone, each is sent alone, and counted then.
        tx.onEnd(committed => {
          if (!committed) ctx.rateLimits.giveBack('messages', senderOf(row))
        })
        entries.push({ room, draft: await sendableDraft(ctx, tx, room, row) })
      } catch (error) {
        if (!(error instanceof MatrixError)) throw error
        refusals.set(row.delay_id, error)
      }
    }
    const outcomes = await appendEvents(ctx, tx, entries)
    const fired = claimed.map(delayedEvent => {
      const outcome = refusals.get(delayedEvent.delay_id) ?? outcomes.shift()
      if (!outcome) throw new Error('an event was neither stored nor refused')
      return { delayedEvent, outcome }
    })
    const sent = fired.flatMap(({ outcome }) => (outcome instanceof MatrixError ? [] : [outcome]))
    await recordSent(tx, sent)
    const refused = fired.flatMap(({ delayedEvent, outcome }) =>
      outcome instanceof MatrixError ? [{ delayedEvent, error: outcome }] : [],
    )
    await recordRefused(
      tx,
      refused.map(({ delayedEvent, error }) => ({
        delay_id: delayedEvent.delay_id,
        error: JSON.stringify(error.toJSON()),
      })),
    )
    end.note(
      fired.map(({ delayedEvent, outcome }) =>
        outcome instanceof MatrixError
          ? { ...delayedEvent, status: 'failed', cause: 'error' }
          : delayedEvent,
      ),
    )
    for (const { delayedEvent, outcome } of fired) {
      if (!(outcome instanceof MatrixError)) countLateness(ctx, tx, delayedEvent, end.now)
    }
    return fired
  })
}

/**
 * Send one whose time has come.
 *
 * @returns undefined if somebody else decided it first
 * @throws MatrixError if the room refuses it now; it is then still scheduled
 */
export function sendDue(
  ctx: Context,
  due: { delay_id: string; room_id: string },
): Promise<EventRow | undefined> {
  return transaction(ctx.db, tx => claimAndAppend(ctx, tx, due, 'delay'))
}

/** It was due and was refused. That transaction is gone, so the reason is recorded in a new one. */
export function failDue(
  ctx: Context,
  due: { delay_id: string; room_id: string },
  error: MatrixError,
): Promise<void> {
  return transaction(ctx.db, async tx => {
    await lockRoom(tx, due.room_id)
    const end = finalising(ctx, tx)
    const failed = await recordFailed(tx, due.delay_id, end, JSON.stringify(error.toJSON()))
    if (!failed) return
    end.note([failed])
    if (failed.group_id === null) return
    end.note(await cancelWithoutTimeout(tx, failed, end))
  })
}
