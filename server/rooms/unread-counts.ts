/**
 * How many events a user has not read that their push rules notify of.
 *
 * Counted when somebody asks, which is when they sync, and not when an event is sent: a send in a
 * room of 10,000 costs nothing for the 9,999. What has been counted is kept in memory and goes on
 * from there with the next event; a receipt, a change of rules, or a redaction makes it forgotten,
 * and counted anew from the receipts, which stand near the end of the room. Everybody who is woken
 * by one event shares one reading of it (decision 30). Who writes has read what was there before
 * (decision 91).
 *
 * Spec: Client-Server API "Receiving notifications", "Threaded read receipts"
 */
import { selectOwnReceipts } from '../../db/receipts.ts'
import type { Db } from '../../db/transaction.ts'
import { type RuledRow, selectForRules, selectOwnJoins } from '../../db/unread.ts'
import { groupBy } from '../lib/group-by.ts'
import { RecentMap } from '../lib/recent-map.ts'
import { actionsFor, isHighlight, isNotifying, type RuledRoom } from '../matrix/push-evaluation.ts'
import type { LatestEvents } from './latest-events.ts'
import { type ReadMarks, readMarks, unreadAfter } from './read-marks.ts'
import {
  displayNameIn,
  type Recipient,
  type StoredRuledEvent,
  selectRecipient,
  toRuledEvent,
} from './recipient.ts'
import type { RuledRooms } from './ruled-rooms.ts'
import { contentOf } from './stored-event.ts'

export interface Count {
  notifications: number
  highlights: number
}

/** By thread; `main` is the main timeline. Without those that are zero. */
export type Counts = ReadonlyMap<string, Count>

/** What is known of one user in one room. */
interface Entry {
  displayName: string | undefined
  marks: ReadMarks
  /** Counted up to here, inclusive. */
  upTo: number
  counts: Map<string, Count>
}

/** A part of a room's timeline, read for everybody. */
interface Reading {
  /** Exclusive. */
  after: number
  /** Inclusive. */
  upTo: number
  result: Promise<ReadStretches>
  /** How long its events are, once they have been read. */
  characters: number
}

interface ReadStretches {
  events: StoredRuledEvent[]
  rooms: Map<string, RuledRoom>
  characters: number
}

/** In a room that somebody has not read for longer, only this many events are looked at. */
const mostEvents = 1_000
/** Of this many rooms, one by one, for others share the reading; of more, in one query. */
const fewRooms = 8
/** More of users' rooms, and of threads in them, are not kept; what was counted anew longest ago goes first. */
const mostEntries = 50_000
/** In characters, of rules and of events; and what each takes besides its text, about. */
const mostCharacters = 32_000_000
const recipientCharacters = 1_500
const eventCharacters = 500

