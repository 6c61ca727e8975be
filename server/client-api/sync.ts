/** Client-Server API "Syncing". */
import { z } from 'zod'
import { selectFilter } from '../../db/filters.ts'
import type { Context } from '../context.ts'
import { acknowledge } from '../encryption/to-device.ts'
import { endpoint } from '../http/endpoint.ts'
import { queryBoolean, queryInteger, text } from '../http/schemas.ts'
import { isDeeperThan, isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts'
import { badJson, invalidParam, notJson } from '../matrix/errors.ts'
import { assertFilter, assertRoomEventFilter, type Filter } from '../matrix/filter.ts'
import type { Requester } from '../requester.ts'
import { parseToken } from '../stream/token.ts'
import type { StateKeyName } from '../sync/request.ts'
import { sync } from '../sync/sync.ts'
import { presenceStates } from '../user-data/presence.ts'

const query = z.object({
  since: text.optional(),
  timeout: queryInteger.default(0),
  filter: text.optional(),
  full_state: queryBoolean.default(false),
  set_presence: z.enum(presenceStates).default('online'),
  use_state_after: queryBoolean.default(false),
  'org.matrix.msc4222.use_state_after': queryBoolean.default(false),
})

export const syncEndpoints = [
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/sync',
    spec: 'client-server-api/#get_matrixclientv3sync',
    auth: 'user',
    query,
    async handle({ ctx, requester, query, signal }) {
      const filter = await filterOf(ctx, requester, query.filter)
      if (query.since !== undefined) {
        await acknowledge(ctx, requester, parseToken(query.since, ctx.positions.latest()).position)
      }
      return sync(
        ctx,
        requester,
        {
          since: query.since,
          timeoutMs: query.timeout,
          filter,
          fullState: query.full_state,
          setPresence: query.set_presence,
          stateKeyName: stateKeyName(query),
        },
        signal,
      )
    },
  }),
]

/** MSC4222 is answered under the name it was asked by: js-sdk reads one, matrix-rust-sdk the other. */
function stateKeyName(asked: z.infer<typeof query>): StateKeyName {
  if (asked.use_state_after) return 'state_after'
  return asked['org.matrix.msc4222.use_state_after'] ? 'org.matrix.msc4222.state_after' : 'state'
}

/** A filter by its id, or spelt out. */
async function filterOf(
  ctx: Context,
  requester: Requester,
  filter: string | undefined,
): Promise<Filter> {
  if (filter === undefined) return {}
  if (filter.startsWith('{')) return assertFilter(parseObject(filter))
  const definition = await selectFilter(ctx.db, requester.userId, filter)
  if (definition === undefined) throw invalidParam('There is no such filter')
  return assertFilter(JSON.parse(definition) as JsonObject)
}

/** The `filter` of /messages and /context. */
export function roomEventFilterOf(filter: string | undefined) {
  return filter === undefined ? undefined : assertRoomEventFilter(parseObject(filter))
}

function parseObject(json: string) {
  let value: JsonValue
  try {
    value = JSON.parse(json) as JsonValue
  } catch {
    throw notJson('The filter is not JSON')
  }
  if (!isJsonObject(value) || isDeeperThan(value, 20)) throw badJson('That is not a filter')
  return value
}
