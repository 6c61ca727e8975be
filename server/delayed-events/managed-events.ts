/**
 * Delayed events that somebody wants to do something to. A heartbeat is restarted every few seconds by
 * the same id: whose it is, and what, was read the first time, and never changes.
 */
import type { ManagedRow } from '../../db/delayed-events.ts'
import { RecentMap } from '../lib/recent-map.ts'
import { type Going, Together } from '../lib/together.ts'

/** 12 MB. The one that was read longest ago is forgotten first. */
const mostRemembered = 50_000

export class ManagedEvents {
  readonly #reads: Together<string, ManagedRow | undefined>
  readonly #scheduled = new RecentMap<string, ManagedRow>(mostRemembered)

  /** @param read gives the delayed events of these ids, in their order */
  constructor(
    read: (delayIds: readonly string[]) => Promise<(ManagedRow | undefined)[]>,
    going: Going<string>,
  ) {
    this.#reads = new Together(read, going)
  }

  /** Undefined: there is none. */
  find(delayId: string): Promise<ManagedRow | undefined> {
    this.#scheduled.delete(delayId)
    return this.#reads.do(delayId)
  }

  /** As {@link find}; one that was scheduled may have been finalised since, or be gone. */
  async findToRestart(delayId: string): Promise<ManagedRow | undefined> {
    const known = this.#scheduled.get(delayId)
    if (known) return known
    const found = await this.find(delayId)
    // One that has no delay is refused as long as it is scheduled, and so it matters whether it is.
    if (found?.status === 'scheduled' && found.delay_ms !== null) {
      this.#scheduled.set(delayId, found)
    }
    return found
  }
}
