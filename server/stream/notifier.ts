/**
 * Waking those who wait. A wake-up carries a position, never data: whoever wakes reads the
 * database again. A spurious wake is cheaper than a missed one.
 */
import type { Clock } from '../lib/clock.ts'

interface Waiter {
  topics: readonly string[]
  wake(): void
}

/** Something has happened in some room. */
export const allRoomsTopic = 'rooms'
export const roomTopic = (roomId: string) => `room:${roomId}`
export const userTopic = (userId: string) => `user:${userId}`
/** Only ever published at 1: a file is uploaded once. */
export const mediaTopic = (mediaId: string) => `media:${mediaId}`

/** The room that a topic stands for; undefined if it stands for something else. */
export function roomOfTopic(topic: string): string | undefined {
  return topic.startsWith('room:') ? topic.slice('room:'.length) : undefined
}

export class Notifier {
  readonly #clock: Clock
  readonly #latest = new Map<string, number>()
  readonly #waiters = new Map<string, Set<Waiter>>()
  #listener: ((topics: readonly string[]) => void) | undefined
  #stopped = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Tell somebody who waits for nothing in particular of everything. There is one such. */
  listen(listener: (topics: readonly string[]) => void): void {
    this.#listener = listener
  }

  /** Something at `position` concerns these topics, and everything below it is settled. */
  publish(position: number, topics: readonly string[]): void {
    for (const topic of topics) {
      if (position > (this.#latest.get(topic) ?? 0)) this.#latest.set(topic, position)
      for (const waiter of [...(this.#waiters.get(topic) ?? [])]) waiter.wake()
    }
    this.#listener?.(topics)
  }

  /**
   * Wait until one of the topics has moved past `after` (exclusive), until `deadline` (Unix ms),
   * until the signal aborts, or until the server stops: whichever is first. Returns at once if a
   * topic is past it already, so it does not matter whether the publish or the wait came first.
   */
  wait(
    topics: readonly string[],
    after: number,
    deadline: number,
    signal: AbortSignal,
  ): Promise<void> {
    const isPast = topics.some(topic => (this.#latest.get(topic) ?? 0) > after)
    if (isPast || signal.aborted || this.#stopped || deadline <= this.#clock.now()) {
      return Promise.resolve()
    }
    return new Promise(resolve => {
      const waiter: Waiter = {
        topics,
        wake: () => {
          for (const topic of topics) {
            const others = this.#waiters.get(topic)
            others?.delete(waiter)
            if (others?.size === 0) this.#waiters.delete(topic)
          }
          timer.cancel()
          signal.removeEventListener('abort', waiter.wake)
          resolve()
        },
      }
      const timer = this.#clock.timer(deadline, waiter.wake)
      signal.addEventListener('abort', waiter.wake)
      for (const topic of topics) {
        const others = this.#waiters.get(topic) ?? new Set()
        this.#waiters.set(topic, others.add(waiter))
      }
    })
  }

  /** Wake everybody, and let nobody wait any more. */
  stop(): void {
    this.#stopped = true
    for (const waiters of [...this.#waiters.values()]) {
      for (const waiter of [...waiters]) waiter.wake()
    }
  }

  /** The server is stopping: whoever would wait should answer instead. */
  isStopped(): boolean {
    return this.#stopped
  }

  /** How many calls of `wait` are open. */
  waiting(): number {
    return new Set([...this.#waiters.values()].flatMap(waiters => [...waiters])).size
  }
}
