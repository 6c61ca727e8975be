/** What users keep here, and want to be told. See ../schema.ts. */
export interface FilterRow {
  user_id: string
  filter_id: string
  definition: string
}

/** Global account data has the empty `room_id`. */
export interface AccountDataRow {
  user_id: string
  room_id: string
  type: string
  content: string
  position: number
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
