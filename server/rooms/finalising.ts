/**
 * What becomes of delayed events within one transaction: it happens at one moment, is counted, and their users are
 * told of it.
 */
import type { FinalisedRow, Moment } from '../../db/delayed-events.ts'
import type { Tx } from '../../db/transaction.ts'
import type { Ground } from '../ground.ts'
import { finalisedTopic, userFinalisedTopic } from '../stream/notifier.ts'

export interface Finalising extends Moment {
  /** These were finalised then, if it commits. */
  note(rows: readonly FinalisedRow[]): void
}

/** Begin; for nothing at all, too: a position that nobody has is no harm. */
export function finalising(ctx: Ground, tx: Tx): Finalising {
  const topics: string[] = []
  return {
    now: ctx.clock.now(),
    position: ctx.positions.take(tx, topics),
    note(rows) {
      if (rows.length === 0) return
      ctx.metrics.finalised(tx, rows)
      const users = new Set(rows.map(row => row.user_id))
      topics.push(finalisedTopic, ...[...users].map(userFinalisedTopic))
    },
  }
}
