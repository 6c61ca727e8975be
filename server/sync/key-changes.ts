/** What `device_lists` of one /sync from one token to another would tell. */

import type { JsonObject } from '../lib/json.ts'
import { parseToken } from '../stream/token.ts'
import { roomChanges } from './build-sync.ts'
import type { Context } from './context.ts'
import { deviceListsSection } from './device-lists-section.ts'

/**
 * @returns `{ changed, left }`
 * @throws 400 M_INVALID_PARAM a token that this server did not give out
 * Spec: GET /keys/changes
 */
export async function keyChanges(
  ctx: Context,
  userId: string,
  { from, to }: { from: string; to: string },
): Promise<JsonObject> {
  const latest = ctx.positions.latest()
  const since = parseToken(from, latest).position
  const settled = ctx.positions.settled()
  const upTo = Math.min(parseToken(to, latest).position, settled)
  if (upTo <= since) return { changed: [], left: [] }
  const window = { since, upTo }
  const changes = await roomChanges(ctx, userId, window)
  // Whose keys have changed again since `to`: only that is still known.
  const { changed, left } = await deviceListsSection(ctx, userId, window, changes, settled)
  return { changed, left }
}
