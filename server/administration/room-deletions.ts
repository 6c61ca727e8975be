/** Rooms that are being deleted, in the background. What was under way when we stopped goes on. */
import {
  deleteDeletionsBefore,
  selectActiveDeletions,
  updateDeletion,
} from '../../db/room-deletions.ts'
import { transaction } from '../../db/transaction.ts'
import { InFlight } from '../lib/in-flight.ts'
import type { Job } from '../lib/sweeper.ts'
import type { Context } from './context.ts'
import { continueDeletion } from './delete-room.ts'

/** So often a step is tried: what the database refuses once, as when two wait for each other, it may do the next time. */
const attempts = 3

/** How long it can be asked what came of a deletion. */
const keptMs = 86_400_000

export class RoomDeletions {
  readonly #inFlight = new InFlight<void>()
  readonly #running = new Set<Promise<void>>()
  #stopped = false

  async start(ctx: Context): Promise<void> {
    for (const deleteId of await selectActiveDeletions(ctx.db)) void this.run(ctx, deleteId)
  }

  /** Do what is left to be done of a deletion. Never rejects: how it ended is in the table. */
  run(ctx: Context, deleteId: string): Promise<void> {
    const running = this.#inFlight.run(deleteId, () => this.#toItsEnd(ctx, deleteId))
    this.#running.add(running)
    void running.finally(() => this.#running.delete(running))
    return running
  }

  /** Until nothing is being deleted at this moment. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  isIdle(): boolean {
    return this.#running.size === 0
  }

  /** Let the present step finish; the next start goes on. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.idle()
  }

  async #toItsEnd(ctx: Context, deleteId: string): Promise<void> {
    try {
      while (!this.#stopped && (await this.#step(ctx, deleteId)));
    } catch (error) {
      ctx.log.error({ err: error }, 'a room could not be deleted')
      const changes = { status: 'failed', error: 'An internal error', finished_ts: ctx.clock.now() }
      await transaction(ctx.db, tx =>
        updateDeletion(tx, deleteId, { ...changes, status: 'failed' }),
      ).catch(() => undefined)
    }
  }

  async #step(ctx: Context, deleteId: string): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await continueDeletion(ctx, deleteId)
      } catch (error) {
        if (attempt === attempts) throw error
        ctx.log.warn({ err: error, attempt }, 'a step of deleting a room is tried again')
      }
    }
  }
}

/** What came of deletions is forgotten after a day. */
export function pruneDeletions(ctx: Context): Job {
  return () => transaction(ctx.db, tx => deleteDeletionsBefore(tx, ctx.clock.now() - keptMs))
}
