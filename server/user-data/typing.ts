/**
 * Who is typing where. Kept in memory: after a restart nobody is until they say so again.
 *
 * Spec: Client-Server API "Typing Notifications"
 */
import type { Clock, Timer } from '../lib/clock.ts'
import { LatestMoves } from '../lib/latest-moves.ts'
import { ephemeralTopic, roomTopic } from '../stream/notifier.ts'
import type { StreamClock } from '../stream/stream-clock.ts'

interface Room {
  /** Stream position of the last change. */
  position: number
  typing: Map<string, Timer>
}

/** A client that has gone away is not taken for typing longer than this. */
const longestMs = 120_000

export class Typing {
  readonly #clock: Clock
  readonly #positions: StreamClock
  readonly #rooms = new Map<string, Room>()
  readonly #moves = new LatestMoves()
  /** Until then somebody may be taken for typing of whom another process has told. Unix ms. */
  readonly #rememberedUntil: number

  constructor(clock: Clock, positions: StreamClock) {
    this.#clock = clock
    this.#positions = positions
    this.#rememberedUntil = clock.now() + longestMs
  }

  /** The user types, for `timeoutMs` unless they say so again. The room is woken if it is news. */
  start(roomId: string, userId: string, timeoutMs: number): void {
    const room = this.#rooms.get(roomId) ?? { position: 0, typing: new Map<string, Timer>() }
    this.#rooms.set(roomId, room)
    const before = room.typing.get(userId)
    before?.cancel()
    const until = this.#clock.now() + Math.min(timeoutMs, longestMs)
    room.typing.set(
      userId,
      this.#clock.timer(until, () => this.stop(roomId, userId)),
    )
    if (!before) room.position = this.#take(roomId)
  }

  /** They say that they do not type any more: also those hear it who were told of it before a restart. */
  end(roomId: string, userId: string): void {
    if (!this.#rooms.has(roomId) && this.#clock.now() < this.#rememberedUntil) {
      this.#rooms.set(roomId, { position: this.#take(roomId), typing: new Map() })
    } else this.stop(roomId, userId)
  }

  /** They do not type any more. */
  stop(roomId: string, userId: string): void {
    const room = this.#rooms.get(roomId)
    const timer = room?.typing.get(userId)
    if (!room || !timer) return
    timer.cancel()
    room.typing.delete(userId)
    room.position = this.#take(roomId)
  }

  #take(roomId: string): number {
    const position = this.#positions.takeNow([roomTopic(roomId), ephemeralTopic])
    this.#moves.set(roomId, position)
    return position
  }

  /** The rooms in which it changed who types, in (after, upTo]. */
  roomsChanged(after: number, upTo: number): string[] {
    return this.#moves.between(after, upTo)
  }

  /**
   * Who types in this room, if that changed in (after, upTo]; undefined if not.
   *
   * @param after undefined asks for whoever types now; undefined if nobody does
   */
  changed(roomId: string, after: number | undefined, upTo: number): string[] | undefined {
    const room = this.#rooms.get(roomId)
    if (!room || room.position > upTo || room.position <= (after ?? 0)) return undefined
    if (after === undefined && room.typing.size === 0) return undefined
    return [...room.typing.keys()]
  }

  /** Let the timers go. */
  close(): void {
    for (const room of this.#rooms.values()) {
      for (const timer of room.typing.values()) timer.cancel()
    }
  }
}
