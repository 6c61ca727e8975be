/** Rooms as the conditions of push rules see them, kept as long as their state stays as it is. */
import type { Db } from '../../db/transaction.ts'
import { RecentMap } from '../lib/recent-map.ts'
import type { RuledRoom } from '../matrix/push-evaluation.ts'
import { type Notifier, stateTopic } from '../stream/notifier.ts'
import { selectRuledRooms } from './recipient.ts'

interface Known {
  room: RuledRoom
  /** When it was read, everything up to here was settled. */
  at: number
}

/** Who was read first goes first. */
const mostRooms = 2_000

export class RuledRooms {
  readonly #notifier: Notifier
  readonly #rooms = new RecentMap<string, Known>(mostRooms)

  constructor(notifier: Notifier) {
    this.#notifier = notifier
  }

  /** @param upTo settled position; they are as they were then, or later */
  async of(db: Db, roomIds: readonly string[], upTo: number): Promise<Map<string, RuledRoom>> {
    const current = new Map(roomIds.flatMap(roomId => this.#current(roomId)))
    const unknown = roomIds.filter(roomId => !current.has(roomId))
    if (unknown.length === 0) return current
    for (const [roomId, room] of await selectRuledRooms(db, unknown)) {
      current.set(roomId, room)
      this.#rooms.set(roomId, { room, at: upTo })
    }
    return current
  }

  #current(roomId: string): [string, RuledRoom][] {
    const known = this.#rooms.get(roomId)
    if (!known || this.#notifier.hasMoved(stateTopic(roomId), known.at)) return []
    return [[roomId, known.room]]
  }
}
