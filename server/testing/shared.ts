/** Something that is started for who comes first, and stopped a moment after the last has left. */
import { type Clock, systemClock, type Timer } from '../lib/clock.ts'

/** So long it outlives its last user: the next test is about to start a server. */
const lingerMs = 200

export class Shared<T extends { stop(isHurried?: boolean): Promise<void> }> {
  readonly #start: () => Promise<T>
  readonly #clock: Clock
  #started: Promise<T> | undefined
  #users = 0
  #ending: Timer | undefined

  constructor(start: () => Promise<T>, clock: Clock = systemClock) {
    this.#start = start
    this.#clock = clock
  }

  /** Also who is refused has to leave. */
  use(): Promise<T> {
    this.#users += 1
    this.#ending?.cancel()
    this.#started ??= this.#start().catch(error => {
      this.#started = undefined
      throw error
    })
    return this.#started
  }

  /** @param isKept it stays nevertheless */
  leave(isKept = false): void {
    this.#users -= 1
    if (this.#users > 0 || isKept) return
    // Nobody is there any more to be told that it failed.
    const end = () => this.stop().catch(() => undefined)
    this.#ending = this.#clock.timer(this.#clock.now() + lingerMs, () => void end())
  }

  /** Who uses it must have left before. @param isHurried somebody waits for it */
  async stop(isHurried = false): Promise<void> {
    this.#ending?.cancel()
    const ended = this.#started
    this.#started = undefined
    await (await ended?.catch(() => undefined))?.stop(isHurried)
  }
}
