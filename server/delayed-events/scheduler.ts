/**
 * One timer, for the earliest deadline. When it rings, what is due is sent in the order of its
 * time, and the timer is set anew from the database.
 *
 * The timer is a hint and the table is the truth: a deadline that was moved or cancelled costs one
 * look at the table, and nothing has to be told to the scheduler but that an earlier one appeared.
 *
 * After a rest it rings a moment too soon. Nothing is due then, but it has been asked, and the timer is
 * set again; what is asked at the deadline is answered by those who are awake.
 *
 * A restart moves `send_at` and leaves `wake_at`, which is in the index, where it is. So one that was
 * restarted comes up too soon; it is then, with all that would come up soon, let sleep until it is due.
 */
import { type DueRow, letSleep, selectDue, selectNextWakeUp } from '../../db/delayed-events-due.ts'
import type { EventRow } from '../../db/schema.ts'
import { transaction } from '../../db/transaction.ts'
import type { Timer } from '../lib/clock.ts'
import { MatrixError } from '../matrix/errors.ts'
import { followEvent } from '../rooms/follow-upgrade.ts'
import type { Context } from './context.ts'
import { failDue, inRuns, sendDue, sendDueTogether } from './send-due.ts'

const batchSize = 500
/** So many that were restarted are let sleep at once, and those that would wake up so soon. */
const sleepers = { most: 1_000, aheadMs: 1_000 }
/** After which time to look again at one that somebody was changing. */
const busyMs = 10
/**
 * After so long the first question is answered slowly, by the process as by the database. More than any
 * clock's `wakingMs`: what is left after the look too soon is no rest.
 */
const restMs = 1_000
/** After an error that is not a refusal: 1 s, doubled each time, at the most this. */
const longestBackOffMs = 60_000

export class Scheduler {
  #ctx: Context | undefined
  #timer: Timer | undefined
  #timerAt = Number.POSITIVE_INFINITY
  #running: Promise<void> | undefined
  #lookAgain = false
  #stopped = false
  /** Delayed events whose sending broke, not was refused: when to try each again. */
  readonly #backOff = new Map<string, { attempts: number; until: number }>()

  /** Send what fell due while nobody was running, in order, and only then set the timer. */
  async start(ctx: Context): Promise<void> {
    this.#ctx = ctx
    await this.#wake(ctx)
  }

