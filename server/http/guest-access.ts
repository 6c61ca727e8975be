/**
 * What guests may ask for: the specification's lists, and a few that they cannot do without. All
 * else is 403 M_GUEST_ACCESS_FORBIDDEN. Which rooms let them in is for rooms/append-event.ts.
 *
 * Spec: Client-Server API "Guest Access", "Client behaviour"
 */
import type { Method } from './call.ts'

const v1 = '/_matrix/client/v1'
const v3 = '/_matrix/client/v3'
const unstable = '/_matrix/client/unstable'

/** MSC4140: guests use delayed events as everybody does, whatever a draft calls them. */
const delayedEvents = [
  /^\/_matrix\/client\/unstable\/org\.matrix\.msc(4140|4157|4486)\//,
  /^\/_matrix\/client\/v1\/delayed_events(\/|$)/,
  /^\/_matrix\/client\/v3\/rooms\/[^/]+\/delayed_event\//,
  /^\/_matrix\/client\/v[013]\/(futures?(\/|$)|update_future\/?$)/,
  /^\/_matrix\/client\/v[13]\/rooms\/[^/]+\/(send|state)_future\//,
  /^\/_matrix\/client\/v3\/rooms\/[^/]+\/(send|state)\/[^/]+\/[^/]*\/future\/?$/,
  /^\/_matrix\/client\/v1\/rooms\/[^/]+\/(send|state)\//,
]

/** `{name}` stands for one segment of a path, `{name*}` for one that may be empty. */
const open: Readonly<Record<Method, readonly string[]>> = {
  GET: [
    // Retrieving events and associated media
    `${v3}/rooms/{roomId}/state`,
    `${v3}/rooms/{roomId}/state/{eventType}`,
    `${v3}/rooms/{roomId}/state/{eventType}/{stateKey*}`,
    `${v3}/rooms/{roomId}/context/{eventId}`,
    `${v3}/rooms/{roomId}/event/{eventId}`,
    `${v3}/rooms/{roomId}/messages`,
    `${v3}/rooms/{roomId}/members`,
    `${v3}/rooms/{roomId}/initialSync`,
    `${v3}/sync`,
    `${v3}/events`,
    `${v1}/media/download/{serverName}/{mediaId}`,
    `${v1}/media/download/{serverName}/{mediaId}/{fileName}`,
    `${v1}/media/thumbnail/{serverName}/{mediaId}`,
    // Own account maintenance
    `${v3}/devices`,
    `${v3}/devices/{deviceId}`,
    `${v3}/account/whoami`,
    // Not in the lists. What the server can do, and what a room is that one may join.
    `${v3}/capabilities`,
    `${v1}/room_summary/{roomIdOrAlias}`,
    `${unstable}/im.nheko.summary/summary/{roomIdOrAlias}`,
    `${unstable}/im.nheko.summary/rooms/{roomIdOrAlias}/summary`,
    // MSC4143: whoever may send into a room may take part in its calls.
    `${v1}/rtc/transports`,
    `${unstable}/org.matrix.msc4143/rtc/transports`,
  ],
  POST: [
    // Sending events
    `${v3}/rooms/{roomId}/join`,
    `${v3}/rooms/{roomId}/leave`,
    // End-to-end encryption
    `${v3}/keys/upload`,
    `${v3}/keys/query`,
    `${v3}/keys/claim`,
    // Not in the lists: js-sdk joins by this one only, and a session should have an end.
    `${v3}/join/{roomIdOrAlias}`,
    `${v3}/logout`,
    `${v3}/logout/all`,
  ],
  PUT: [
    // Sending events
    `${v3}/rooms/{roomId}/send/{eventType}/{txnId}`,
    `${v3}/rooms/{roomId}/state/{eventType}`,
    `${v3}/rooms/{roomId}/state/{eventType}/{stateKey*}`,
    `${v3}/sendToDevice/{eventType}/{txnId}`,
    // Own account maintenance
    `${v3}/profile/{userId}/displayname`,
    `${v3}/devices/{deviceId}`,
  ],
  DELETE: [],
}

const patterns = Object.fromEntries(
  Object.entries(open).map(([method, paths]) => [method, paths.map(patternOf)]),
)

function patternOf(path: string): RegExp {
  const pattern = path
    .replaceAll('.', '\\.')
    .replaceAll(/\{\w+\*\}/g, '[^/]*')
    .replaceAll(/\{\w+\}/g, '[^/]+')
  return new RegExp(`^${pattern}/?$`)
}

/** @param path without its query, percent-encoded or not */
export function mayGuest(method: string, path: string): boolean {
  const asked = method === 'HEAD' ? 'GET' : method
  return [...(patterns[asked] ?? []), ...delayedEvents].some(pattern => pattern.test(path))
}
