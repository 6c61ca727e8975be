/** Something that is started for who comes first, and stopped a moment after the last has left. */
import { systemClock, type Timer } from '../lib/clock.ts'

/** So long it outlives its last user: the next test is about to start a server. */
const lingerMs = 200

export class Shared<T extends { stop(): Promise<void> }> {
  readonly #start: () => Promise<T>
  #started: Promise<T> | undefined
  #users = 0
  #ending: Timer | undefined

  constructor(start: () => Promise<T>) {
    this.#start = start
  }

  /** Also who is refused has to leave. */
  use(): Promise<T> {
    this.#users += 1
    this.#ending?.cancel()
    this.#started ??= this.#start()
    return this.#started
  }

  /** @param isKept it stays nevertheless */
  leave(isKept: boolean): void {
    this.#users -= 1
    if (this.#users > 0 || isKept) return
    this.#ending = systemClock.timer(systemClock.now() + lingerMs, () => void this.stop())
  }

  /** Who uses it must have left before. */
  async stop(): Promise<void> {
    this.#ending?.cancel()
    const ended = this.#started
    this.#started = undefined
    await (await ended?.catch(() => undefined))?.stop()
  }
}
