/** Account data that changed in the window, global and by room. */
import { selectAccountDataBetween } from '../../db/account-data.ts'
import { selectPushRules } from '../../db/push.ts'
import type { Context } from '../context.ts'
import type { JsonObject } from '../lib/json.ts'
import { type Filter, limited, matchesFilter, matchesRoom } from '../matrix/filter.ts'
import { noChanges, type PushRuleChanges, pushRulesWith } from '../matrix/push-rules.ts'
import { userTopic } from '../stream/notifier.ts'
import type { Window } from './build-sync.ts'

/**
 * The filter's `account_data` goes for the global part, its `room.account_data` for the rooms.
 * Push rules are shown as account data, so that a client finds them in its first `/sync`.
 */
export async function accountDataSection(
  ctx: Context,
  userId: string,
  filter: Filter,
  { since, upTo }: Window,
): Promise<{ global: JsonObject[]; rooms: Map<string, JsonObject[]> }> {
  const rooms = new Map<string, JsonObject[]>()
  if (since !== undefined && !ctx.notifier.hasMoved(userTopic(userId), since)) {
    return { global: [], rooms }
  }
  const [global, rows] = await Promise.all([
    pushRulesEvent(ctx, userId, { since, upTo }),
    selectAccountDataBetween(ctx.db, userId, since ?? 0, upTo),
  ])
  const ofRooms = filter.room?.account_data ?? {}
  for (const row of rows) {
    // MSC3391: that something was removed is told once, and not to who begins anew.
    if (since === undefined && row.content === '{}') continue
    const event = { type: row.type, content: JSON.parse(row.content) as JsonObject }
    if (row.room_id === '') global.push(event)
    else if (matchesRoom(row.room_id, ofRooms) && matchesFilter(event, withoutRooms(ofRooms))) {
      rooms.set(row.room_id, [...(rooms.get(row.room_id) ?? []), event])
    }
  }
  const ofUser = filter.account_data ?? {}
  const shown = global.filter(event =>
    matchesFilter({ type: String(event.type), content: event.content as JsonObject }, ofUser),
  )
  for (const [roomId, events] of rooms) rooms.set(roomId, limited(events, ofRooms))
  return { global: limited(shown, ofUser), rooms }
}

/** The rules as they are now, if they changed in the window. */
async function pushRulesEvent(
  ctx: Context,
  userId: string,
  { since, upTo }: Window,
): Promise<JsonObject[]> {
  const row = await selectPushRules(ctx.db, userId)
  const position = row?.position ?? 0
  if (since !== undefined && (position <= since || position > upTo)) return []
  const changes = row ? (JSON.parse(row.changes) as PushRuleChanges) : noChanges
  return [{ type: 'm.push_rules', content: { global: { ...pushRulesWith(userId, changes) } } }]
}

function withoutRooms<T extends { rooms?: string[]; not_rooms?: string[] }>(filter: T) {
  const { rooms: _1, not_rooms: _2, ...rest } = filter
  return rest
}
