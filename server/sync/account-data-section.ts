/** Account data that changed in the window, global and by room. */
import { selectAccountDataBetween, selectAccountDataOfRooms } from '../../db/account-data.ts'
import { selectPushRules } from '../../db/push.ts'
import type { AccountDataRow } from '../../db/schema.ts'
import type { JsonObject } from '../lib/json.ts'
import { type Filter, limited, matchesFilter, matchesRoom } from '../matrix/filter.ts'
import { noChanges, type PushRuleChanges, pushRulesWith } from '../matrix/push-rules.ts'
import { userTopic } from '../stream/notifier.ts'
import type { Context } from './context.ts'
import type { Window } from './window.ts'

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
  if (since !== undefined && !ctx.notifier.hasMoved(userTopic(userId), since)) {
    return { global: [], rooms: new Map() }
  }
  const [global, rows] = await Promise.all([
    pushRulesEvent(ctx, userId, { since, upTo }),
    selectAccountDataBetween(ctx.db, userId, since ?? 0, upTo),
  ])
  // MSC3391: that something was removed is not told to who begins anew.
  const told = since === undefined ? rows.filter(row => row.content !== '{}') : rows
  global.push(...told.filter(row => row.room_id === '').map(toEvent))
  const ofUser = filter.account_data ?? {}
  const shown = global.filter(event =>
    matchesFilter({ type: String(event.type), content: event.content as JsonObject }, ofUser),
  )
  return { global: limited(shown, ofUser), rooms: byRoom(told, filter) }
}

/**
 * By room, all that the user keeps in these, and has removed there: they are told of as a whole, and
 * whoever was there before may know what was removed meanwhile.
 */
export async function accountDataOfRooms(
  ctx: Context,
  userId: string,
  filter: Filter,
  roomIds: readonly string[],
  upTo: number,
): Promise<Map<string, JsonObject[]>> {
  return byRoom(await selectAccountDataOfRooms(ctx.db, userId, roomIds, upTo), filter)
}

type Row = Omit<AccountDataRow, 'user_id'>

const toEvent = ({ type, content }: Row) => ({ type, content: JSON.parse(content) as JsonObject })

/** What the filter lets through. */
function byRoom(rows: readonly Row[], filter: Filter): Map<string, JsonObject[]> {
  const { rooms: _1, not_rooms: _2, ...ofEvents } = filter.room?.account_data ?? {}
  const events = new Map<string, JsonObject[]>()
  for (const row of rows) {
    const event = toEvent(row)
    const isWanted = matchesRoom(row.room_id, filter.room?.account_data ?? {})
    if (row.room_id === '' || !isWanted || !matchesFilter(event, ofEvents)) continue
    events.set(row.room_id, [...(events.get(row.room_id) ?? []), event])
  }
  for (const [roomId, all] of events) events.set(roomId, limited(all, ofEvents))
  return events
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
