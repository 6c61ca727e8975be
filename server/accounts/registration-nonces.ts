/** What those who register by the shared secret are given to sign. */
import type { Clock } from '../lib/clock.ts'
import { randomToken } from '../lib/random.ts'
import { RecentMap } from '../lib/recent-map.ts'

const nonceLifetimeMs = 60_000

/** Whoever asks for more makes the oldest end. */
const mostNonces = 100_000

/** Numbers used once, in memory: who loses one asks for another. */
export class RegistrationNonces {
  readonly #clock: Clock
  /** nonce → when it ends. In order of giving out, which is the order of ending. */
  readonly #open = new RecentMap<string, number>(mostNonces)

  constructor(clock: Clock) {
    this.#clock = clock
  }

  give(): string {
    const now = this.#clock.now()
    for (const [nonce, endsAt] of this.#open) {
      if (endsAt > now) break
      this.#open.delete(nonce)
    }
    const nonce = randomToken(16)
    this.#open.set(nonce, now + nonceLifetimeMs)
    return nonce
  }

  /** True once for each that was given out and has not ended. */
  spend(nonce: string): boolean {
    const endsAt = this.#open.get(nonce) ?? 0
    this.#open.delete(nonce)
    return endsAt > this.#clock.now()
  }
}
