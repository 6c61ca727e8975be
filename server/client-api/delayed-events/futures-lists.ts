/**
 * Listing Futures, as MSC4140's drafts of 2024 have it. Both lists show all that a user has
 * scheduled, in whichever dialect.
 */
import { selectGroup } from '../../../db/delayed-event-groups.ts'
import type { DelayedEventRow } from '../../../db/delayed-events.ts'
import { selectScheduled } from '../../../db/delayed-events-lists.ts'
import { selectEvent } from '../../../db/events.ts'
import { selectRoom } from '../../../db/rooms.ts'
import type { Context } from '../../context.ts'
import { timeoutMember } from '../../delayed-events/futures.ts'
import { secretOf } from '../../delayed-events/secrets.ts'
import { endpoint } from '../../http/endpoint.ts'
import type { JsonObject } from '../../lib/json.ts'
import { signedPdu, versionOf } from '../../rooms/stored-event.ts'
import { speaks } from './dialects.ts'
import { spec, unstablePrefix } from './wire.ts'

const contentOf = (row: DelayedEventRow) => JSON.parse(row.content) as JsonObject
const stateKeyOf = (row: DelayedEventRow): JsonObject =>
  row.state_key === null ? {} : { state_key: row.state_key }

/** As the draft of 2024-07-23 has it. */
function itemOf(row: DelayedEventRow): JsonObject {
  return {
    future_id: row.delay_id,
    room_id: row.room_id,
    event_type: row.type,
    ...stateKeyOf(row),
    ...(row.delay_ms === null ? {} : { timeout: row.delay_ms }),
    running_since: row.since_ts,
    content: contentOf(row),
  }
}

/** As the drafts before have it: the request that scheduled it, and what it was answered. */
function requestOf(ctx: Context, row: DelayedEventRow): JsonObject {
  const place =
    row.state_key === null
      ? ['send', row.type, row.transaction_id ?? row.delay_id]
      : ['state', row.type, row.state_key]
  const path = ['rooms', row.room_id, ...place].map(encodeURIComponent).join('/')
  const query = new URLSearchParams({
    ...(row.delay_ms === null ? {} : { future_timeout: String(row.delay_ms) }),
    ...(row.group_id === null ? {} : { future_group_id: row.group_id }),
  })
  return {
    url: `/_matrix/client/v1/${path}?${query}`,
    body: contentOf(row),
    response: {
      ...tokensOf(ctx, row),
      ...(row.group_id === null ? {} : { future_group_id: row.group_id }),
      future_id: row.delay_id,
      last_refresh: row.since_ts,
      ...(row.delay_ms === null ? {} : { timeout: row.delay_ms }),
    },
  }
}

/** Those that the dialect of tokens gave out; nobody else has any. */
function tokensOf(ctx: Context, row: DelayedEventRow): JsonObject {
  if (row.dialect !== 'future' || !ctx.config.delayed_events.dialects.future_tokens) return {}
  return {
    send_token: secretOf(ctx, row.delay_id, 'send'),
    cancel_token: secretOf(ctx, row.delay_id, 'cancel'),
    ...(row.delay_ms === null ? {} : { refresh_token: secretOf(ctx, row.delay_id, 'refresh') }),
  }
}

/** The events of one request of 2024-05, and the token for them all. */
async function futuresOf(ctx: Context, timeout: DelayedEventRow): Promise<JsonObject> {
  const group = await selectGroup(ctx.db, timeout.group_id ?? '')
  const members = group.flatMap(row =>
    row.member === null ? [] : [[`m.${row.member}`, eventOf(row)]],
  )
  const sent =
    timeout.follows_event_id === null
      ? undefined
      : await selectEvent(ctx.db, timeout.follows_event_id)
  const room = sent && (await selectRoom(ctx.db, sent.room_id))
  return {
    ...(sent && room
      ? { 'm.send_now': { ...signedPdu(ctx, sent, versionOf(room)), event_id: sent.event_id } }
      : {}),
    ...(Object.fromEntries(members) as JsonObject),
    future_token: secretOf(ctx, timeout.delay_id, 'future'),
  }
}

const eventOf = (row: DelayedEventRow): JsonObject => ({
  type: row.type,
  room_id: row.room_id,
  sender: row.user_id,
  ...stateKeyOf(row),
  content: contentOf(row),
})

/** Of one request of 2024-05 there is one item, that of its timeout. */
async function itemsOfRequests(ctx: Context, userId: string): Promise<JsonObject[]> {
  const items: JsonObject[] = []
  for (const row of await selectScheduled(ctx.db, userId)) {
    const isFutures = row.dialect === 'futures'
    if (isFutures && row.member !== timeoutMember) continue
    items.push({ ...requestOf(ctx, row), ...(isFutures ? await futuresOf(ctx, row) : {}) })
  }
  return items
}

export const futuresListEndpoints = [
  endpoint({
    method: 'GET',
    path: ['/_matrix/client/v1/futures', `${unstablePrefix}/futures`],
    spec,
    auth: 'user',
    servedIf: speaks('future_ids'),
    handle: async ({ ctx, requester }) => ({
      futures: (await selectScheduled(ctx.db, requester.userId)).map(itemOf),
    }),
  }),
  endpoint({
    method: 'GET',
    path: [
      '/_matrix/client/v3/futures',
      '/_matrix/client/v3/future',
      '/_matrix/client/v1/future',
      '/_matrix/client/v0/futures',
    ],
    spec,
    auth: 'user',
    servedIf: speaks('futures', 'future_tokens', 'future_ids'),
    handle: ({ ctx, requester }) => itemsOfRequests(ctx, requester.userId),
  }),
]