  /** Something is due at `sendAt` (Unix ms). To be called after the commit that made it so. */
  noteDeadline(sendAt: number): void {
    if (sendAt < this.#timerAt) this.#arm(sendAt)
  }

  /** As {@link noteDeadline}, of one whose deadline was another: if that one broke, it is forgotten. */
  noteRestart(delayId: string, sendAt: number): void {
    this.#backOff.delete(delayId)
    this.noteDeadline(sendAt)
  }

  /** Wait until everything that is due at this moment has been decided. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running
  }

  isIdle(): boolean {
    return this.#running === undefined
  }

  /** Let those that are being sent finish, and send no more. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    await this.#running
  }

  #arm(at: number): void {
    const ctx = this.#ctx
    if (this.#stopped || !ctx) return
    this.#timer?.cancel()
    this.#timerAt = at
    if (at === Number.POSITIVE_INFINITY) return
    const isRest = at - ctx.clock.now() > restMs
    this.#timer = ctx.clock.timer(isRest ? at - ctx.clock.wakingMs : at, () => {
      // Whatever comes of looking too soon, there is a deadline.
      if (at <= ctx.clock.now()) this.#timerAt = Number.POSITIVE_INFINITY
      void this.#wake(ctx)
    })
  }

  #wake(ctx: Context): Promise<void> {
    if (this.#running) this.#lookAgain = true
    else this.#running = this.#run(ctx)
    return this.#running
  }

  async #run(ctx: Context): Promise<void> {
    let next: number | undefined
    try {
      do {
        this.#lookAgain = false
        next = await this.#sendWhatIsDue(ctx)
      } while (this.#lookAgain && !this.#stopped)
    } catch (error) {
      // The table itself could not be read; everything is still in it.
      ctx.log.error({ err: error }, 'the delayed events could not be read')
      next = ctx.clock.now() + 1_000
    }
    // Nothing is awaited from the last look on, so whoever wakes us from now on starts a new run.
    this.#running = undefined
    this.#arm(Math.min(next ?? Number.POSITIVE_INFINITY, this.#timerAt))
  }

  /** @returns when there is something to do again; undefined if nothing is scheduled */
  async #sendWhatIsDue(ctx: Context): Promise<number | undefined> {
    while (!this.#stopped) {
      const now = ctx.clock.now()
      const except = [...this.#backOff].filter(([, entry]) => entry.until > now).map(([id]) => id)
      const due = await selectDue(ctx.db, now, batchSize, except)
      for (const run of inRuns(due)) {
        if (this.#stopped) return undefined
        await this.#send(ctx, run)
      }
      if (due.length < batchSize) {
        // Whoever could have been tried again and was not due is cancelled, restarted or sent.
        for (const [id, { until }] of this.#backOff) if (until <= now) this.#backOff.delete(id)
        const next = await this.#nextWakeUp(ctx)
        const retries = [...this.#backOff.values()].map(entry => entry.until)
        return Math.min(next ?? Number.POSITIVE_INFINITY, ...retries)
      }
    }
    return undefined
  }

  /** When the next one may be due; undefined if nothing is scheduled. */
  async #nextWakeUp(ctx: Context): Promise<number | undefined> {
    for (;;) {
      const next = await selectNextWakeUp(ctx.db, [...this.#backOff.keys()])
      const now = ctx.clock.now()
      if (!next || next.wake_at > now || next.send_at <= now) return next?.wake_at
      const { aheadMs, most } = sleepers
      const slept = await transaction(ctx.db, tx => letSleep(tx, now + aheadMs, most))
      if (slept === 0) return now + busyMs
    }
  }

  async #send(ctx: Context, run: readonly DueRow[]): Promise<void> {
    if (run.length > 1) {
      try {
        for (const { delayedEvent, outcome } of await sendDueTogether(ctx, run)) {
          if (outcome instanceof MatrixError) logRefused(ctx, delayedEvent, outcome)
          else logSent(ctx, delayedEvent, outcome)
        }
        for (const { delay_id } of run) this.#backOff.delete(delay_id)
        return
      } catch (error) {
        ctx.log.warn({ err: error, together: run.length }, 'delayed events are sent one by one')
      }
    }
    for (const delayedEvent of run) {
      if (this.#stopped) return
      await this.#sendOne(ctx, delayedEvent)
    }
  }

  async #sendOne(ctx: Context, due: DueRow): Promise<void> {
    try {
      await sendOrFail(ctx, due)
      this.#backOff.delete(due.delay_id)
    } catch (error) {
      const attempts = (this.#backOff.get(due.delay_id)?.attempts ?? 0) + 1
      const waitMs = Math.min(1_000 * 2 ** (attempts - 1), longestBackOffMs)
      this.#backOff.set(due.delay_id, { attempts, until: ctx.clock.now() + waitMs })
      ctx.log.error({ err: error, room_id: due.room_id, attempts }, 'a delayed event broke')
    }
  }
}

async function sendOrFail(ctx: Context, due: DueRow): Promise<void> {
  try {
    const event = await sendDue(ctx, due)
    if (!event) return
    logSent(ctx, due, event)
    await followEvent(ctx, event)
  } catch (error) {
    if (!(error instanceof MatrixError)) throw error
    await failDue(ctx, due, error)
    logRefused(ctx, due, error)
  }
}

function logSent(ctx: Context, { send_at }: { send_at: number | null }, event: EventRow): void {
  // Not by the event's own time: an application service may have given it another.
  const lateMs = ctx.clock.now() - (send_at ?? 0)
  const { room_id, event_id } = event
  ctx.log.info({ room_id, event_id, late_ms: lateMs }, 'delayed event sent')
}

function logRefused(ctx: Context, { room_id }: { room_id: string }, error: MatrixError): void {
  ctx.log.info({ room_id, errcode: error.errcode }, 'delayed event refused')
}
