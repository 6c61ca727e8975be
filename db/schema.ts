/**
 * The tables as TypeScript sees them. Times (`*_ts`, `send_at`) are Unix ms. Positions lie on the
 * one stream of stream/stream-clock.ts. JSON is text, never jsonb: jsonb refuses `\u0000` and
 * forgets the submitted form.
 */
import type { Generated } from 'kysely'

export interface Schema {
  server: ServerRow
  users: UserRow
  devices: DeviceRow
  sessions: SessionTable
  transaction_ids: TransactionIdRow
  filters: FilterRow
  rooms: RoomRow
  events: EventRow
  room_state: RoomStateRow
  forgotten_rooms: ForgottenRoomRow
  room_aliases: RoomAliasRow
  delayed_events: DelayedEventTable
  delayed_event_secrets: DelayedEventSecretRow
  account_data: AccountDataRow
  threads: ThreadRow
  thread_subscriptions: ThreadSubscriptionRow
  searchable_texts: SearchableTextRow
  reports: ReportTable
  to_device_messages: ToDeviceMessageRow
  app_services: AppServiceRow
  tickets: TicketRow
  profile_fields: ProfileFieldRow
  receipts: ReceiptRow
  push_rules: PushRulesRow
  pushers: PusherRow
  media: MediaRow
  url_previews: UrlPreviewRow
  blocked_rooms: BlockedRoomRow
  room_deletions: RoomDeletionRow
  device_keys: DeviceKeysRow
  one_time_keys: OneTimeKeyTable
  fallback_keys: FallbackKeyRow
  dehydrated_devices: DehydratedDeviceRow
  cross_signing_keys: CrossSigningKeyRow
  key_signatures: KeySignatureRow
  device_list_changes: DeviceListChangeRow
  key_backups: KeyBackupRow
  key_backup_sessions: KeyBackupSessionRow
}

/** One row: who we are. Written once, at the first start. */
export interface ServerRow {
  id: 1
  server_name: string
  /** The Ed25519 key in the one-line format of matrix/signing.ts. */
  signing_key: string
}

export interface UserRow {
  user_id: string
  /** scrypt, see accounts/password.ts. Null: no password login (guests, deactivated users). */
  password_hash: string | null
  is_guest: boolean
  is_admin: boolean
  created_ts: number
  /** Null: active. */
  deactivated_ts: number | null
  displayname: string | null
  avatar_url: string | null
}

export interface DeviceRow {
  user_id: string
  device_id: string
  display_name: string | null
  created_ts: number
  /** Who used it last, and from where: written now and then. Null: nobody yet. */
  last_seen_ts: number | null
  last_seen_ip: string | null
  last_seen_user_agent: string | null
}

/** One access token and, if asked for, the refresh token that replaces it. Only hashes are kept. */
export interface SessionTable {
  session_id: Generated<number>
  user_id: string
  device_id: string
  access_token_hash: string
  /** Null: does not expire. */
  expires_ts: number | null
  refresh_token_hash: string | null
  /** Null: the refresh token does not expire. */
  refresh_expires_ts: number | null
  /** The session that a refresh made this one from. It works until this one is first used. */
  replaces: number | null
}

/** What an idempotent request was answered. */
export interface TransactionIdRow {
  user_id: string
  device_id: string
  /** Method and path, without the query. */
  path: string
  /** JSON. */
  response: string
  created_ts: number
}

export interface FilterRow {
  user_id: string
  filter_id: string
  definition: string
}

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

/** What is told of a thread with its root, kept up with every reply and every redaction of one. */
export interface ThreadRow {
  root_event_id: string
  room_id: string
  root_position: number
  /** Of the latest reply. */
  latest_position: number
  reply_count: number
}

