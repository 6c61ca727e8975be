/**
 * Which requests are counted, and by which limit: what the specification marks as rate-limited, and
 * sending and making rooms, which it does not mark and every server limits. By user, or by address
 * where there is no user yet.
 *
 * Managing delayed events is not here: that counts by delayed event, because one address, that of
 * lk-jwt-service, manages those of everybody.
 *
 * Spec: Client-Server API "Rate limiting", and "Rate-limited" at each endpoint
 */
import type { Request } from 'express'
import type { LimitName } from '../config.ts'
import type { Context } from '../context.ts'
import type { Requester } from '../requester.ts'
import { networkOf } from './client-address.ts'

const v1 = '/_matrix/client/v1'
const v3 = '/_matrix/client/v3'
const media = '/_matrix/media/v3'

/** Also what is not served yet: whoever serves it has its limit. */
export const rateLimited: Readonly<Partial<Record<LimitName, readonly string[]>>> = {
  messages: [
    `PUT ${v3}/rooms/:roomId/send/:eventType/:txnId`,
    `PUT ${v3}/rooms/:roomId/state/:eventType{/:stateKey}`,
    `PUT ${v3}/rooms/:roomId/redact/:eventId/:txnId`,
    // MSC4140's Futures may send an event at once.
    `PUT ${v3}/rooms/:roomId/send/:eventType/:txnId/future`,
    `PUT ${v3}/rooms/:roomId/state/:eventType/:stateKey/future`,
  ],
  rooms: [`POST ${v3}/createRoom`, `POST ${v3}/rooms/:roomId/upgrade`],
  joins: [
    `POST ${v3}/join/:roomIdOrAlias`,
    `POST ${v3}/rooms/:roomId/join`,
    `POST ${v3}/knock/:roomIdOrAlias`,
    `POST ${v3}/rooms/:roomId/leave`,
    `POST ${v3}/rooms/:roomId/forget`,
  ],
  invites: [`POST ${v3}/rooms/:roomId/invite`],
  logins: [`POST ${v3}/login`, `POST ${v1}/login/get_token`, `POST ${v3}/refresh`],
  registrations: [
    `POST ${v3}/register`,
    `GET ${v3}/register/available`,
    `GET ${v1}/register/m.login.registration_token/validity`,
  ],
  other: [
    `GET ${v3}/login`,
    `GET ${v3}/account/whoami`,
    `POST ${v3}/account/deactivate`,
    `POST ${v3}/account/password`,
    `POST ${v3}/account/3pid/add`,
    `POST ${v3}/account/3pid/bind`,
    `POST ${v3}/user/:userId/openid/request_token`,
    `GET ${v3}/capabilities`,
    `PUT ${v3}/rooms/:roomId/typing/:userId`,
    `POST ${v3}/rooms/:roomId/receipt/:receiptType/:eventId`,
    `POST ${v3}/rooms/:roomId/read_markers`,
    `POST ${v3}/rooms/:roomId/report`,
    `GET ${v3}/rooms/:roomId/aliases`,
    `GET ${v1}/rooms/:roomId/threads`,
    `GET ${v1}/rooms/:roomId/timestamp_to_event`,
    `GET ${v1}/rooms/:roomId/hierarchy`,
    `POST ${v3}/search`,
    `GET ${v1}/mutual_rooms`,
    `POST ${v3}/users/:userId/report`,
    `POST ${v3}/user_directory/search`,
    ...['PUT', 'DELETE'].map(method => `${method} ${v3}/profile/:userId/:keyName`),
    `PUT ${v3}/presence/:userId/status`,
    `POST ${v3}/pushers/set`,
    `PUT ${v3}/pushrules/global/:kind/:ruleId`,
    `GET ${v3}/voip/turnServer`,
    ...['GET', 'POST'].map(method => `${method} ${v3}/room_keys/version`),
    ...['GET', 'PUT', 'DELETE'].flatMap(method => [
      `${method} ${v3}/room_keys/version/:version`,
      `${method} ${v3}/room_keys/keys`,
      `${method} ${v3}/room_keys/keys/:roomId`,
      `${method} ${v3}/room_keys/keys/:roomId/:sessionId`,
    ]),
    `POST ${media}/upload`,
    `PUT ${media}/upload/:serverName/:mediaId`,
    'POST /_matrix/media/v1/create',
    ...[media, `${v1}/media`].flatMap(base => [
      `GET ${base}/config`,
      `GET ${base}/preview_url`,
      `GET ${base}/download/:serverName/:mediaId`,
      `GET ${base}/download/:serverName/:mediaId/:fileName`,
      `GET ${base}/thumbnail/:serverName/:mediaId`,
    ]),
  ],
}

/** The names of its parameters are an endpoint's own affair. */
const shape = (path: string) => path.replace(/:\w+/g, ':')

const limitNames = new Map(
  Object.entries(rateLimited).flatMap(([name, paths]) =>
    paths.map(path => [shape(path), name as LimitName]),
  ),
)

/** Looking delayed events up, in whatever dialect. */
const lookUp = /^GET .*\/(delayed_events|futures?)(\/|$)/

/** The limit of an endpoint by its method and path; undefined if it has none. */
export function limitOf(method: string, path: string): LimitName | undefined {
  const name = `${method} ${path}`
  return lookUp.test(name) ? 'delayed_event_lookups' : limitNames.get(shape(name))
}

/** @throws 429 M_LIMIT_EXCEEDED */
export function countRequest(
  ctx: Context,
  name: LimitName,
  request: Request,
  requester: Requester | undefined,
): void {
  ctx.rateLimits.take(name, requester ?? networkOf(request))
}
