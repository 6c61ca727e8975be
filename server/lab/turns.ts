/** What changes a server as a whole, or holds its clock, comes one after the other. */
import { unknown } from '../matrix/errors.ts'

export class Turns {
  #last: Promise<unknown> = Promise.resolve()
  #isOver = false

  /**
   * Run when all that was asked for before is done. It must not wait for a turn of its own.
   *
   * @throws 503 M_UNKNOWN the server has been told to stop
   */
  take<T>(run: () => Promise<T>): Promise<T> {
    if (this.#isOver) return Promise.reject(unknown('The server has stopped', 503))
    const result = this.#last.then(run)
    this.#last = result.catch(() => undefined)
    return result
  }

  /** The same for what ends the server: nothing that is asked for later is run. */
  takeLast<T>(run: () => Promise<T>): Promise<T> {
    const result = this.take(run)
    this.#isOver = true
    return result
  }
}
