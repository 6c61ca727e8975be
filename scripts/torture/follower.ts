/** Another user's client, in a long poll all the time: what it is shown, and when. */
import type { WireEvent } from '../../spec-tests/support/wire.ts'
import type { Room } from './load.ts'

const filter = JSON.stringify({ room: { timeline: { limit: 1000 } } })

export class Follower {
  since: string
  readonly #room: Room
  #shown: { event: WireEvent; at: number }[] = []
  #hangUp = new AbortController()
  #following: Promise<void> = Promise.resolve()

  private constructor(room: Room, since: string) {
    this.#room = room
    this.since = since
  }

  static async start(room: Room): Promise<Follower> {
    return new Follower(room, (await room.bob.sync()).next_batch)
  }

  /** Until it is stopped, or the server is gone. */
  follow(): void {
    this.#hangUp = new AbortController()
    this.#following = this.#follow(this.#hangUp.signal)
  }

  async stop(): Promise<void> {
    this.#hangUp.abort()
    await this.#following
  }

  async #follow(signal: AbortSignal): Promise<void> {
    try {
      for (;;) await this.#sync(10_000, signal)
    } catch {
      // Hung up, by us or by the server's death. What was not received is received the next time.
    }
  }

  async #sync(timeout: number, signal?: AbortSignal): Promise<void> {
    const response = await this.#room.bob.sync({ since: this.since, timeout, filter }, signal)
    const at = Date.now()
    const events = response.rooms.join?.[this.#room.id]?.timeline.events ?? []
    this.#shown.push(...events.map(event => ({ event, at })))
    this.since = response.next_batch
  }

  /** @returns what it has been shown since the last time, up to now */
  async take(): Promise<{ event: WireEvent; at: number }[]> {
    await this.stop()
    await this.#sync(0)
    const shown = this.#shown
    this.#shown = []
    return shown
  }
}
