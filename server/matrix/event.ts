/**
 * Events: the PDU as it is hashed and stored, and the forms in which clients see it.
 *
 * Spec: "Room event format" of each room version; Client-Server API "Client event", "Stripped state".
 */
import type { JsonObject } from '../lib/json.ts'

/** v1 and v2 cite an event as [event_id, { sha256 }]; from v3 on by its id alone. */
export type EventReference = string | [string, { sha256: string }]

/** A persistent data unit, as stored. `event_id` is a member only in room versions 1 and 2. */
export interface Pdu {
  event_id?: string
  /** Absent only on the `m.room.create` of version 12, whose hash *is* the room id. */
  room_id?: string
  type: string
  sender: string
  content: JsonObject
  state_key?: string
  /** Room versions 1 to 10, on `m.room.redaction`; later versions carry it in `content`. */
  redacts?: string
  origin_server_ts: number
  /** MSC4354: `{ duration_ms }`, under the name that it has as a draft. Redactions take it away. */
  msc4354_sticky?: JsonObject
  depth: number
  auth_events: EventReference[]
  prev_events: EventReference[]
  hashes: { sha256: string }
  unsigned?: JsonObject
}

/** A PDU as servers exchange it. */
export interface SignedPdu extends Pdu {
  /** By server name, then by key id; unpadded base64. */
  signatures: Record<string, Record<string, string>>
}

/** What the authorisation rules look at in an event, be it finished or still being built. */
export interface AuthEvent {
  type: string
  sender: string
  content: JsonObject
  state_key?: string
  room_id?: string
  redacts?: string
  event_id?: string
}

/**
 * The state before an event, for the authorisation rules: looked up by (type, state_key).
 * Only `sender`, `content` and, for the create event, `room_id`/`event_id` are read.
 */
export type StateLookup = (type: string, stateKey: string) => AuthEvent | undefined

/** The form in which clients receive an event, save that `/sync` leaves `room_id` out. */
export interface ClientEvent {
  event_id: string
  room_id?: string
  type: string
  sender: string
  content: JsonObject
  state_key?: string
  redacts?: string
  origin_server_ts: number
  sticky?: JsonObject
  msc4354_sticky?: JsonObject
  unsigned?: JsonObject
}

/** What an invited or knocking user sees of a room's state. */
export interface StrippedState {
  type: string
  sender: string
  state_key: string
  content: JsonObject
  /** On `m.room.create`, so that the recipient can tell the room's age (MSC4311). */
  origin_server_ts?: number
}
