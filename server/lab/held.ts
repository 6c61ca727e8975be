/** Requests that are held for a time of the server's clock. */
import type { Response } from '../http/endpoint.ts'
import type { Clock } from '../lib/clock.ts'

export class Held {
  readonly #clock: Clock
  readonly #waiting = new Set<() => void>()
  /** Those that have been let go, and are not answered yet. */
  readonly #goingOn = new Set<Promise<void>>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * Until so much time has passed, the client has hung up, or everybody is let go.
   *
   * @param isSoonAnswered it is not a long poll, which may wait for the clock to move on
   */
  async wait(ms: number, response: Response, isSoonAnswered: boolean): Promise<void> {
    await new Promise<void>(resolve => {
      const goOn = () => {
        timer.cancel()
        response.off('close', goOn)
        this.#waiting.delete(goOn)
        if (isSoonAnswered) this.#note(response)
        resolve()
      }
      const timer = this.#clock.timer(this.#clock.now() + ms, goOn)
      response.once('close', goOn)
      this.#waiting.add(goOn)
    })
  }

  #note(response: Response): void {
    if (response.destroyed || response.writableFinished) return
    const answered = new Promise<void>(resolve => response.once('close', () => resolve()))
    this.#goingOn.add(answered)
    void answered.then(() => this.#goingOn.delete(answered))
  }

  /** Nobody waits any longer. */
  release(): void {
    for (const goOn of [...this.#waiting]) goOn()
  }

  /** How many wait. */
  waiting(): number {
    return this.#waiting.size
  }

  isIdle(): boolean {
    return this.#goingOn.size === 0
  }

  /** Until those that were let go have been answered. */
  async idle(): Promise<void> {
    while (!this.isIdle()) await Promise.all(this.#goingOn)
  }
}
