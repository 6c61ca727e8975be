/**
 * Where rooms stand, as the last transaction that appended to them left them: so that whoever
 * appends next need not read the row before it judges.
 *
 * Nothing rests on it. The row is held all the same, by a statement that goes with the others and
 * fails if anything was appended meanwhile; the transaction is undone then, and reads the row.
 */
import {
  type HeldRoom,
  holdRoomsToStay,
  holdUnmoved,
  lockRooms,
  type RoomHead,
  selectRoomsToStay,
} from '../../db/rooms.ts'
import type { Tx } from '../../db/transaction.ts'
import { RecentMap } from '../lib/recent-map.ts'

/** The one that was appended to longest ago is forgotten first. */
const mostRooms = 10_000

export class RoomHeads {
  readonly #rooms = new RecentMap<string, RoomHead>(mostRooms)
  /** How many transactions hold a room, or wait for it. */
  readonly #holders = new Map<string, number>()

  /** Hold rooms for appending. By id; who is not there is unknown. */
  hold(tx: Tx, roomIds: readonly string[]): Promise<Map<string, HeldRoom>> {
    const ids = [...new Set(roomIds)]
    // Whoever has to wait for another finds the room moved.
    const isFree = ids.every(roomId => !this.#holders.has(roomId))
    const rooms = tx.mayPresume && isFree ? this.#find(ids) : undefined
    this.#countHolder(tx, ids)
    if (!rooms) return lockRooms(tx, ids)
    this.#forgetUnlessCommitted(tx, rooms)
    return holdUnmoved(tx, rooms)
  }

  /**
   * Rooms that are not deleted before the transaction ends. By id; who is not there is unknown. Where
   * they stand may be long ago: others may append to them meanwhile.
   */
  async keep(tx: Tx, roomIds: readonly string[]): Promise<Map<string, RoomHead>> {
    const ids = [...new Set(roomIds)]
    const rooms = tx.mayPresume ? this.#find(ids) : undefined
    if (!rooms) {
      const found = await selectRoomsToStay(tx, ids)
      for (const [id, room] of found) if (!this.#rooms.has(id)) this.#rooms.set(id, room)
      return found
    }
    this.#forgetUnlessCommitted(tx, rooms)
    await holdRoomsToStay(tx, ids)
    return new Map(rooms.map(room => [room.room_id, room]))
  }

  /** These have been appended to. */
  note(tx: Tx, rooms: readonly HeldRoom[]): void {
    tx.onEnd(committed => {
      if (committed) for (const room of rooms) this.#rooms.set(room.room_id, { ...room })
    })
  }

  /** Undefined unless all are remembered. */
  #find(roomIds: readonly string[]): RoomHead[] | undefined {
    const rooms = roomIds.flatMap(roomId => this.#rooms.get(roomId) ?? [])
    return rooms.length === roomIds.length ? rooms : undefined
  }

  #countHolder(tx: Tx, roomIds: readonly string[]): void {
    for (const roomId of roomIds) this.#holders.set(roomId, (this.#holders.get(roomId) ?? 0) + 1)
    tx.onEnd(() => {
      for (const roomId of roomIds) {
        const others = (this.#holders.get(roomId) ?? 0) - 1
        if (others > 0) this.#holders.set(roomId, others)
        else this.#holders.delete(roomId)
      }
    })
  }

  /** They may have been presumed wrongly; what somebody else has noted since stays. */
  #forgetUnlessCommitted(tx: Tx, rooms: readonly RoomHead[]): void {
    tx.onEnd(committed => {
      if (committed) return
      for (const room of rooms) {
        if (this.#rooms.get(room.room_id) === room) this.#rooms.delete(room.room_id)
      }
    })
  }
}
