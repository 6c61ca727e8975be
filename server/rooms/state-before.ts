/**
 * The state before an event, of those events that have not been stored yet as well.
 *
 * What was read once is kept as long as it is true, and what is appended goes into it. Every append
 * holds the row of its room, and that row says which version of the state stands: so nothing has to
 * be told to forget, and what an append that is undone leaves behind is under a version that never
 * comes again.
 */
import { selectStateOfRooms } from '../../db/room-state.ts'
import type { HeldRoom } from '../../db/rooms.ts'
import type { EventRow } from '../../db/schema.ts'
import type { Tx } from '../../db/transaction.ts'
import { RecentMap } from '../lib/recent-map.ts'
import type { StateKey } from '../matrix/auth-events.ts'
import type { AuthEvent, EventReference, Pdu, StateLookup } from '../matrix/event.ts'
import { referenceTo } from './build-event.ts'
import { parsePdu } from './stored-event.ts'

/** Where a state event stands. */
export interface StatePlace {
  room: HeldRoom
  type: string
  stateKey: string
}

interface StateEvent {
  reference: EventReference
  event: AuthEvent
  /** How long it is. */
  characters: number
}

/** By key; undefined: nothing stands there. */
type State = Map<string, StateEvent | undefined>

const ruling: readonly StateKey[] = [
  ['m.room.create', ''],
  ['m.room.power_levels', ''],
  ['m.room.join_rules', ''],
]

const keyOf = (type: string, stateKey: string | null) => `${type}\0${stateKey}`

/** What is known of a room's state. */
interface Known {
  /** As `rooms.state_version`. */
  version: number
  readonly state: State
  /** How long its events are. */
  characters: number
}

const stateEvent = (
  row: Pick<EventRow, 'event_id' | 'reference_hash' | 'pdu'>,
  pdu: Pdu,
): StateEvent => ({
  reference: referenceTo(row.event_id, row.reference_hash),
  event: { ...pdu, event_id: row.event_id },
  characters: row.pdu.length,
})

function put(known: Known, key: string, event: StateEvent): void {
  known.characters += event.characters - (known.state.get(key)?.characters ?? 0)
  known.state.set(key, event)
}

/** Each room is remembered up to so many places: four, and one for whoever speaks there … */
const mostPlaces = 300
/** … and all together so many characters; and what a room takes besides them, about. */
const mostCharacters = 16_000_000
const roomCharacters = 2_000

/** The state of rooms that were appended to lately, as far as it was needed. */
export class RoomStates {
  /** The room that was used last is last. */
  readonly #rooms = new RecentMap<string, Known>(
    mostCharacters,
    ({ characters }) => roomCharacters + characters,
  )

  /** What stands in these places, whose rooms are held. Of a new room that is nothing. */
  async before(tx: Tx, places: readonly StatePlace[]): Promise<StateBefore> {
    const known = new Map<string, Known>()
    for (const { room } of places) {
      if (!known.has(room.room_id)) known.set(room.room_id, this.#knownOf(room))
    }
    const unknown = places.filter(
      ({ room, type, stateKey }) => !known.get(room.room_id)?.state.has(keyOf(type, stateKey)),
    )
    const rows = await selectStateOfRooms(
      tx,
      unknown
        .filter(({ room }) => room.last_depth > 0)
        .map(({ room, type, stateKey }) => ({
          room_id: room.room_id,
          type,
          state_key: stateKey,
        })),
    )
    for (const { room, type, stateKey } of unknown) {
      const key = keyOf(type, stateKey)
      const state = known.get(room.room_id)?.state
      // Others may have read it meanwhile: it counts already.
      if (state && !state.has(key)) state.set(key, undefined)
    }
    for (const row of rows) {
      const ofRoom = known.get(row.room_id)
      if (!ofRoom) continue
      put(ofRoom, keyOf(row.type, row.state_key), stateEvent(row, parsePdu(row)))
      // Nor may it take the place of what the room has become meanwhile.
      if (this.#rooms.get(row.room_id) === ofRoom) this.#rooms.set(row.room_id, ofRoom)
    }
    return new StateBefore(known, this.#rooms)
  }

  /** What stands in a room that is held, under these keys and those that rule nearly every event. */
  async lookUp(tx: Tx, room: HeldRoom, keys: readonly StateKey[]): Promise<StateLookup> {
    const places = [...keys, ...ruling].map(([type, stateKey]) => ({ room, type, stateKey }))
    return (await this.before(tx, places)).lookupIn(room.room_id)
  }

  /** What is remembered of a room's state as it is now; to be added to. */
  #knownOf({ room_id: roomId, state_version: version }: HeldRoom): Known {
    const known = this.#rooms.get(roomId)
    const isCurrent = known?.version === version && known.state.size < mostPlaces
    const current = isCurrent ? known : { version, state: new Map(), characters: 0 }
    this.#rooms.set(roomId, current)
    return current
  }
}

/** The state of rooms while one event after the other is judged. */
export class StateBefore {
  readonly #known: Map<string, Known>
  readonly #remembered: Map<string, Known>
  /** What has become of rooms here: nobody else has it before it has a version. */
  readonly #changed = new Set<Known>()

  /** @param remembered where it is kept what the state has become */
  constructor(known: Map<string, Known>, remembered: Map<string, Known>) {
    this.#known = known
    this.#remembered = remembered
  }

  /** `row` has become the state under its key. Where nobody looks, it is not kept. */
  set(row: EventRow, pdu: Pdu): void {
    const known = this.#changing(row.room_id)
    if (!known) return
    known.version = row.position
    const key = keyOf(row.type, row.state_key)
    if (known.state.has(key)) put(known, key, stateEvent(row, pdu))
    this.#remembered.set(row.room_id, known)
  }

  /** Others may be judging by what was before, and this may yet be undone: so it is another one. */
  #changing(roomId: string): Known | undefined {
    const known = this.#known.get(roomId)
    if (!known || this.#changed.has(known)) return known
    const changed = { ...known, state: new Map(known.state) }
    this.#changed.add(changed)
    this.#known.set(roomId, changed)
    return changed
  }

  lookupIn(roomId: string): StateLookup {
    return (type, stateKey) => this.#find(roomId, type, stateKey)?.event
  }

  /** To those that the room has. */
  referencesTo(roomId: string, keys: readonly StateKey[]): EventReference[] {
    return keys.flatMap(([type, stateKey]) => {
      const found = this.#find(roomId, type, stateKey)
      return found ? [found.reference] : []
    })
  }

  #find(roomId: string, type: string, stateKey: string): StateEvent | undefined {
    return this.#known.get(roomId)?.state.get(keyOf(type, stateKey))
  }
}
