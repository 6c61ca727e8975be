/**
 * How often something may happen, by key: `burst` times at once, and then `perSecond` times a
 * second. The generic cell rate algorithm: of each key only the moment is kept at which it will have
 * used up what it took.
 */

/** More keys than this are not kept; the one that was used longest ago is forgotten first. */
const mostKeys = 100_000

export class RateLimiter {
  readonly #intervalMs: number
  readonly #burstMs: number
  /** Key → Unix ms. The one used last comes last. */
  readonly #usedUpAt = new Map<string, number>()

  /** @param perSecond above 0 · @param burst at least 1 */
  constructor(perSecond: number, burst: number) {
    this.#intervalMs = 1_000 / perSecond
    this.#burstMs = burst * this.#intervalMs
  }

  /**
   * Take one, unless that is too often; whoever is refused has taken nothing.
   *
   * @param now Unix ms
   * @param dueAt Unix ms, of one that is late: it counts then, unless more has been taken since than there
   *   was to take
   * @returns 0, or after how many whole ms there will be one to take
   */
  take(key: string, now: number, dueAt = now): number {
    const before = this.#usedUpAt.get(key) ?? 0
    const at = before > dueAt + this.#burstMs ? now : dueAt
    // Not above what can be used up: the wall clock may have been set back.
    const usedUpAt = Math.min(before, at + this.#burstMs)
    const next = Math.max(usedUpAt, at) + this.#intervalMs
    // Fractions of a ms this small are the rounding of large numbers.
    const waitMs = Math.ceil(next - at - this.#burstMs - 0.01)
    if (waitMs > 0) return waitMs
    this.#usedUpAt.delete(key)
    this.#usedUpAt.set(key, next)
    this.#forget(at)
    return 0
  }

  /** One that was taken was not used. */
  giveBack(key: string): void {
    const usedUpAt = this.#usedUpAt.get(key)
    if (usedUpAt !== undefined) this.#usedUpAt.set(key, usedUpAt - this.#intervalMs)
  }

  /** How many keys are kept. */
  size(): number {
    return this.#usedUpAt.size
  }

  /** Two looks for each one that is added, so that nothing is left of those who have gone. */
  #forget(now: number): void {
    let looks = 2
    for (const [key, usedUpAt] of this.#usedUpAt) {
      const isOver = usedUpAt <= now || this.#usedUpAt.size > mostKeys
      if (!isOver || looks === 0) return
      this.#usedUpAt.delete(key)
      looks -= 1
    }
  }
}
