/** The laboratory: who holds the clock of a server, and does one thing after the other. */
import type { Context } from '../context.ts'
import type { LabClock } from '../lib/lab-clock.ts'
import { Faults } from './faults.ts'

/** The server that the laboratory holds; its context may be another one each time it is asked. */
export interface Held {
  readonly context: Context
}

export class Lab {
  readonly clock: LabClock
  readonly faults: Faults
  #held: Held | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(clock: LabClock) {
    this.clock = clock
    this.faults = new Faults(clock)
  }

  attach(held: Held): void {
    this.#held = held
  }

  get context(): Context {
    if (!this.#held) throw new Error('the laboratory holds no server')
    return this.#held.context
  }

  /** Run when all that was asked for before is done. */
  inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#last.then(run)
    this.#last = result.catch(() => undefined)
    return result
  }
}
