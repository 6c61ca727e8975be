/**
 * What a push gateway is told of an event.
 *
 * Spec: Push Gateway API, POST /_matrix/push/v1/notify
 */

import { selectJoinedRooms } from '../../db/memberships.ts'
import { selectCurrentState, selectStateByKeys } from '../../db/room-state.ts'
import type { PusherRow } from '../../db/schema.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { tweaksOf } from '../matrix/push-evaluation.ts'
import { displayNameIn, type StoredRuledEvent } from '../rooms/recipient.ts'
import { contentOf } from '../rooms/stored-event.ts'
import type { Context } from './context.ts'

export interface Push {
  event: StoredRuledEvent
  actions: JsonValue[]
}

/** The `notification` object. With `format: event_id_only` it says nothing of what was said. */
export async function notificationOf(
  ctx: Context,
  pusher: PusherRow,
  { event, actions }: Push,
): Promise<JsonObject> {
  const { url: _, ...data } = JSON.parse(pusher.data) as JsonObject
  const tweaks = tweaksOf(actions)
  const isUrgent = Boolean(tweaks.highlight) || tweaks.sound !== undefined
  const notification: JsonObject = {
    event_id: event.event_id,
    room_id: event.room_id,
    counts: { unread: await unreadCount(ctx, pusher.user_id) },
    prio: isUrgent || event.type === 'm.room.encrypted' ? 'high' : 'low',
    devices: [
      {
        app_id: pusher.app_id,
        pushkey: pusher.pushkey,
        pushkey_ts: Math.floor(pusher.created_ts / 1000),
        data,
        tweaks,
      },
    ],
  }
  if (data.format === 'event_id_only') return notification
  return { ...notification, ...(await described(ctx, pusher.user_id, event)) }
}

async function described(
  ctx: Context,
  userId: string,
  event: StoredRuledEvent,
): Promise<JsonObject> {
  const [sender] = await selectStateByKeys(ctx.db, event.room_id, [['m.room.member', event.sender]])
  const names = await selectCurrentState(
    ctx.db,
    [event.room_id],
    ['m.room.name', 'm.room.canonical_alias'],
  )
  const contentAt = (type: string) => {
    const row = names.find(other => other.type === type)
    return row ? contentOf(row) : {}
  }
  const senderName = sender && displayNameIn(contentOf(sender))
  const { name } = contentAt('m.room.name')
  const { alias } = contentAt('m.room.canonical_alias')
  const isMember = event.type === 'm.room.member'
  return {
    type: event.type,
    sender: event.sender,
    content: event.content,
    ...(senderName ? { sender_display_name: senderName } : {}),
    ...(typeof name === 'string' && name ? { room_name: name } : {}),
    ...(typeof alias === 'string' && alias ? { room_alias: alias } : {}),
    ...(isMember ? { user_is_target: event.state_key === userId } : {}),
  }
}

/** Over all rooms that the user is in. */
async function unreadCount(ctx: Context, userId: string): Promise<number> {
  const rooms = await selectJoinedRooms(ctx.db, userId)
  const counts = await ctx.unread.of(ctx.db, userId, rooms, ctx.positions.settled())
  let unread = 0
  for (const byThread of counts.values()) {
    for (const { notifications } of byThread.values()) unread += notifications
  }
  return unread
}
