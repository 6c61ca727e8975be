/** What comes over the wire, as far as tests look at it. */

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }
// biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects to be there, and fails if it is not
export type JsonObject = Record<string, any>

export interface WireEvent {
  event_id: string
  type: string
  sender: string
  state_key?: string
  room_id?: string
  content: JsonObject
  origin_server_ts: number
  unsigned?: JsonObject
}

export interface JoinedRoom {
  timeline: { events: WireEvent[]; limited: boolean; prev_batch: string }
  state: { events: WireEvent[] }
  state_after?: { events: WireEvent[] }
  'org.matrix.msc4222.state_after'?: { events: WireEvent[] }
  summary?: JsonObject
  account_data: { events: JsonObject[] }
  ephemeral: { events: JsonObject[] }
}

export interface SyncResponse {
  next_batch: string
  rooms: {
    join?: Record<string, JoinedRoom>
    leave?: Record<string, JoinedRoom>
    invite?: Record<string, { invite_state: { events: WireEvent[] } }>
    knock?: Record<string, { knock_state: { events: WireEvent[] } }>
  }
  presence: { events: JsonObject[] }
  account_data: { events: JsonObject[] }
  to_device: { events: JsonObject[] }
  device_lists: { changed: string[]; left: string[] }
  device_one_time_keys_count: Record<string, number>
  device_unused_fallback_key_types: string[]
}

export interface MessagesPage {
  start: string
  end?: string
  chunk: WireEvent[]
  state?: WireEvent[]
}
