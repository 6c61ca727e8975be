/** What is being done for requests. It goes on when whoever has asked hangs up. */
import type { Around } from './endpoint.ts'

export class Acts {
  readonly #underWay = new Set<Promise<void>>()

  /** The same, with an eye on when it is over; but for what is asked of the laboratory itself. */
  around(around: Around): Around {
    return (endpoint, ...call) => {
      const act = around(endpoint, ...call)
      if (endpoint.auth !== 'lab') this.#note(act)
      return act
    }
  }

  #note(act: Promise<unknown>): void {
    const end = () => void this.#underWay.delete(over)
    const over = act.then(end, end)
    this.#underWay.add(over)
  }

  /** Until nothing is being done. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
  }
}
