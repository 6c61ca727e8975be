/**
 * What Prometheus is told. Each server has a registry of its own, so that many can live in one
 * process. No label holds an id, a name or anything else that a client chooses.
 */
// One by one: all of prom-client takes ten times as long to load.
import Counter from 'prom-client/lib/counter.js'
import Gauge from 'prom-client/lib/gauge.js'
import Histogram from 'prom-client/lib/histogram.js'
import Registry from 'prom-client/lib/registry.js'
import type { FinalisedRow } from '../db/delayed-events.ts'
import type { Tx } from '../db/transaction.ts'
import type { LimitName } from './config.ts'
import { version } from './lib/version.ts'

const ms = 1 / 1_000
/** Seconds. The clock counts whole milliseconds. */
const latenessBuckets = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000]
const durationBuckets = [2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000]

/** What is looked up when somebody asks. */
export interface Sources {
  /** How many delayed events are scheduled now. */
  countScheduled(): Promise<number>
  /** How many requests are held in a long poll. */
  countWaiting(): number
}

export class Metrics {
  readonly #registry = new Registry()

  readonly #scheduled = this.#counter('delayed_events_scheduled_total', 'Scheduled', ['dialect'])
  readonly #restarted = this.#counter('delayed_events_restarted_total', 'Restarted', ['dialect'])
  readonly #finalised = this.#counter(
    'delayed_events_finalised_total',
    'Sent, cancelled or failed, and by what',
    ['outcome', 'cause', 'dialect'],
  )
  readonly #lateness = new Histogram({
    name: 'hourglass_delayed_event_lateness_seconds',
    help: 'From the moment a delayed event is due to the commit that sends it',
    buckets: latenessBuckets.map(bucket => bucket * ms),
    registers: [this.#registry],
  })
  readonly #early = this.#counter(
    'delayed_events_early_total',
    'Delayed events that were sent before they were due; anything but 0 is a bug',
  )
  readonly #refused = this.#counter('rate_limited_total', 'Refused by a rate limit', ['limit'])
  readonly #requests = new Histogram({
    name: 'hourglass_request_duration_seconds',
    help: 'From a request to the end of its answer, by endpoint',
    labelNames: ['method', 'endpoint', 'status'],
    buckets: durationBuckets.map(bucket => bucket * ms),
    registers: [this.#registry],
  })

  constructor(sources: Sources) {
    this.#gauge('hourglass_delayed_events_scheduled', 'Scheduled at this moment', () =>
      sources.countScheduled(),
    )
    this.#gauge('hourglass_sync_waiting', 'Requests that are held in a long poll', () =>
      sources.countWaiting(),
    )
    this.#processMetrics()
  }

  /** To be called in the transaction; counts when it has committed, as all that take one. */
  scheduled(tx: Tx, dialect: string): void {
    tx.afterCommit(() => this.#scheduled.inc({ dialect }))
  }

  restarted(dialect: string): void {
    this.#restarted.inc({ dialect })
  }

  finalised(tx: Tx, rows: readonly FinalisedRow[]): void {
    tx.afterCommit(() => {
      for (const { status, cause, dialect } of rows) {
        this.#finalised.inc({ outcome: status, cause: cause ?? 'unknown', dialect })
      }
    })
  }

  /**
   * One was sent because it was due.
   *
   * @param when Unix ms; `now` is asked once more after the commit
   */
  sentWhenDue(tx: Tx, when: { dueAt: number; sentAt: number; now: () => number }): void {
    tx.afterCommit(() => {
      if (when.sentAt < when.dueAt) this.#early.inc()
      this.#lateness.observe((when.now() - when.dueAt) * ms)
    })
  }

  refused(limit: LimitName): void {
    this.#refused.inc({ limit })
  }

  /** @param request.endpoint its path as declared, with the names of its parameters */
  answered(request: { method: string; endpoint: string; status: number; tookMs: number }): void {
    const { method, endpoint, status } = request
    this.#requests.observe({ method, endpoint, status: String(status) }, request.tookMs * ms)
  }

  /** In Prometheus's text format. */
  async write(): Promise<{ contentType: string; text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() }
  }

  #counter(name: string, help: string, labelNames: string[] = []) {
    return new Counter({
      name: `hourglass_${name}`,
      help,
      labelNames,
      registers: [this.#registry],
    })
  }

  #gauge(name: string, help: string, read: () => number | Promise<number>): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      async collect() {
        this.set(await read())
      },
    })
  }

  /** Under the names that every Prometheus client uses. */
  #processMetrics(): void {
    const cpuSeconds = () => {
      const { user, system } = process.cpuUsage()
      return (user + system) / 1e6
    }
    this.#gauge('process_cpu_seconds_total', 'Processor time', cpuSeconds)
    this.#gauge('process_resident_memory_bytes', 'Resident memory', () => process.memoryUsage().rss)
    this.#gauge(
      'nodejs_heap_size_used_bytes',
      'JavaScript heap in use',
      () => process.memoryUsage().heapUsed,
    )
    const startedAt = performance.timeOrigin * ms
    this.#gauge('process_start_time_seconds', 'Start of the process, Unix time', () => startedAt)
    new Gauge({
      name: 'hourglass_build_info',
      help: 'Which version this is',
      labelNames: ['version', 'node'],
      registers: [this.#registry],
    }).set({ version, node: process.version }, 1)
  }
}
