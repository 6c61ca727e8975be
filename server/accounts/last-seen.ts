/**
 * When and from where devices were last seen. Kept in memory and written now and then, all at once:
 * a request does not wait for it, and a crash costs the last minute of it.
 */
import { type Sighting, updateLastSeen } from '../../db/last-seen.ts'
import { type Pool, transaction } from '../../db/transaction.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Requester } from '../requester.ts'

const betweenWritesMs = 60_000
/** Longer ones say nothing more. */
const maxUserAgentLength = 255

interface Sight {
  requester: Requester
  from: { ip: string; userAgent: string | undefined }
  /** Unix ms */
  at: number
}

export class LastSeen {
  readonly #clock: Clock
  readonly #db: Pool
  /** By user and device. */
  readonly #unwritten = new Map<string, Sight>()
  #timer: Timer | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(clock: Clock, db: Pool) {
    this.#clock = clock
    this.#db = db
  }

  /** @param from `ip` may be empty: the client has hung up */
  note(requester: Requester, from: { ip: string; userAgent: string | undefined }): void {
    if (requester.deviceId === '') return
    // In a user ID is no space.
    const key = `${requester.userId} ${requester.deviceId}`
    this.#unwritten.set(key, { requester, from, at: this.#clock.now() })
    this.#timer ??= this.#clock.timer(this.#clock.now() + betweenWritesMs, () => {
      // What could not be written is seen again, or was not worth a failure.
      void this.write().catch(() => undefined)
    })
  }

  /** Write what is new; who reads the table sees it from then on. */
  async write(): Promise<void> {
    this.#timer?.cancel()
    this.#timer = undefined
    const sightings = [...this.#unwritten.values()].map(sightingOf)
    this.#unwritten.clear()
    const before = this.#writing
    const write = async () => {
      await before.catch(() => undefined)
      if (sightings.length > 0) await transaction(this.#db, tx => updateLastSeen(tx, sightings))
    }
    this.#writing = write()
    await this.#writing
  }
}

function sightingOf({ requester, from, at }: Sight): Sighting {
  return {
    user_id: requester.userId,
    device_id: requester.deviceId,
    last_seen_ts: at,
    last_seen_ip: from.ip,
    // Of a header's bytes, what every database can keep.
    last_seen_user_agent: (from.userAgent ?? '')
      .slice(0, maxUserAgentLength)
      .replace(/[^ -~]/g, '?'),
  }
}
