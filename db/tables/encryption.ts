/** Keys, and what devices tell each other. The server reads none of it. See ../schema.ts. */
import type { Generated } from 'kysely'

/** Kept until the device acknowledges it with a `since` at or past `position`. */
export interface ToDeviceMessageRow {
  user_id: string
  device_id: string
  position: number
  /** `{ type, sender, content }` as JSON. */
  message: string
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
