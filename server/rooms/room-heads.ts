/**
 * Where rooms stand, as the last transaction that appended to them left them: so that whoever
 * appends next need not read the row before it judges.
 *
 * Nothing rests on it. The row is held all the same, by a statement that goes with the others and
 * fails if anything was appended meanwhile; the transaction is undone then, and reads the row.
 */
import { type HeldRoom, holdUnmoved, lockRooms, type RoomHead } from '../../db/rooms.ts'
import type { Tx } from '../../db/transaction.ts'

/** The one that was appended to longest ago is forgotten first. */
const mostRooms = 10_000

export class RoomHeads {
  /** The room that was appended to last is last. */
  readonly #rooms = new Map<string, RoomHead>()

  /** Hold rooms for appending. By id; who is not there is unknown. */
  hold(tx: Tx, roomIds: readonly string[]): Promise<Map<string, HeldRoom>> {
    const ids = [...new Set(roomIds)]
    const rooms = ids.flatMap(id => this.#rooms.get(id) ?? [])
    if (!tx.mayPresume || rooms.length < ids.length) return lockRooms(tx, ids)
    tx.onEnd(committed => {
      if (!committed) this.#forget(ids)
    })
    return holdUnmoved(tx, rooms)
  }

  /** These have been appended to. */
  note(tx: Tx, rooms: readonly HeldRoom[]): void {
    tx.onEnd(committed => {
      this.#forget(rooms.map(room => room.room_id))
      if (committed) for (const room of rooms) this.#rooms.set(room.room_id, { ...room })
      for (const oldest of this.#rooms.keys()) {
        if (this.#rooms.size <= mostRooms) break
        this.#rooms.delete(oldest)
      }
    })
  }

  #forget(roomIds: readonly string[]): void {
    for (const roomId of roomIds) this.#rooms.delete(roomId)
  }
}
