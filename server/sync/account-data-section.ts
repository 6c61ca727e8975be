/** Account data that changed in the window, global and by room. */
import { selectAccountDataBetween } from '../../db/account-data.ts'
import type { Context } from '../context.ts'
import type { JsonObject } from '../lib/json.ts'
import { type Filter, matchesFilter, matchesRoom } from '../matrix/filter.ts'
import { defaultPushRules } from '../matrix/push-rules.ts'
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
  const global: JsonObject[] =
    since === undefined
      ? [{ type: 'm.push_rules', content: { global: defaultPushRules(userId) } }]
      : []
  const rooms = new Map<string, JsonObject[]>()
  const ofRooms = filter.room?.account_data ?? {}
  for (const row of await selectAccountDataBetween(ctx.db, userId, since ?? 0, upTo)) {
    const event = { type: row.type, content: JSON.parse(row.content) as JsonObject }
    if (row.room_id === '') global.push(event)
    else if (matchesRoom(row.room_id, ofRooms) && matchesFilter(event, withoutRooms(ofRooms))) {
      rooms.set(row.room_id, [...(rooms.get(row.room_id) ?? []), event])
    }
  }
  return {
    global: global.filter(event =>
      matchesFilter(
        { type: String(event.type), content: event.content as JsonObject },
        filter.account_data ?? {},
      ),
    ),
    rooms,
  }
}

function withoutRooms<T extends { rooms?: string[]; not_rooms?: string[] }>(filter: T) {
  const { rooms: _1, not_rooms: _2, ...rest } = filter
  return rest
}