export class UnreadCounts {
  /** By user, and then by room. */
  readonly #entries = new RecentMap<string, Map<string, Entry>>(mostEntries, sizeOfUser)
  readonly #recipients = new RecentMap<string, Recipient>(
    mostCharacters,
    ({ characters }) => recipientCharacters + characters,
  )
  readonly #readings = new RecentMap<string, Reading>(
    mostCharacters,
    ({ characters }) => eventCharacters + characters,
  )
  /** Goes up when something is forgotten: what was read before that is not to be kept. */
  #forgettings = 0
  readonly #latest: LatestEvents
  readonly #ruledRooms: RuledRooms

  constructor(latest: LatestEvents, ruledRooms: RuledRooms) {
    this.#latest = latest
    this.#ruledRooms = ruledRooms
  }

  /** The user's receipts in this room have moved. */
  forgetRoom(userId: string, roomId: string): void {
    this.#forgettings += 1
    this.#entries.get(userId)?.delete(roomId)
  }

  /** The user's push rules, or whom they ignore, have changed. */
  forgetUser(userId: string): void {
    this.#forgettings += 1
    this.#recipients.delete(userId)
    this.#entries.delete(userId)
  }

  /**
   * The counts of rooms that the user is in.
   *
   * @param upTo settled position, inclusive
   */
  async of(
    db: Db,
    userId: string,
    roomIds: readonly string[],
    upTo: number,
  ): Promise<Map<string, Counts>> {
    const entries = await this.#entriesOf(db, userId, roomIds, upTo)
    return new Map([...entries].map(([roomId, { counts }]) => [roomId, counts]))
  }

  /**
   * How far the user has read rooms that they are in, by receipts and by what they have written; of that,
   * as far back as events are counted.
   *
   * @param upTo settled position, inclusive
   */
  async marks(
    db: Db,
    userId: string,
    roomIds: readonly string[],
    upTo: number,
  ): Promise<Map<string, ReadMarks>> {
    const entries = await this.#entriesOf(db, userId, roomIds, upTo)
    return new Map([...entries].map(([roomId, { marks }]) => [roomId, marks]))
  }

  async #entriesOf(
    db: Db,
    userId: string,
    roomIds: readonly string[],
    upTo: number,
  ): Promise<Map<string, Entry>> {
    if (roomIds.length === 0) return new Map()
    const recipient = await this.recipient(db, userId)
    const known = await this.#goOn(db, recipient, roomIds, upTo)
    const unknown = roomIds.filter(roomId => !known.has(roomId))
    return new Map([...known, ...(await this.#countAnew(db, recipient, unknown, upTo))])
  }

  /** The rules of a user, and whom they ignore. */
  async recipient(db: Db, userId: string): Promise<Recipient> {
    const known = this.#recipients.get(userId)
    if (known) return known
    const before = this.#forgettings
    const recipient = await selectRecipient(db, userId)
    if (before === this.#forgettings) {
      this.#recipients.set(userId, recipient)
    }
    return recipient
  }

  /** Count what has come since. Rooms of which nothing is known, or no longer true, are left out. */
  async #goOn(
    db: Db,
    recipient: Recipient,
    roomIds: readonly string[],
    upTo: number,
  ): Promise<Map<string, Entry>> {
    const { userId } = recipient
    const known = roomIds.flatMap(roomId => {
      const entry = this.#entries.get(userId)?.get(roomId)
      return entry ? [{ roomId, entry, after: entry.upTo }] : []
    })
    const behind = known.filter(({ after }) => after < upTo)
    const readings =
      behind.length <= fewRooms
        ? await Promise.all(behind.map(({ roomId, after }) => this.#read(db, roomId, after, upTo)))
        : [await this.#readStretches(db, behind, upTo)]
    const byRoom = groupBy(
      readings.flatMap(reading => reading.events),
      event => event.room_id,
    )
    const rooms = new Map(readings.flatMap(reading => [...reading.rooms]))
    // Another request may have counted meanwhile; from here on nothing is awaited.
    for (const { roomId, entry } of behind) {
      const ofRoom = byRoom.get(roomId) ?? []
      this.#add(recipient, roomId, entry, ofRoom, rooms.get(roomId), upTo)
    }
    return new Map(
      known.flatMap(({ roomId, entry }) =>
        this.#entries.get(userId)?.get(roomId) === entry ? [[roomId, entry]] : [],
      ),
    )
  }

  #add(
    recipient: Recipient,
    roomId: string,
    entry: Entry,
    events: readonly StoredRuledEvent[],
    room: RuledRoom | undefined,
    upTo: number,
  ): void {
    const fresh = events.filter(event => event.position > entry.upTo && event.position <= upTo)
    const isUpset = fresh.some(
      ({ type, state_key }) =>
        type === 'm.room.redaction' || (type === 'm.room.member' && state_key === recipient.userId),
    )
    if (isUpset) {
      this.#entries.get(recipient.userId)?.delete(roomId)
      return
    }
    const before = sizeOf(entry)
    if (room) countInOrder(entry, fresh, recipient, room)
    entry.upTo = Math.max(entry.upTo, upTo)
    const ofUser = this.#entries.get(recipient.userId)
    const hasGrown = sizeOf(entry) > before && ofUser?.get(roomId) === entry
    if (ofUser && hasGrown) this.#entries.set(recipient.userId, ofUser)
  }

  /** All that are woken by the same event ask for the same, or nearly so. */
  #read(db: Db, roomId: string, after: number, upTo: number): Reading['result'] {
    const present = this.#readings.get(roomId)
    if (present && present.after <= after && present.upTo >= upTo) return present.result
    const result = this.#readStretches(db, [{ roomId, after }], upTo)
    const reading = { after, upTo, result, characters: 0 }
    this.#readings.set(roomId, reading)
    const isStillThere = () => this.#readings.get(roomId) === reading
    result.then(
      ({ characters }) => {
        reading.characters = characters
        if (isStillThere()) this.#readings.set(roomId, reading)
      },
      // Whoever comes next tries again; those who wait are told.
      () => {
        if (isStillThere()) this.#readings.delete(roomId)
      },
    )
    return result
  }

  async #countAnew(
    db: Db,
    recipient: Recipient,
    roomIds: readonly string[],
    upTo: number,
  ): Promise<Map<string, Entry>> {
    if (roomIds.length === 0) return new Map()
    const { userId } = recipient
    const before = this.#forgettings
    const joins = await selectOwnJoins(db, userId, roomIds)
    const receipts = await selectOwnReceipts(db, userId, roomIds)
    const entries = new Map<string, Entry>()
    for (const join of joins) {
      const own = receipts.filter(receipt => receipt.room_id === join.room_id)
      entries.set(join.room_id, {
        displayName: displayNameIn(contentOf(join)),
        marks: readMarks(own, join.joined_position),
        upTo,
        counts: new Map(),
      })
    }
    const stretches = [...entries].map(([roomId, { marks }]) => ({
      roomId,
      after: unreadAfter(marks, 'main'),
      threadsAfter: marks.everywhere,
    }))
    const rows = await selectForRules(db, stretches, upTo, mostEvents)
    const rooms = await this.#roomsOf(db, rows, upTo)
    for (const [roomId, ofRoom] of groupBy(rows.map(toRuledEvent), event => event.room_id)) {
      const [entry, room] = [entries.get(roomId), rooms.get(roomId)]
      if (entry && room) countInOrder(entry, ofRoom, recipient, room)
    }
    if (before === this.#forgettings) {
      const ofUser = this.#entries.get(userId) ?? new Map<string, Entry>()
      for (const [roomId, entry] of entries) ofUser.set(roomId, entry)
      this.#entries.set(userId, ofUser)
    }
    return entries
  }

  async #readStretches(
    db: Db,
    stretches: readonly { roomId: string; after: number }[],
    upTo: number,
  ): Reading['result'] {
    const known = stretches.map(({ roomId, after }) => this.#latestOf(roomId, after, upTo))
    const read = await selectForRules(
      db,
      stretches
        .filter((_, i) => known[i] === undefined)
        .map(({ roomId, after }) => ({ roomId, after, threadsAfter: after })),
      upTo,
      mostEvents,
    )
    const rows = [...known.flatMap(ofRoom => ofRoom ?? []), ...read]
    const characters = rows.reduce((sum, row) => sum + row.pdu.length + eventCharacters, 0)
    return {
      events: rows.map(toRuledEvent),
      rooms: await this.#roomsOf(db, rows, upTo),
      characters,
    }
  }

  /** Undefined also if the database has to say in which thread one of them is. */
  #latestOf(roomId: string, after: number, upTo: number): RuledRow[] | undefined {
    const rows = this.#latest.between(roomId, after, upTo)
    const isPlain = rows?.every(row => row.relates_to === null || row.rel_type === 'm.thread')
    return isPlain ? rows?.map(row => ({ ...row, thread: row.relates_to })) : undefined
  }

  #roomsOf(db: Db, rows: readonly RuledRow[], upTo: number): Promise<Map<string, RuledRoom>> {
    return this.#ruledRooms.of(db, [...new Set(rows.map(row => row.room_id))], upTo)
  }
}

