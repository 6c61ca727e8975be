/**
 * Who is online. Kept in memory: after a restart everybody is offline until they are seen again.
 *
 * Spec: Client-Server API "Presence".
 */
import type { Clock, Timer } from '../lib/clock.ts'
import type { JsonObject } from '../lib/json.ts'
import { LatestMoves } from '../lib/latest-moves.ts'
import { ephemeralTopic } from '../stream/notifier.ts'
import type { StreamClock } from '../stream/stream-clock.ts'

export const presenceStates = ['online', 'unavailable', 'offline'] as const
export type PresenceState = (typeof presenceStates)[number]

interface Entry {
  presence: PresenceState
  statusMessage: string | undefined
  lastActiveAt: number
  /** Stream position of the last change. */
  position: number
  offlineTimer: Timer | undefined
}

/** This long after their last `/sync` has ended a user is taken for offline. */
const offlineAfterMs = 60_000

export class Presence {
  readonly #clock: Clock
  readonly #positions: StreamClock
  readonly #topicsOf: (userId: string) => Promise<readonly string[]>
  readonly #entries = new Map<string, Entry>()
  readonly #moves = new LatestMoves()
  readonly #leaving = new Set<Promise<void>>()

  /** @param topicsOf who is to be woken when it changes how a user is */
  constructor(
    clock: Clock,
    positions: StreamClock,
    topicsOf: (userId: string) => Promise<readonly string[]>,
  ) {
    this.#clock = clock
    this.#positions = positions
    this.#topicsOf = topicsOf
  }

  /**
   * A user says how they are. If that is news, their room-mates are woken through `topics`.
   *
   * @param statusMessage undefined keeps the present one, null removes it
   * @param until Unix ms: they are known to be there until then
   */
  set(
    userId: string,
    presence: PresenceState,
    statusMessage: string | null | undefined,
    topics: readonly string[],
    until = this.#clock.now(),
  ): void {
    const before = this.#entries.get(userId)
    before?.offlineTimer?.cancel()
    const now = this.#clock.now()
    const message =
      statusMessage === undefined ? before?.statusMessage : (statusMessage ?? undefined)
    const isNews = before?.presence !== presence || before.statusMessage !== message
    const position =
      isNews || !before ? this.#positions.takeNow([...topics, ephemeralTopic]) : before.position
    const entry: Entry = {
      presence,
      statusMessage: message,
      lastActiveAt: presence === 'offline' ? (before?.lastActiveAt ?? now) : now,
      position,
      offlineTimer:
        presence === 'offline'
          ? undefined
          : this.#clock.timer(until + offlineAfterMs, () => this.#leave(userId, entry)),
    }
    this.#entries.set(userId, entry)
    if (position !== before?.position) this.#moves.set(userId, position)
  }

  /** They share other rooms by now than when they came. */
  #leave(userId: string, entry: Entry): void {
    // If they cannot be found, who waits is told with whatever happens next.
    const leaving = this.#topicsOf(userId)
      .catch(() => [])
      .then(topics => {
        this.#leaving.delete(leaving)
        // Seen again meanwhile.
        if (this.#entries.get(userId) !== entry) return
        this.set(userId, 'offline', undefined, topics)
      })
    this.#leaving.add(leaving)
  }

  /** Does a `/sync` that says `presence` change anything that others would see? */
  wouldChange(userId: string, presence: PresenceState): boolean {
    return this.#entries.get(userId)?.presence !== presence
  }

  /** `{ presence, last_active_ago, currently_active, status_msg? }`; offline if never seen. */
  of(userId: string): JsonObject {
    const entry = this.#entries.get(userId)
    if (!entry) return { presence: 'offline' }
    return {
      presence: entry.presence,
      last_active_ago: this.#clock.now() - entry.lastActiveAt,
      currently_active: entry.presence === 'online',
      ...(entry.statusMessage === undefined ? {} : { status_msg: entry.statusMessage }),
    }
  }

  /** Position of the last change; 0 if never seen. */
  positionOf(userId: string): number {
    return this.#entries.get(userId)?.position ?? 0
  }

  /** Users whose presence changed in (after, upTo]. */
  changed(after: number, upTo: number): string[] {
    return this.#moves.between(after, upTo)
  }

  async stop(): Promise<void> {
    for (const entry of this.#entries.values()) entry.offlineTimer?.cancel()
    await Promise.all(this.#leaving)
  }
}
