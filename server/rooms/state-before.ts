/** The state before an event, of those events that have not been stored yet as well. */
import type { EventRow } from '../../db/schema.ts'
import type { StateKey } from '../matrix/auth-events.ts'
import type { AuthEvent, Pdu, StateLookup } from '../matrix/event.ts'
import { parsePdu } from './stored-event.ts'

const keyOf = (type: string, stateKey: string | null) => `${type}\0${stateKey}`

export class StateBefore {
  readonly #rooms = new Map<string, Map<string, { row: EventRow; event: AuthEvent }>>()

  /** @param rows the current state events, of as many keys as are needed */
  constructor(rows: readonly EventRow[]) {
    for (const row of rows) this.set(row, parsePdu(row))
  }

  /** `row` has become the state under its key. */
  set(row: EventRow, pdu: Pdu): void {
    const room = this.#rooms.get(row.room_id) ?? new Map()
    this.#rooms.set(row.room_id, room)
    room.set(keyOf(row.type, row.state_key), { row, event: { ...pdu, event_id: row.event_id } })
  }

  lookupIn(roomId: string): StateLookup {
    return (type, stateKey) => this.#rooms.get(roomId)?.get(keyOf(type, stateKey))?.event
  }

  /** Those that the room has. */
  rowsUnder(roomId: string, keys: readonly StateKey[]): EventRow[] {
    return keys.flatMap(
      ([type, stateKey]) => this.#rooms.get(roomId)?.get(keyOf(type, stateKey))?.row ?? [],
    )
  }
}
