/** What time has brought about, read from the table and not from what we believe to have done. */
import { type FiredRow, selectFinalisedSince } from '../../db/delayed-events-fired.ts'
import type { Fired } from './fired.ts'
import type { Lab } from './lab.ts'

/**
 * Collects them from one look to the next; they are forgotten in time, so look often. Where nothing has
 * been committed since the last look, there is nothing to see.
 */
export class FiredSoFar {
  readonly #lab: Lab
  readonly #seen = new Set<string>()
  readonly fired: Fired[] = []
  #since: number
  /** As `lab.transactions` was before the last look. */
  #lookedAfter: number

  /** From this moment on. */
  static async from(lab: Lab): Promise<FiredSoFar> {
    const soFar = new FiredSoFar(lab)
    for (const row of await selectFinalisedSince(lab.context.db, soFar.#since)) {
      soFar.#seen.add(row.delay_id)
    }
    return soFar
  }

  private constructor(lab: Lab) {
    this.#lab = lab
    this.#since = lab.clock.now()
    this.#lookedAfter = lab.transactions
  }

  async look(): Promise<void> {
    const { context, clock, transactions } = this.#lab
    if (transactions === this.#lookedAfter) return
    const now = clock.now()
    for (const row of await selectFinalisedSince(context.db, this.#since)) {
      if (this.#seen.has(row.delay_id)) continue
      this.#seen.add(row.delay_id)
      this.fired.push(firedOf(row))
    }
    this.#since = now
    this.#lookedAfter = transactions
  }
}

function firedOf(row: FiredRow): Fired {
  return {
    delay_id: row.delay_id,
    user_id: row.user_id,
    room_id: row.room_id,
    type: row.type,
    ...(row.state_key === null ? {} : { state_key: row.state_key }),
    outcome: row.status as Fired['outcome'],
    cause: row.cause as Fired['cause'],
    ...(row.send_at === null ? {} : { send_at: row.send_at }),
    finalised_ts: row.finalised_ts ?? 0,
    ...(row.event_id === null ? {} : { event_id: row.event_id }),
    ...(row.error === null ? {} : { error: JSON.parse(row.error) }),
  }
}
