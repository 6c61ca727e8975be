/**
 * The tables as TypeScript sees them. Times (`*_ts`, `send_at`) are Unix ms. Positions lie on the
 * one stream of stream/stream-clock.ts. JSON is text, never jsonb: jsonb refuses `\u0000` and
 * forgets the submitted form.
 */
import type {
  AppServiceRow,
  DeviceRow,
  ErasedUserRow,
  RestrictedUserRow,
  ServerRow,
  SessionTable,
  TicketRow,
  TransactionIdRow,
  UserRow,
} from './tables/accounts.ts'
import type { DelayedEventSecretRow, DelayedEventTable } from './tables/delayed-events.ts'
import type {
  CrossSigningKeyRow,
  DehydratedDeviceRow,
  DeviceKeysRow,
  DeviceListChangeRow,
  FallbackKeyRow,
  KeyBackupRow,
  KeyBackupSessionRow,
  KeySignatureRow,
  OneTimeKeyTable,
  ToDeviceMessageRow,
} from './tables/encryption.ts'
import type {
  BlockedRoomRow,
  EventRow,
  ForgottenRoomRow,
  ReportTable,
  RoomAliasRow,
  RoomDeletionRow,
  RoomRow,
  RoomStateRow,
  SearchableTextRow,
  ThreadRow,
} from './tables/rooms.ts'
import type {
  AccountDataRow,
  FilterRow,
  MediaRow,
  ProfileFieldRow,
  PusherRow,
  PushRulesRow,
  ReceiptRow,
  ThreadSubscriptionRow,
  UrlPreviewRow,
} from './tables/user-data.ts'

export type * from './tables/accounts.ts'
export type * from './tables/delayed-events.ts'
export type * from './tables/encryption.ts'
export type * from './tables/rooms.ts'
export type * from './tables/user-data.ts'

export interface Schema {
  server: ServerRow
  users: UserRow
  erased_users: ErasedUserRow
  restricted_users: RestrictedUserRow
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
