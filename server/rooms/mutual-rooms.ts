/** Rooms that two users are in. Spec: GET /mutual_rooms */
import { selectMutualRooms } from '../../db/room-mates.ts'
import { invalidParam } from '../matrix/errors.ts'
import type { Requester } from '../requester.ts'
import type { Context } from './context.ts'

const pageSize = 100

/**
 * The rooms that both have joined, a page at a time; none with somebody who does not exist.
 *
 * @param from exclusive: the room that a page ended with
 * @returns `count` is of all pages; `end` is there unless this is the last
 * @throws 400 M_INVALID_PARAM with oneself
 */
export async function readMutualRooms(
  ctx: Context,
  { userId }: Requester,
  { otherId, from }: { otherId: string; from: string | undefined },
): Promise<{ joined: string[]; count: number; end: string | undefined }> {
  if (otherId === userId) throw invalidParam('user_id: is your own')
  const rooms = await selectMutualRooms(ctx.db, userId, otherId)
  const rest = from === undefined ? rooms : rooms.filter(roomId => roomId > from)
  const joined = rest.slice(0, pageSize)
  return {
    joined,
    count: rooms.length,
    end: rest.length > pageSize ? joined.at(-1) : undefined,
  }
}
