/** Keys of users of other servers, which this one cannot ask. */
import type { JsonObject } from '../lib/json.ts'
import { domainOf } from '../matrix/ids.ts'

/**
 * What is answered of the servers of those users that are not ours: by it clients tell who cannot be
 * reached from who has no keys.
 *
 * Spec: POST /keys/query, POST /keys/claim, `failures`
 */
export function failuresOf(serverName: string, userIds: readonly string[]): JsonObject {
  const elsewhere = userIds.map(domainOf).filter(domain => domain !== serverName)
  return Object.fromEntries(
    elsewhere.map(domain => [
      domain,
      { errcode: 'M_UNKNOWN', error: 'This server does not federate' },
    ]),
  )
}
