/**
 * A room that the user has never been in: an invite, a knock, or the end of one.
 *
 * Spec: MSC4186 "Invite/knock/rejections"; `invite_state` is what clients call `stripped_state`
 */
import { selectEvents } from '../../../db/events.ts'
import type { JsonObject } from '../../lib/json.ts'
import { presentEvents } from '../../rooms/present-event.ts'
import { viewerOf } from '../../rooms/timeline.ts'
import { selectSettledSight } from '../../rooms/visibility.ts'
import type { Context } from '../context.ts'
import { strippedState } from '../other-rooms.ts'
import type { View } from '../stretch.ts'
import { isRequired } from './required-state.ts'
import type { RoomResult, RoomTask } from './room-result.ts'

export async function outsideRoomResult(
  ctx: Context,
  view: View,
  { room, config, told, upTo }: RoomTask,
): Promise<RoomResult> {
  const { now } = room
  const isWaiting = now.membership === 'invite' || now.membership === 'knock'
  const shown = isWaiting
    ? { initial: true, invite_state: await strippedState(ctx, now) }
    : await departure(ctx, view, room.roomId, now.event_id, config, upTo)
  return {
    wire: {
      ...shown,
      ...(room.isDirect || told?.isDirect ? { is_dm: room.isDirect } : {}),
      bump_stamp: now.position,
    },
    isInitial: false,
    timeline: [],
    told: {
      upTo,
      firstUpTo: upTo,
      isFromOutside: true,
      isDirect: room.isDirect,
      state: config.state,
      latestEvents: 0,
      members: new Set(),
    },
  }
}

/** That an invite or a knock has come to nothing; of the room nothing else is shown. */
async function departure(
  ctx: Context,
  { requester }: View,
  roomId: string,
  eventId: string,
  config: RoomTask['config'],
  upTo: number,
): Promise<JsonObject> {
  const rows = await selectEvents(ctx.db, [eventId])
  const sight = await selectSettledSight(ctx.db, roomId, requester.userId, upTo)
  const events = await presentEvents(ctx.db, rows, viewerOf(ctx, requester), [sight], {
    withoutRoomId: true,
  })
  const wire = events as unknown as JsonObject[]
  return {
    required_state: isRequired(config.state, 'm.room.member', requester.userId) ? wire : [],
    timeline: config.timelineLimit > 0 ? wire : [],
    limited: false,
    num_live: config.timelineLimit > 0 ? wire.length : 0,
  }
}
