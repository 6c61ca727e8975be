/** Client-Server API "Server Side Search". */
import { z } from 'zod'
import { endpoint } from '../http/endpoint.ts'
import { jsonObject, optional, text } from '../http/schemas.ts'
import type { JsonObject } from '../lib/json.ts'
import { assertRoomEventFilter } from '../matrix/filter.ts'
import { searchEvents } from '../rooms/search.ts'
import { searchableKeys } from '../rooms/searchable-text.ts'

/** More than this around each result is not given, whatever is asked for. */
const maxContext = 50
const contextSize = z
  .int()
  .nonnegative()
  .transform(size => Math.min(size, maxContext))
const usualContext = 5

const roomEvents = z.looseObject({
  search_term: text,
  keys: optional(z.array(z.enum(searchableKeys))),
  filter: optional(jsonObject),
  order_by: optional(z.enum(['rank', 'recent'])),
  event_context: optional(
    z.looseObject({
      before_limit: optional(contextSize),
      after_limit: optional(contextSize),
      include_profile: optional(z.boolean()),
    }),
  ),
  include_state: optional(z.boolean()),
  groupings: optional(
    z.looseObject({
      group_by: optional(z.array(z.looseObject({ key: z.enum(['room_id', 'sender']) }))),
    }),
  ),
})

export const searchEndpoints = [
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/search',
    spec: 'client-server-api/#post_matrixclientv3search',
    auth: 'user',
    query: z.object({ next_batch: text.optional() }),
    body: z.looseObject({
      search_categories: z.looseObject({ room_events: optional(roomEvents) }),
    }),
    async handle({ ctx, requester, query, body }) {
      const wanted = body.search_categories.room_events
      const categories: JsonObject = {}
      if (!wanted) return { search_categories: categories }
      const context = wanted.event_context
      categories.room_events = await searchEvents(ctx, requester, {
        term: wanted.search_term,
        keys: wanted.keys ?? searchableKeys,
        filter: assertRoomEventFilter(wanted.filter ?? {}),
        orderBy: wanted.order_by ?? 'rank',
        context: context && {
          before: context.before_limit ?? usualContext,
          after: context.after_limit ?? usualContext,
          withProfiles: context.include_profile ?? false,
        },
        withState: wanted.include_state ?? false,
        groupBy: [...new Set((wanted.groupings?.group_by ?? []).map(({ key }) => key))],
        nextBatch: query.next_batch,
      })
      return { search_categories: categories }
    },
  }),
]
