/** Rooms, what is in them, and what is made of that for those who read. See ../schema.ts. */
import type { Generated } from 'kysely'

/** The row that every append to the room locks. */
export interface RoomRow {
  room_id: string
  version: string
  /** The forward extremity: without federation a room never forks, so there is one. */
  last_event_id: string | null
  /** Reference hash of that event; room versions 1 and 2 cite it. */
  last_event_hash: string | null
  last_depth: number
  joined_members: number
  invited_members: number
  /**
   * The position of the event that last changed what stands in the room, or the content of that: as
   * long as it is the same, so are the state events. 0: none has since the room came from an earlier
   * build.
   */
  state_version: number
  /** The position of the latest event by which clients sort the room among others. */
  bump_position: number
  /** Listed in the public room directory. */
  is_public: boolean
  /** The user to whom the server itself speaks here; null almost everywhere. */
  notices_for: string | null
}

export interface EventRow {
  event_id: string
  room_id: string
  position: number
  type: string
  /** Null: a message event. */
  state_key: string | null
  sender: string
  origin_server_ts: number
  /** The whole PDU as JSON; once redacted, what the redaction leaves. */
  pdu: string
  /** Room versions 1 and 2, which cite events together with it; null later. */
  reference_hash: string | null
  /** `content.url` is a string, for the filter of that name. */
  contains_url: boolean
  /** `content["m.relates_to"].event_id` and `.rel_type`. */
  relates_to: string | null
  rel_type: string | null
  /** The redaction that emptied this event. */
  redacted_by: string | null
  /** The sending device and its transaction id, for the local echo; null where there is none. */
  device_id: string | null
  transaction_id: string | null
  /** The delayed event that became this event. Unique: it is sent once or never. */
  delay_id: string | null
  /** MSC4354: until then it is sticky; null if it never was, or was redacted. */
  sticky_until_ts: number | null
}

/**
 * State through time: a row holds from `position` (inclusive) to `until_position` (exclusive), so
 * the state at any moment and the changes between two are one range query.
 */
export interface RoomStateRow {
  room_id: string
  type: string
  state_key: string
  position: number
  /** Null: current. */
  until_position: number | null
  event_id: string
  sender: string
  /** `content.membership` of an m.room.member; null for all else. */
  membership: string | null
}

/** A user does not want to hear of a room any more: of nothing at or below `up_to_position`. */
export interface ForgottenRoomRow {
  user_id: string
  room_id: string
  up_to_position: number
}

export interface RoomAliasRow {
  room_alias: string
  room_id: string
  creator: string
  created_ts: number
}

/** A room that nobody may join any more, whether we know it or not. */
export interface BlockedRoomRow {
  room_id: string
  blocked_by: string
  blocked_ts: number
}

/** A room that an administrator has deleted, or is deleting. */
export interface RoomDeletionRow {
  delete_id: string
  room_id: string
  status: 'active' | 'complete' | 'failed'
  /** Remove every trace. */
  is_purge: boolean
  /** Remove them even if somebody could not be made to leave. */
  is_forced: boolean
  /** What the room's events have after it (exclusive) came with the deletion. */
  from_position: number
  /** The room that those who were in this one find themselves in; null: none. */
  new_room_id: string | null
  /** Lists as JSON. */
  kicked_users: string
  failed_to_kick_users: string
  local_aliases: string
  /** Why it failed; for people. */
  error: string | null
  requested_ts: number
  /** Null while it is under way. */
  finished_ts: number | null
}

/** What is told of a thread with its root, kept up with every reply and every redaction of one. */
export interface ThreadRow {
  root_event_id: string
  room_id: string
  root_position: number
  /** Of the latest reply. */
  latest_position: number
  reply_count: number
}

export type SearchableKey = 'content.body' | 'content.name' | 'content.topic'

/** The words of an event that can be searched for; gone once it is redacted. */
export interface SearchableTextRow {
  event_id: string
  room_id: string
  position: number
  key: SearchableKey
  /** A tsvector: the words, and the room's id as one more, so that one index finds both. */
  words: string
}

/** What users have brought to the administrator's notice: a room, an event in one, or a user. */
export interface ReportTable {
  report_id: Generated<number>
  reporter: string
  reported_ts: number
  room_id: string | null
  event_id: string | null
  user_id: string | null
  reason: string
}
