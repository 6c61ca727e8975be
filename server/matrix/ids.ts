/**
 * Identifiers: what is one, and its parts. Ids are plain strings; the aliases only say which.
 *
 * Spec: Appendices "Identifier Grammar"
 */

/** `@localpart:domain` */
export type UserId = string
/** `!opaque:domain`, or `!hash` from room version 12 on. */
export type RoomId = string
/** `$opaque:domain` in room versions 1 and 2, later `$hash`. */
export type EventId = string
/** `#localpart:domain` */
export type RoomAlias = string
/** A host, with or without a port. */
export type ServerName = string

const maxIdBytes = 255

const serverName = String.raw`(?:\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z.-]{1,255})(?::\d{1,5})?`
const serverNamePattern = new RegExp(`^${serverName}$`)
// NUL is excluded everywhere: the grammar forbids it, and PostgreSQL cannot store it.
const userIdPattern = new RegExp(String.raw`^@[^:\0]*:${serverName}$`)
const roomIdPattern = new RegExp(String.raw`^!(?:[^:\0]+:${serverName}|[0-9A-Za-z_-]{43})$`)
const roomAliasPattern = new RegExp(String.raw`^#[^:\0]+:${serverName}$`)
const eventIdPattern = /^\$[^\0]+$/
const localpartPattern = /^[0-9a-z._=/+-]+$/

/** True for a host name, IPv4 or bracketed IPv6 address, with an optional port. */
export function isServerName(text: string): boolean {
  return serverNamePattern.test(text)
}

/** True for any user id a room may contain: historical localparts, even an empty one, included. */
export function isUserId(text: string): boolean {
  return fits(text) && userIdPattern.test(text)
}

/** True if a new account may have this localpart on this server. */
export function isValidLocalpart(localpart: string, serverName: ServerName): boolean {
  return localpartPattern.test(localpart) && fits(makeUserId(localpart, serverName))
}

/** True for `!opaque:domain` and for the domainless ids of room version 12. */
export function isRoomId(text: string): boolean {
  return fits(text) && roomIdPattern.test(text)
}

export function isRoomAlias(text: string): boolean {
  return fits(text) && roomAliasPattern.test(text)
}

/** True for `$` and something after it: what that is depends on the room version. */
export function isEventId(text: string): boolean {
  return fits(text) && eventIdPattern.test(text)
}

/** Put a user id together. Checks nothing. */
export function makeUserId(localpart: string, serverName: ServerName): UserId {
  return `@${localpart}:${serverName}`
}

/** What lies between the sigil and the first colon. */
export function localpartOf(id: UserId | RoomAlias): string {
  const colon = id.indexOf(':')
  return colon < 0 ? id.slice(1) : id.slice(1, colon)
}

/** The server name: all after the first colon. Empty for an id without a domain. */
export function domainOf(id: UserId | RoomId | RoomAlias | EventId): ServerName {
  const colon = id.indexOf(':')
  return colon < 0 ? '' : id.slice(colon + 1)
}

/** At most 255 bytes of UTF-8, and encodable as UTF-8 at all. */
function fits(id: string): boolean {
  return id.length <= maxIdBytes && id.isWellFormed() && Buffer.byteLength(id) <= maxIdBytes
}