function sizeOfUser(ofUser: ReadonlyMap<string, Entry>): number {
  let size = 1
  for (const entry of ofUser.values()) size += sizeOf(entry)
  return size
}

/** A room counts for one, or for as many as the threads that are known of it. */
const sizeOf = ({ counts, marks }: Entry): number => Math.max(1, counts.size, marks.threads.size)

function countInOrder(
  entry: Entry,
  events: readonly StoredRuledEvent[],
  recipient: Recipient,
  room: RuledRoom,
): void {
  const inOrder = [...events].sort((one, other) => one.position - other.position)
  for (const event of inOrder) {
    if (event.sender !== recipient.userId) count(entry, event, recipient, room)
    else if (event.isWritten) markAsRead(entry, event)
  }
}

function markAsRead({ marks, counts }: Entry, { thread, position }: StoredRuledEvent): void {
  if (position <= unreadAfter(marks, thread)) return
  marks.threads.set(thread, position)
  counts.delete(thread)
}

function count(entry: Entry, event: StoredRuledEvent, recipient: Recipient, room: RuledRoom): void {
  const { userId, rules, ignored } = recipient
  if (event.isRedacted || ignored.has(event.sender)) return
  if (event.position <= unreadAfter(entry.marks, event.thread)) return
  const actions = actionsFor(rules, event, { userId, displayName: entry.displayName }, room)
  if (!isNotifying(actions)) return
  const counted = entry.counts.get(event.thread) ?? { notifications: 0, highlights: 0 }
  entry.counts.set(event.thread, {
    notifications: counted.notifications + 1,
    highlights: counted.highlights + (isHighlight(actions) ? 1 : 0),
  })
}
