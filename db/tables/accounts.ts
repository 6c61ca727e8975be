/** Who we are, who our users are, and by what they are known. See ../schema.ts. */
import type { Generated } from 'kysely'

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

/** Who has asked that what they said be erased. */
export interface ErasedUserRow {
  user_id: string
  /** Who was in a room at or before this may go on reading what they could read then. */
  position: number
}

/** Whose account is locked, or suspended, or both. */
export interface RestrictedUserRow {
  user_id: string
  is_locked: boolean
  is_suspended: boolean
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

/** What says for a short while who somebody is, without being a session. Only the hash is kept. */
export interface TicketRow {
  ticket_hash: string
  /** `openid` is shown to others; `login` is worth one session. */
  kind: 'openid' | 'login'
  user_id: string
  expires_ts: number
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
