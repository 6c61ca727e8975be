/** What an extension of sliding sync is told of the answer that it goes into, and what it adds. */
import type { JsonObject } from '../../lib/json.ts'
import type { Told } from './connections.ts'
import type { ListedRoom } from './room-list.ts'
import type { RoomResult } from './room-result.ts'

export interface ExtensionScope {
  told: Told
  /** Inclusive. */
  upTo: number
  joined: readonly ListedRoom[]
  /** The rooms of this answer. */
  results: ReadonlyMap<string, RoomResult>
  /** By list, the rooms on it. */
  listed: ReadonlyMap<string, ReadonlySet<string>>
  /** Rooms that are asked for by name. */
  subscribed: ReadonlySet<string>
  ignored: ReadonlySet<string>
}

export interface Part {
  wire: JsonObject
  isEmpty: boolean
}
