/** Requests that are held for a time of the server's clock. */
import type { Response } from '../http/endpoint.ts'
import type { Clock } from '../lib/clock.ts'

export class Held {
  readonly #clock: Clock
  readonly #waiting = new Set<() => void>()
  #isClosed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Until so much time has passed, the client has hung up, or everybody is let go. */
  async wait(ms: number, response: Response): Promise<void> {
    if (this.#isClosed || response.destroyed) return
    await new Promise<void>(resolve => {
      const goOn = () => {
        timer.cancel()
        response.off('close', goOn)
        this.#waiting.delete(goOn)
        resolve()
      }
      const timer = this.#clock.timer(this.#clock.now() + ms, goOn)
      response.once('close', goOn)
      this.#waiting.add(goOn)
    })
  }

  /** Nobody waits any longer. */
  release(): void {
    for (const goOn of [...this.#waiting]) goOn()
  }

  /** The server stops: nobody waits any longer, and nobody ever again. */
  close(): void {
    this.#isClosed = true
    this.release()
  }

  /** How many wait. */
  waiting(): number {
    return this.#waiting.size
  }
}
