/**
 * Ways to break the server under the harness, by rewriting its statements on their way to the
 * database: what a harness never reports, it may never see.
 */
import type { Delays } from './load.ts'
import type { Order } from './steps.ts'
import type { BreachKind } from './verdict.ts'

export interface Sabotage {
  /** What it takes away, in words. */
  what: string
  /** What the harness has to report. */
  expected: BreachKind
  /** The kill that shows it best. */
  order?: Order
  /** Other delays than the load's own. */
  delays?: Delays
  /** Run once on the database, before the load. */
  prepare?: string
  rewrite?: (sql: string) => string
  /** Commit after this statement, and go on in a new transaction; or die in between. */
  commitsAfter?: (sql: string) => boolean
}

const isClaim = (sql: string) =>
  /^(with "claimed" as \()?update "delayed_events" set "status" = .* returning \*/is.test(sql)

export const sabotages: Record<string, Sabotage> = {
  'sent-twice': {
    what: 'the unique index and the conditional claim are taken out',
    expected: 'duplicate',
    prepare: 'DROP INDEX IF EXISTS events_by_delay_id',
    rewrite: sql =>
      isClaim(sql) ? sql.replace(/and (?:"due"\.)?"status" = 'scheduled'/i, 'and true') : sql,
  },
  'claimed-apart': {
    what: 'the claim is committed before the event is appended',
    expected: 'lost',
    order: { path: 'fire', step: 'insert events', phase: 'before', nth: 1 },
    commitsAfter: isClaim,
  },
  'sent-early': {
    what: 'what is due within the next minute is sent with what is due now',
    expected: 'early',
    // So far apart that no machine is so busy as to be late for all of them.
    delays: { leastMs: 500, mostMs: 8_000 },
    rewrite: sql => sql.replace(/"((?:send|wake)_at)" <= (\$\d+)/gi, '"$1" <= $2::bigint + 60000'),
  },
  'out-of-order': {
    what: 'what is due is sent latest first',
    expected: 'order',
    rewrite: sql =>
      /<= .* order by "send_at", "seq"/is.test(sql)
        ? sql.replace(/order by "send_at", "seq"/i, 'order by "send_at" desc, "seq" desc')
        : sql,
  },
  'cancelled-in-words': {
    what: 'a cancellation is answered and not done',
    expected: 'untrue',
    rewrite: sql =>
      /^update "delayed_events" set "status" = (?!.* returning \*)(?!.*"error")/is.test(sql)
        ? sql.replace(/set "status" = (\$\d+)/i, `set "status" = left($1, 0) || 'scheduled'`)
        : sql,
  },
}
