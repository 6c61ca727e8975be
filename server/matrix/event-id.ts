/**
 * The two hashes of an event, and the id that is made of one of them.
 *
 * Spec: Server-Server API "Calculating the content hash", "Calculating the reference hash";
 * "Event IDs" of room versions 1, 3 and 4.
 */
import { hash } from 'node:crypto'
import type { JsonValue } from '../lib/json.ts'
import { canonicalEventJson, canonicalJsonLenient } from './canonical-json.ts'
import { badJson } from './errors.ts'
import type { EventId } from './ids.ts'
import { type Redactable, redact } from './redact.ts'
import type { RoomVersion } from './room-versions.ts'

/**
 * The SHA-256 of an event without `unsigned`, `signatures` and `hashes`, in unpadded base64: the
 * value of `hashes.sha256`.
 *
 * It takes any room version and so any finite number; `assertEventFormat` is the one to refuse.
 *
 * @throws 400 M_BAD_JSON if the event cannot be encoded
 */
export function contentHash(event: object): string {
  const { unsigned: _1, signatures: _2, hashes: _3, ...hashed } = event as HashedMembers
  return unpadded(sha256(canonicalJsonLenient(hashed as JsonValue), 'base64'))
}

interface HashedMembers {
  unsigned?: unknown
  signatures?: unknown
  hashes?: unknown
}

/**
 * The bytes that both the reference hash and the event's signatures cover: its redacted form
 * without signatures, as canonical JSON.
 *
 * @throws 400 M_BAD_JSON if the event has no canonical form in its room version
 */
export function referenceJson(event: Redactable, version: RoomVersion): string {
  const { signatures: _, ...covered } = redact(event as Redactable & HashedMembers, version)
  return canonicalEventJson(covered, version)
}

/**
 * The SHA-256 of an event's redacted form in unpadded base64: the standard alphabet up to room
 * version 3, the URL-safe one from 4 on.
 *
 * @param json that form, where it has been written already
 * @throws 400 M_BAD_JSON if the event has no canonical form in its room version
 */
export function referenceHash(
  event: Redactable,
  version: RoomVersion,
  json = referenceJson(event, version),
): string {
  const encoding = version.eventIdFormat === 'base64url' ? 'base64url' : 'base64'
  return unpadded(sha256(json, encoding))
}

/**
 * The id of an event: its reference hash, save in room versions 1 and 2, where it is a member.
 *
 * The id of a room of version 12 is that of its create event with the sigil `!`.
 *
 * @param json as in {@link referenceHash}
 * @throws 400 M_BAD_JSON if the event has no canonical form, or lacks the member
 */
export function eventIdOf(
  event: Redactable & { event_id?: string },
  version: RoomVersion,
  json?: string,
): EventId {
  if (version.eventIdFormat !== 'opaque') return `$${referenceHash(event, version, json)}`
  if (!event.event_id) throw badJson(`Events of room version ${version.id} need an event_id`)
  return event.event_id
}

function sha256(text: string, encoding: 'base64' | 'base64url'): string {
  return hash('sha256', text, encoding)
}

function unpadded(base64: string): string {
  return base64.replace(/=+$/, '')
}
