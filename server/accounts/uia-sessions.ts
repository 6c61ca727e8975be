/** Sessions of user-interactive authentication, in memory: a restart only makes a client begin again. */
import type { Clock } from '../lib/clock.ts'
import { randomToken } from '../lib/random.ts'
import { RecentMap } from '../lib/recent-map.ts'

/** Whoever opens more makes the oldest end. */
const mostOpen = 100_000

export class UiaSessions {
  readonly #clock: Clock
  readonly #lifetimeMs: number
  /** By id, in order of opening, which is the order of ending. */
  readonly #open = new RecentMap<string, { operation: string; endsAt: number }>(mostOpen)

  constructor(clock: Clock, lifetimeMs: number) {
    this.#clock = clock
    this.#lifetimeMs = lifetimeMs
  }

  /** @param operation what is to be proven, and by whom: a session is good for nothing else */
  open(operation: string): string {
    const now = this.#clock.now()
    for (const [session, { endsAt }] of this.#open) {
      if (endsAt > now) break
      this.#open.delete(session)
    }
    const session = randomToken(16)
    this.#open.set(session, { operation, endsAt: now + this.#lifetimeMs })
    return session
  }

  /** What a session was opened for; undefined if it is none, or has ended. */
  operationOf(session: string): string | undefined {
    const found = this.#open.get(session)
    return found && found.endsAt > this.#clock.now() ? found.operation : undefined
  }
}
