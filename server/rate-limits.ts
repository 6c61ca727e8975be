/**
 * The limits of the config on how often something may be done. In memory: a restart forgets them.
 *
 * Requests are counted by http/rate-limited.ts before their body is read. Delayed events, whose
 * dialects share their limits and whose sending is no request, are counted in delayed-events/.
 */
import type { Config, LimitName } from './config.ts'
import type { Clock } from './lib/clock.ts'
import { RateLimiter } from './lib/rate-limiter.ts'
import { limitExceeded } from './matrix/errors.ts'

export class RateLimits {
  readonly #clock: Clock
  readonly #onRefused: (name: LimitName) => void
  readonly #limiters = new Map<string, RateLimiter>()

  /** @param onRefused told of every refusal, by limit */
  constructor(clock: Clock, limits: Config['rate_limits'], onRefused: (name: LimitName) => void) {
    this.#clock = clock
    this.#onRefused = onRefused
    const { enabled, ...byName } = limits
    for (const [name, { per_second, burst_count }] of Object.entries(byName)) {
      const isOn = enabled && per_second > 0
      if (isOn) this.#limiters.set(name, new RateLimiter(per_second, burst_count))
    }
  }

  /**
   * Count one against a limit.
   *
   * @param who a user, who may be exempt; or what else the limit counts by
   * @param dueAt Unix ms, when it was to happen, if it is late
   * @throws 429 M_LIMIT_EXCEEDED with `retry_after_ms`
   */
  take(
    name: LimitName,
    who: { userId: string; isRateLimited: boolean } | string,
    dueAt?: number,
  ): void {
    if (typeof who !== 'string' && !who.isRateLimited) return
    const key = typeof who === 'string' ? who : who.userId
    const waitMs = this.#limiters.get(name)?.take(key, this.#clock.now(), dueAt) ?? 0
    if (waitMs === 0) return
    this.#onRefused(name)
    throw limitExceeded(waitMs)
  }

  /** What was counted did not come about. */
  giveBack(name: LimitName, who: { userId: string; isRateLimited: boolean }): void {
    if (who.isRateLimited) this.#limiters.get(name)?.giveBack(who.userId)
  }
}
