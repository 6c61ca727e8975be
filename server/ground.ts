/** What every floor stands on: time, the database, the stream, and how the server was set up. */
import type { Database } from '../db/database.ts'
import type { Config } from './config.ts'
import type { Clock } from './lib/clock.ts'
import type { Log } from './lib/log.ts'
import type { SigningKey } from './matrix/signing.ts'
import type { Metrics } from './metrics.ts'
import type { RateLimits } from './rate-limits.ts'
import type { Notifier } from './stream/notifier.ts'
import type { StreamClock } from './stream/stream-clock.ts'

export interface Ground {
  readonly config: Config
  readonly clock: Clock
  readonly log: Log
  readonly db: Database
  readonly signingKey: SigningKey
  readonly positions: StreamClock
  readonly notifier: Notifier
  readonly rateLimits: RateLimits
  readonly metrics: Metrics
  /** Aborts when the server stops: no request waits any longer for somebody else's server. */
  readonly stopping: AbortSignal
}
