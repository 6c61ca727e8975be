/**
 * What each connection of sliding sync has been told, so that it is only told what is new.
 *
 *     (nothing) ──without pos──► told nothing
 *     told ──answer──► told, and an answer that may or may not have arrived
 *     … ──pos of that answer──► it has arrived: what it told counts as told
 *     … ──pos of the answer before──► it was lost: it is forgotten, and told again
 *     … ──any other pos──► 400 M_UNKNOWN_POS; the client begins anew
 *
 * Kept in memory, bounded. A connection that is forgotten costs its client one initial sync, which
 * is what the protocol offers for it. Decision 0036.
 *
 * Spec: MSC4186 "Connections"
 */

import type { Clock } from '../../lib/clock.ts'
import { RecentMap } from '../../lib/recent-map.ts'
import { MatrixError } from '../../matrix/errors.ts'
import type { Requester } from '../../requester.ts'
import { formatConnectionToken } from '../../stream/token.ts'
import type { RequiredState } from './required-state.ts'

/** What a connection knows of a room. */
export interface ToldRoom {
  /** Inclusive. */
  upTo: number
  /** Told from its beginning at this position. */
  firstUpTo: number
  /** Only as an invite or a knock, from outside. */
  isFromOutside: boolean
  isDirect: boolean
  /** What was asked for when the room was last in view. */
  state: RequiredState
  /** So many of the latest events the client surely has. */
  latestEvents: number
  /** Members who were told because the timeline speaks of them, and have not changed since. */
  members: ReadonlySet<string>
}

export type ExtensionName = 'account_data' | 'receipts' | 'typing' | 'e2ee' | 'thread_subscriptions'

export interface Told {
  /** Inclusive; undefined if nothing has been told yet. */
  upTo: number | undefined
  rooms: ReadonlyMap<string, ToldRoom>
  /** Up to where each extension has been told, if it was ever asked for. */
  extensions: ReadonlyMap<ExtensionName, number>
}

/** What an answer adds to it. */
export type News = Told & { upTo: number }

interface Connection {
  pos: string | undefined
  upTo: number | undefined
  rooms: Map<string, ToldRoom>
  extensions: Map<ExtensionName, number>
  /** The latest answer, until the client shows that it has it. */
  answered: { pos: string; news: News } | undefined
  /** The request that is being answered; an older one no longer counts. */
  turn: number
  /** How much is kept of what it has been told: rooms, and members of rooms. */
  size: number
}

export interface Turn {
  deviceKey: string
  connId: string
  turn: number
  told: Told
}

/** Element X has two. Whoever was not asked for longest goes first. */
const mostPerDevice = 10
/** In all, of rooms and of members that are remembered as told … */
const mostTold = 500_000
/** … of which a connection that was told nothing counts for so many … */
const emptySize = 4
/** … and so many characters of what is wanted of rooms count for one. */
const wantedCharacters = 500

export class SlidingConnections {
  /** Those of each device, by their ids; both in the order of their last use. */
  readonly #devices = new RecentMap<string, RecentMap<string, Connection>>(mostTold, ofDevice => {
    let size = 0
    for (const connection of ofDevice.values()) size += sizeOf(connection)
    return size
  })
  /** From the time of the start on, so that none is given out twice, not even after a restart. */
  #count: number

  constructor(clock: Clock) {
    this.#count = clock.now()
  }

  /**
   * Take up a connection where the client has it, or begin it anew.
   *
   * @param pos undefined begins anew
   * @throws 400 M_UNKNOWN_POS neither of the last answer nor of the one before
   */
  begin(requester: Requester, connId: string, pos: string | undefined): Turn {
    const deviceKey = keyOf(requester)
    const ofDevice = this.#devices.get(deviceKey) ?? new RecentMap(mostPerDevice)
    const connection = pos === undefined ? fresh() : ofDevice.get(connId)
    if (!connection) throw unknownPos()
    if (pos !== undefined && pos === connection.answered?.pos) arrive(connection)
    else if (pos !== connection.pos) throw unknownPos()
    connection.turn = this.#next()
    this.#devices.set(deviceKey, ofDevice.set(connId, connection))
    return { deviceKey, connId, turn: connection.turn, told: connection }
  }

  /** Keep what an answer tells. @returns its `pos` */
  answer({ deviceKey, connId, turn }: Turn, news: News): string {
    const pos = formatConnectionToken(this.#next(), news.upTo)
    const ofDevice = this.#devices.get(deviceKey)
    const connection = ofDevice?.get(connId)
    // Of two requests at once only the later is still awaited by a client that keeps to the rules.
    if (!ofDevice || connection?.turn !== turn) return pos
    connection.answered = { pos, news }
    this.#devices.set(deviceKey, ofDevice)
    return pos
  }

  #next(): number {
    this.#count += 1
    return this.#count
  }
}

const fresh = (): Connection => ({
  pos: undefined,
  upTo: undefined,
  rooms: new Map(),
  extensions: new Map(),
  answered: undefined,
  turn: 0,
  size: 0,
})

function sizeOf({ size, rooms, answered }: Connection): number {
  const lastRooms = answered?.news.rooms ?? new Map<string, ToldRoom>()
  let lastSize = 0
  for (const room of lastRooms.values()) lastSize += sizeOfRoom(room)
  return emptySize + size + lastSize + sizeOfWanted(rooms, lastRooms)
}

/** What is wanted of several rooms counts once. It is short, as a rule, and then it does not count. */
function sizeOfWanted(...all: readonly ReadonlyMap<string, ToldRoom>[]): number {
  const long = new Set<RequiredState>()
  for (const rooms of all) {
    for (const { state } of rooms.values()) {
      if (state.signature.length >= wantedCharacters) long.add(state)
    }
  }
  let size = 0
  for (const { signature } of long) size += Math.floor(signature.length / wantedCharacters)
  return size
}

const sizeOfRoom = ({ members }: ToldRoom) => 1 + members.size

function arrive(connection: Connection): void {
  const { answered } = connection
  if (!answered) return
  connection.pos = answered.pos
  connection.upTo = answered.news.upTo
  for (const [roomId, room] of answered.news.rooms) {
    const before = connection.rooms.get(roomId)
    connection.size += sizeOfRoom(room) - (before ? sizeOfRoom(before) : 0)
    connection.rooms.set(roomId, room)
  }
  for (const [name, upTo] of answered.news.extensions) connection.extensions.set(name, upTo)
  connection.answered = undefined
}

const keyOf = ({ userId, deviceId }: Requester) => JSON.stringify([userId, deviceId])

const unknownPos = () =>
  new MatrixError(400, 'M_UNKNOWN_POS', 'This connection is not known here; begin anew')
