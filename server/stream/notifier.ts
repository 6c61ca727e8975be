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
/** Somebody types somewhere, or has read on, or comes or goes. */
export const ephemeralTopic = 'ephemeral'
export const roomTopic = (roomId: string) => `room:${roomId}`
export const userTopic = (userId: string) => `user:${userId}`
/** An event has come into the room. Nobody waits for these five; they tell what need not be read. */
export const eventsTopic = (roomId: string) => `events:${roomId}`
/** A state event has, or one was redacted. */
export const stateTopic = (roomId: string) => `state:${roomId}`
/** A sticky event has (MSC4354). */
export const stickyTopic = (roomId: string) => `sticky:${roomId}`
/** Somebody has read on in the room, and others may know. */
export const receiptsTopic = (roomId: string) => `receipts:${roomId}`
/** A delayed event of somebody's has been finalised. */
export const finalisedTopic = 'finalised'
export const userFinalisedTopic = (userId: string) => `finalised:${userId}`
/** Somebody's devices or keys have changed. */
export const devicesTopic = 'devices'
/** Only ever published at 0: a device's sessions have ended, and whoever waits with one is woken. */
export const sessionTopic = (userId: string, deviceId: string) => `session:${userId} ${deviceId}`
/** Only ever published at 1: a file is uploaded once. */
export const mediaTopic = (mediaId: string) => `media:${mediaId}`

/** The room into which an event has come; undefined if the topic stands for something else. */
export function roomOfEventsTopic(topic: string): string | undefined {
  return topic.startsWith('events:') ? topic.slice('events:'.length) : undefined
}

/** Of so many topics it is known when they moved last. */
const mostTopics = 200_000

export class Notifier {
  readonly #clock: Clock
  /** Who moved longest ago is first. */
  readonly #latest = new Map<string, number>()
  readonly #waiters = new Map<string, Set<Waiter>>()
  /** Who was woken and neither waits again nor has ended, by the signal that they wait with. */
  readonly #busy = new Map<AbortSignal, () => void>()
  /** Of those, the ones for whom somebody waits. */
  readonly #rests = new Map<AbortSignal, { rest: Promise<void>; tell: () => void }>()
  #listener: ((topics: readonly string[]) => void) | undefined
  #stopped = false
  #rememberedAfter = Number.POSITIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Tell somebody who waits for nothing in particular of everything. There is one such. */
  listen(listener: (topics: readonly string[]) => void): void {
    this.#listener = listener
  }

  /** From here on (exclusive) every position is published; of what came before nothing is known. */
  rememberAfter(position: number): void {
    this.#rememberedAfter = position
  }

  /**
   * Whether there may be something of this topic after `after` (exclusive): there is, or it was
   * before what is remembered. If not, whoever reads up to a settled position has nothing to read.
   */
  hasMoved(topic: string, after: number): boolean {
    return !this.remembers(after) || (this.#latest.get(topic) ?? 0) > after
  }

  /** Whether all that came after `after` (exclusive) was published by this process, and is remembered. */
  remembers(after: number): boolean {
    return after >= this.#rememberedAfter
  }

  /** Something at `position` concerns these topics, and everything below it is settled. */
  publish(position: number, topics: readonly string[]): void {
    for (const topic of topics) {
      if (position > (this.#latest.get(topic) ?? 0)) this.#remember(topic, position)
      for (const waiter of [...(this.#waiters.get(topic) ?? [])]) waiter.wake()
    }
    this.#listener?.(topics)
  }

  /** What is forgotten for it happened as if before the server started. */
  #remember(topic: string, position: number): void {
    this.#latest.delete(topic)
    this.#latest.set(topic, position)
    if (this.#latest.size <= mostTopics) return
    for (const [oldest, movedAt] of this.#latest) {
      this.#latest.delete(oldest)
      this.#rememberedAfter = Math.max(this.#rememberedAfter, movedAt)
      break
    }
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
    this.#rest(signal)
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
          this.begin(signal)
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

  /** Whoever waits with this signal is at work until they wait, or until the signal aborts. */
  begin(signal: AbortSignal): void {
    if (signal.aborted || this.#busy.has(signal)) return
    const end = () => this.#rest(signal)
    this.#busy.set(signal, end)
    signal.addEventListener('abort', end)
  }

  /** Somebody is about to be woken: nothing is idle before this has ended. */
  async during<T>(work: Promise<T>): Promise<T> {
    const ended = new AbortController()
    this.begin(ended.signal)
    return work.finally(() => ended.abort())
  }

  /** Who was woken, and what they are at: until they have answered, or wait again. */
  atWork(): [who: AbortSignal, work: Promise<void>][] {
    return [...this.#busy.keys()].map(signal => {
      const { rest } = this.#rests.get(signal) ?? this.#noteRest(signal)
      return [signal, rest]
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

  #rest(signal: AbortSignal): void {
    const end = this.#busy.get(signal)
    if (!end) return
    signal.removeEventListener('abort', end)
    this.#busy.delete(signal)
    this.#rests.get(signal)?.tell()
    this.#rests.delete(signal)
  }

  #noteRest(signal: AbortSignal) {
    let tell: () => void = () => undefined
    const rest = new Promise<void>(resolve => {
      tell = resolve
    })
    const noted = { rest, tell }
    this.#rests.set(signal, noted)
    return noted
  }
}