/** MSC4306. A row that is not subscribed says when the user unsubscribed. */
export interface ThreadSubscriptionRow {
  user_id: string
  root_event_id: string
  room_id: string
  /** When it last changed. */
  position: number
  is_subscribed: boolean
  /** Made by a client on its own account; false where not subscribed. */
  is_automatic: boolean
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

export type DelayedEventStatus = 'scheduled' | 'sent' | 'cancelled' | 'failed'
export type DelayedEventCause = 'delay' | 'action' | 'state_update' | 'group' | 'error'
export type CancelPolicy = 'any' | 'other_user' | 'none'

export interface DelayedEventTable {
  delay_id: string
  /** Order of scheduling, for those that are due at the same moment. */
  seq: Generated<number>
  user_id: string
  device_id: string | null
  room_id: string
  type: string
  /** Null: a message event. */
  state_key: string | null
  /** JSON, exactly as submitted. */
  content: string
  /** What an application service wants it to say; null: the time when it is sent. */
  origin_server_ts: number | null
  /** MSC4354, counted from when it is sent; null: it is not sticky. */
  sticky_duration_ms: number | null
  /** Null: it waits for an action, in a group of which another member has a delay. */
  delay_ms: number | null
  /** When it was scheduled or last restarted. */
  since_ts: number
  /** `since_ts + delay_ms`; null with it. */
  send_at: number | null
  /** When the scheduler looks at it: at `send_at`, or, if it was restarted, before; null with it. */
  wake_at: number | null
  /** Whose newer state event cancels it; fixed by the dialect that scheduled it. */
  cancel_policy: CancelPolicy
  dialect: string
  /** False: its sender is an application service that no limit counts. */
  is_rate_limited: Generated<boolean>
  status: DelayedEventStatus
  /** What finalised it; null while scheduled. */
  cause: DelayedEventCause | null
  finalised_ts: number | null
  /** Sent only. */
  event_id: string | null
  /** `{ errcode, error, … }` as JSON: why it failed, or that a state update cancelled it. */
  error: string | null
  /** Of the scheduled events of one user and group, one is sent. */
  group_id: string | null
  /** The name by which the request that made the group calls it: `send_on_action:hangup`. */
  member: string | null
  /** The event that was sent in the same request. If that is state, this ends with it. */
  follows_event_id: string | null
  /** The txnId of the request, where a list is to show it. */
  transaction_id: string | null
}

/** What bearing a secret entitles to; `future` and `expire` are those whose requests say what. */
export type SecretPower = 'send' | 'cancel' | 'refresh' | 'future' | 'expire'

/** Secrets that stand for a delayed event, in the drafts that manage without a token. */
export interface DelayedEventSecretRow {
  secret_hash: string
  delay_id: string
  power: SecretPower
}

/** Global account data has the empty `room_id`. */
export interface AccountDataRow {
  user_id: string
  room_id: string
  type: string
  content: string
  position: number
}

/** Kept until the device acknowledges it with a `since` at or past `position`. */
export interface ToDeviceMessageRow {
  user_id: string
  device_id: string
  position: number
  /** `{ type, sender, content }` as JSON. */
  message: string
}

/** What an application service has been told. Kept when it is not registered any more. */
export interface AppServiceRow {
  app_service_id: string
  /** Everything at and below it has been told, or is in `transaction`, or does not concern it. */
  position: number
  /** The last transaction that was made, until the service has acknowledged it. */
  transaction_id: string | null
  /** Its body as JSON: a retry is the same to the letter. */
  transaction: string | null
}

/** What says for a short while who somebody is, without being a session. Only the hash is kept. */
export interface TicketRow {
  ticket_hash: string
  /** `openid` is shown to others; `login` is worth one session. */
  kind: 'openid' | 'login'
  user_id: string
  expires_ts: number
}

/** What a user says of themselves beyond `displayname` and `avatar_url`, which stand in `users`. */
export interface ProfileFieldRow {
  user_id: string
  key_name: string
  /** Any JSON. */
  value: string
}

/** How far a user has read: one for each type and thread. */
export interface ReceiptRow {
  room_id: string
  user_id: string
  /** `m.read` or `m.read.private`. */
  receipt_type: string
  /** Empty: unthreaded. Else `main`, or the event id of the thread's root. */
  thread_id: string
  event_id: string
  /** Where that event stands in its room; a receipt only ever moves forwards. */
  event_position: number
  received_ts: number
  position: number
}

/** A user's push rules, as far as they differ from the predefined ones. */
export interface PushRulesRow {
  user_id: string
  /** `PushRuleChanges` of matrix/push-rules.ts as JSON. */
  changes: string
  /** Of the last change. */
  position: number
}

/** Where a device wants to be notified. It goes with its device. */
export interface PusherRow {
  user_id: string
  app_id: string
  pushkey: string
  /** The device that set it. */
  device_id: string
  kind: string
  app_display_name: string
  device_display_name: string
  profile_tag: string | null
  lang: string
  /** JSON, exactly as submitted; `url` is the gateway. */
  data: string
  created_ts: number
  /** Position: everything up to here (inclusive) has been pushed, or needed no push. */
  pushed_up_to: number
}

/** An uploaded file, or an id to upload one to. The bytes are in media/files.ts. */
export interface MediaRow {
  media_id: string
  user_id: string
  created_ts: number
  /** When it goes: an id to which nothing has been uploaded, or a preview's picture. Null: stays. */
  expires_ts: number | null
  /** As it was said at the upload. Null: not yet uploaded. */
  content_type: string | null
  file_name: string | null
  /** Null: not yet uploaded. */
  size_bytes: number | null
}

/** What a web page says of itself, for as long as it is not asked again. */
export interface UrlPreviewRow {
  url_hash: string
  /** JSON. */
  preview: string
  expires_ts: number
}

/** A device's identity keys. */
export interface DeviceKeysRow {
  user_id: string
  device_id: string
  /** JSON as uploaded, with its own signatures and without `unsigned`. */
  keys: string
}

/** A claimed key is kept, so that an upload that is sent again does not bring it back. */
export interface OneTimeKeyTable {
  user_id: string
  device_id: string
  algorithm: string
  key_id: string
  /** JSON as uploaded. */
  key: string
  /** Order of upload. */
  seq: Generated<number>
  is_claimed: boolean
}

/** One for each algorithm. */
export interface FallbackKeyRow {
  user_id: string
  device_id: string
  algorithm: string
  key_id: string
  /** JSON as uploaded. */
  key: string
  /** Given out since it was uploaded. */
  is_used: boolean
}

/** MSC3814: a device that nobody is logged in with; one a user. */
export interface DehydratedDeviceRow {
  user_id: string
  device_id: string
  /** JSON as uploaded. */
  device_data: string
}

export type KeyUsage = 'master' | 'self_signing' | 'user_signing'

export interface CrossSigningKeyRow {
  user_id: string
  usage: KeyUsage
  /** Unpadded base64, as in the key's id. */
  public_key: string
  /** JSON as uploaded, with the signatures that came with it. */
  key: string
}

/** A signature that was uploaded by itself, after the key that it is on. */
export interface KeySignatureRow {
  signed_user_id: string
  /** A device id, or the public key of a master key. */
  signed_key_id: string
  signer_user_id: string
  /** `ed25519:` and a device id or a public key. */
  signer_key_id: string
  signature: string
}

/** `user_id`'s keys are to be asked for again. */
export interface DeviceListChangeRow {
  position: number
  user_id: string
  /** The only one who can see the change; null: all who share a room with the user. */
  seen_by: string | null
}

/** A deleted backup is kept without its sessions, so that its version is not given out again. */
export interface KeyBackupRow {
  user_id: string
  /** Counted up from 1 for each user. */
  version: number
  algorithm: string
  /** JSON as uploaded. */
  auth_data: string
  /** How often its sessions have changed. */
  etag: number
  is_deleted: boolean
}

export interface KeyBackupSessionRow {
  user_id: string
  version: number
  room_id: string
  session_id: string
  first_message_index: number
  forwarded_count: number
  is_verified: boolean
  /** JSON as uploaded. */
  session_data: string
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
