/** A look at a whole room, by who is in it or may read it from outside. Spec: "Room previews" */
import { selectAccountDataOfRooms } from '../../db/account-data.ts'
import { selectMembership } from '../../db/memberships.ts'
import type { JsonObject } from '../lib/json.ts'
import type { ClientEvent } from '../matrix/event.ts'
import type { Requester } from '../requester.ts'
import type { Context } from './context.ts'
import { readIsPublished } from './public-rooms.ts'
import { readState } from './read-state.ts'
import { readMessages } from './timeline.ts'

export interface RoomPreview {
  room_id: string
  membership?: string
  messages: { start?: string; end: string; chunk: ClientEvent[] }
  state: ClientEvent[]
  visibility: 'public' | 'private'
  account_data: { type: string; content: JsonObject }[]
}

/**
 * The state, the latest `limit` events, oldest first, and what the user keeps for this room. For who has left,
 * as it was then.
 *
 * @returns `messages.end` is where listening goes on, `messages.start` where earlier events end
 * @throws 403 M_FORBIDDEN, also for a room that does not exist
 * Spec: GET /rooms/{roomId}/initialSync
 */
export async function readRoomPreview(
  ctx: Context,
  requester: Requester,
  { roomId, limit }: { roomId: string; limit: number | undefined },
): Promise<RoomPreview> {
  const { userId } = requester
  const upTo = ctx.positions.latest()
  // Before the state: what changes meanwhile is in that, and comes after `end` once more.
  const page = await readMessages(ctx, requester, { roomId, dir: 'b', limit, filter: undefined })
  const [state, isPublished, accountData, membership] = await Promise.all([
    readState(ctx, requester, roomId),
    readIsPublished(ctx, roomId),
    selectAccountDataOfRooms(ctx.db, userId, [roomId], upTo),
    selectMembership(ctx.db, roomId, userId),
  ])
  const { start: latest, end: earliest, chunk } = page
  return {
    room_id: roomId,
    ...(membership && { membership: membership.membership }),
    messages: {
      ...(earliest !== undefined && { start: earliest }),
      end: latest,
      chunk: chunk.reverse(),
    },
    state,
    visibility: isPublished ? 'public' : 'private',
    account_data: accountData.map(({ type, content }) => ({ type, content: JSON.parse(content) })),
  }
}
