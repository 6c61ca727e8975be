/**
 * What the specification has and this server does not serve yet: path and methods. There the right
 * method is unknown, 404, and any other is the wrong one, 405; both M_UNRECOGNIZED, as for what is
 * served. Of the Server-Server API only what a server may have that does not federate.
 *
 * A path of which we serve another method stands here with what is missing.
 *
 * Whoever serves one takes it out; unserved-paths.test.ts reminds them.
 *
 * Spec: Client-Server API "Common error codes", M_UNRECOGNIZED; Complement asks for it.
 */
import type { Method } from './call.ts'

const v1 = '/_matrix/client/v1'
const v3 = '/_matrix/client/v3'

export const unservedPaths: Readonly<Record<string, readonly Method[]>> = {
  // Server Discovery
  '/.well-known/matrix/policy_server': ['GET'],
  // Client Authentication
  [`${v1}/auth_metadata`]: ['GET'],
  [`${v1}/register/m.login.registration_token/validity`]: ['GET'],
  [`${v3}/login/sso/redirect`]: ['GET'],
  [`${v3}/login/sso/redirect/:idpId`]: ['GET'],
  [`${v3}/register/email/requestToken`]: ['POST'],
  [`${v3}/register/msisdn/requestToken`]: ['POST'],
  [`${v3}/account/password/email/requestToken`]: ['POST'],
  [`${v3}/account/password/msisdn/requestToken`]: ['POST'],
  [`${v3}/account/3pid`]: ['POST'],
  [`${v3}/account/3pid/add`]: ['POST'],
  [`${v3}/account/3pid/bind`]: ['POST'],
  [`${v3}/account/3pid/delete`]: ['POST'],
  [`${v3}/account/3pid/unbind`]: ['POST'],
  [`${v3}/account/3pid/email/requestToken`]: ['POST'],
  [`${v3}/account/3pid/msisdn/requestToken`]: ['POST'],
  // Events
  [`${v3}/events/:eventId`]: ['GET'],
  [`${v3}/initialSync`]: ['GET'],
  // Rooms
  [`${v3}/directory/list/appservice/:networkId/:roomId`]: ['PUT'],
  '/_matrix/key/v2/query': ['POST'],
  '/_matrix/key/v2/query/:serverName': ['GET'],
  // MSC4140: to manage one needs its id. Complement of before 2025-11 asks for 404 without.
  [`${v1}/delayed_events`]: ['POST'],
  '/_matrix/client/unstable/org.matrix.msc4140/delayed_events': ['POST'],
}

/** The right method of such a path, or of one of which we serve other methods. */
export function isUnserved(path: string, method: string): boolean {
  const methods = unservedPaths[path] ?? []
  return methods.some(right => right === (method === 'HEAD' ? 'GET' : method))
}
