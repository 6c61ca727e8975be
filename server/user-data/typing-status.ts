/** Saying that one types. The state itself is in typing.ts. */

import { assertJoined } from '../rooms/visibility.ts'
import type { Context } from './context.ts'

/**
 * @param timeoutMs 0 says that one has stopped
 * @throws 403 M_FORBIDDEN not in the room
 * Spec: PUT /rooms/{roomId}/typing/{userId}
 */
export async function setTyping(
  ctx: Context,
  userId: string,
  roomId: string,
  timeoutMs: number,
): Promise<void> {
  await assertJoined(ctx.db, roomId, userId)
  if (timeoutMs > 0) ctx.typing.start(roomId, userId, timeoutMs)
  else ctx.typing.end(roomId, userId)
}
