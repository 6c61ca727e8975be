/**
 * The latest events of rooms, as they are in the database, for those who wait for just these.
 *
 * An event is kept when its transaction has committed, before its position settles; so of a room that
 * is kept, every event after `after` and up to any settled position is here. A redaction changes an
 * event that is stored, and makes its room forgotten. Nobody is asked whether they may see anything:
 * that is for whoever reads, as it is with the database.
 */
import type { Replacement } from '../../db/events.ts'
import type { EventRow } from '../../db/schema.ts'
import type { Tx } from '../../db/transaction.ts'
import type { ClientEvent } from '../matrix/event.ts'
import type { StreamClock } from '../stream/stream-clock.ts'

interface Tail {
  /** Exclusive: every event of the room after it is in `rows`. */
  after: number
  /** In order of position. */
  rows: EventRow[]
}

export interface RoomEnd {
  roomId: string
  /** Inclusive. */
  from: number
  /** Inclusive; a settled position, or one before it. */
  upTo: number
}

/** Of each room at least so many are kept, if it had them; clients ask for the last 20. */
const mostInRoom = 40
/** In all, in characters. Who was not asked for longest goes first. */
const mostCharacters = 32_000_000
/** What a row takes besides its PDU, and what is made of it takes besides being as long once more. */
const rowCharacters = 1_000

/** What has been made of a row that is here, for who needs the same again. */
export interface Made {
  /** The client form for `/sync`; nobody may change it. */
  event?: ClientEvent
  /** Null: it replaced nothing. */
  replaced?: Replacement | null
}

/**
 * By row, so that it ends with the row: one that was read again, after something had changed, has
 * nothing made of it yet.
 */
const made = new WeakMap<EventRow, Made>()

/** To be looked into and added to; undefined for a row that is not kept. */
export const madeOf = (row: EventRow): Made | undefined => made.get(row)

const sizeOf = ({ pdu }: EventRow) => 2 * pdu.length + rowCharacters

export class LatestEvents {
  /** Who was used last is last. */
  readonly #rooms = new Map<string, Tail>()
  #characters = 0
  /** Goes up when something is forgotten, or was noted and is not here. */
  #forgettings = 0
  /** The highest position that was here and is not any more. */
  #droppedUpTo = 0

  /** These were appended, each in its order in its room. */
  note(tx: Tx, rows: readonly EventRow[]): void {
    tx.onEnd(committed => {
      if (!committed) return
      for (const row of rows) this.#add(row)
      this.#shrink()
    })
  }

  /** An event of the room is changed. */
  forget(tx: Tx, roomId: string): void {
    tx.onEnd(() => this.#drop(roomId))
  }

  /**
   * To be said before events are read that are to be kept. What is forgotten while they are read, or was
   * noted and is not here, they would lack; and what is in flight may be read before it is noted.
   *
   * @returns keeps the end of a room: `rows`, latest first, and whether there are no more of them in that
   *   stretch. Nothing is kept where something was in flight, or had come after the end, when the reading
   *   began.
   */
  beginReading(
    positions: Pick<StreamClock, 'latest' | 'isIdle'>,
  ): (end: RoomEnd, rows: readonly EventRow[], isAll: boolean) => void {
    const forgettings = this.#forgettings
    const latest = positions.isIdle() ? positions.latest() : Number.POSITIVE_INFINITY
    return (end, rows, isAll) => {
      if (end.upTo >= latest && forgettings === this.#forgettings) this.#keep(end, rows, isAll)
    }
  }

  #keep(end: RoomEnd, rows: readonly EventRow[], isAll: boolean): void {
    const oldest = rows.at(-1)?.position ?? end.from
    const after = isAll ? end.from - 1 : oldest - 1
    const tail = this.#rooms.get(end.roomId)
    if (tail && tail.after <= after) return
    const later = tail ? tail.rows : []
    const earlier = rows.filter(row => row.position <= (tail?.after ?? end.upTo)).reverse()
    this.#rooms.set(end.roomId, { after, rows: [...earlier, ...later] })
    for (const row of earlier) this.#take(row)
    this.#shrink()
  }

  /** All events of a room in (after, upTo], oldest first; undefined if they are not all here. */
  between(roomId: string, after: number, upTo: number): EventRow[] | undefined {
    const tail = this.#use(roomId)
    if (!tail || tail.after > after) return undefined
    return tail.rows.filter(({ position }) => position > after && position <= upTo)
  }

  /** The latest `limit` that pass, latest first; undefined if they are not all here. */
  end(
    { roomId, from, upTo }: RoomEnd,
    limit: number,
    passes: (row: EventRow) => boolean,
  ): EventRow[] | undefined {
    if (from > upTo || limit === 0) return []
    const tail = this.#use(roomId)
    if (!tail) return undefined
    const found: EventRow[] = []
    for (let i = tail.rows.length - 1; i >= 0; i--) {
      const row = tail.rows[i]
      if (!row || row.position < from) break
      if (row.position > upTo || !passes(row)) continue
      found.push(row)
      if (found.length === limit) return found
    }
    return tail.after < from ? found : undefined
  }

  #use(roomId: string): Tail | undefined {
    const tail = this.#rooms.get(roomId)
    if (!tail) return undefined
    this.#rooms.delete(roomId)
    this.#rooms.set(roomId, tail)
    return tail
  }

  #add(row: EventRow): void {
    const known = this.#use(row.room_id)
    const tail = known ?? { after: row.position - 1, rows: [] }
    // Heard of late: it is before what is here, or, of a room that is not here, what came after it
    // may have been forgotten. A tail that is here holds all that comes, also if it has no rows yet.
    if (row.position <= tail.after || (!known && row.position < this.#droppedUpTo)) {
      this.#forgettings += 1
      return
    }
    const place = tail.rows.findLastIndex(({ position }) => position < row.position) + 1
    tail.rows.splice(place, 0, row)
    this.#rooms.set(row.room_id, tail)
    this.#take(row)
    if (tail.rows.length < 2 * mostInRoom) return
    this.#forgettings += 1
    for (const dropped of tail.rows.splice(0, tail.rows.length - mostInRoom)) {
      tail.after = dropped.position
      this.#characters -= sizeOf(dropped)
    }
  }

  #take(row: EventRow): void {
    made.set(row, {})
    this.#characters += sizeOf(row)
  }

  #drop(roomId: string): void {
    this.#forgettings += 1
    for (const row of this.#rooms.get(roomId)?.rows ?? []) {
      this.#characters -= sizeOf(row)
      this.#droppedUpTo = Math.max(this.#droppedUpTo, row.position)
    }
    this.#rooms.delete(roomId)
  }

  #shrink(): void {
    for (const roomId of this.#rooms.keys()) {
      if (this.#characters <= mostCharacters) return
      this.#drop(roomId)
    }
  }
}
