/** Reading what relates to an event, and a room's threads. */
import { selectChildren, selectDescendants, selectThreadRoots } from '../../db/relations.ts'
import type { ClientEvent } from '../matrix/event.ts'
import type { Requester } from '../requester.ts'
import { formatTimelineToken, parseToken } from '../stream/token.ts'
import type { Context } from './context.ts'
import { presentEvents } from './present-event.ts'
import { withRedacted } from './redacted-copies.ts'
import { findReadable, lookAtEvents, viewerOf } from './timeline.ts'
import { isWhole } from './visibility.ts'

const defaultLimit = 10
const maxLimit = 1_000
/** How many steps from parent to child are taken with `recurse`. */
const maxDepth = 3

export interface RelationsRequest {
  roomId: string
  eventId: string
  relType: string | undefined
  eventType: string | undefined
  dir: 'f' | 'b'
  from: string | undefined
  to: string | undefined
  limit: number | undefined
  recurse: boolean | undefined
}

/**
 * A page of the events that relate to one, without those of users whom the reader ignores.
 *
 * @throws 404 M_NOT_FOUND unknown, in another room, or not for this user to see · 400
 *   M_INVALID_PARAM a token that is none
 * Spec: GET /rooms/{roomId}/relations/{eventId}[/{relType}[/{eventType}]]
 */
export async function readRelations(
  ctx: Context,
  requester: Requester,
  request: RelationsRequest,
): Promise<{
  chunk: ClientEvent[]
  next_batch?: string
  prev_batch?: string
  recursion_depth?: number
}> {
  const { sight } = await findReadable(ctx, requester, request.roomId, request.eventId)
  const now = ctx.positions.latest()
  const isBackwards = request.dir === 'b'
  const from = request.from === undefined ? undefined : parseToken(request.from, now).position
  const to = request.to === undefined ? undefined : parseToken(request.to, now).position
  const limit = Math.min(request.limit ?? defaultLimit, maxLimit)
  const viewer = viewerOf(ctx, requester)
  const query = {
    room: sight,
    ignored: await viewer.ignored(),
    parentId: request.eventId,
    relType: request.relType,
    eventType: request.eventType,
    after: (isBackwards ? to : from) ?? 0,
    upTo: (isBackwards ? from : to) ?? now,
    direction: isBackwards ? 'backwards' : 'forwards',
    // One more than is shown, to know whether there is more.
    limit: limit + 1,
  } as const
  const found = request.recurse
    ? await selectDescendants(ctx.db, query, maxDepth)
    : await selectChildren(ctx.db, query)
  const shown = found.slice(0, limit)
  const last = shown.at(-1)
  const settled = ctx.positions.settled()
  return {
    chunk: await presentEvents(ctx.db, shown, viewer, [sight]),
    ...(found.length > limit && last
      ? { next_batch: formatTimelineToken(last.position - (isBackwards ? 1 : 0), settled) }
      : {}),
    ...(request.from === undefined ? {} : { prev_batch: request.from }),
    ...(request.recurse ? { recursion_depth: maxDepth } : {}),
  }
}

/**
 * A page of a room's thread roots, those with the latest replies first. Replies of users whom the
 * reader ignores do not count, and roots of theirs are shown redacted.
 *
 * @throws 403 M_FORBIDDEN · 400 M_INVALID_PARAM a token that is none
 * Spec: GET /rooms/{roomId}/threads
 */
export async function readThreads(
  ctx: Context,
  requester: Requester,
  request: {
    roomId: string
    include: 'all' | 'participated'
    from: string | undefined
    limit: number | undefined
  },
): Promise<{ chunk: ClientEvent[]; next_batch?: string }> {
  const now = ctx.positions.latest()
  const sight = await lookAtEvents(ctx, requester, request.roomId, now)
  const limit = Math.min(request.limit ?? defaultLimit, maxLimit)
  const viewer = viewerOf(ctx, requester)
  const ignored = await viewer.ignored()
  const found = await selectThreadRoots(ctx.db, {
    room: sight,
    ignored,
    isWhole: isWhole(sight) && ignored.size === 0,
    // A thread with a reply that came meanwhile is where that reply has put it, and not nowhere.
    upTo:
      request.from === undefined ? Number.MAX_SAFE_INTEGER : parseToken(request.from, now).position,
    limit: limit + 1,
    participant: request.include === 'participated' ? requester.userId : undefined,
  })
  const shown = found.slice(0, limit)
  const last = shown.at(-1)
  const settled = ctx.positions.settled()
  const concealed = await withRedacted(ctx.db, shown, row => ignored.has(row.sender))
  return {
    chunk: await presentEvents(ctx.db, concealed, viewer, [sight]),
    ...(found.length > limit && last
      ? { next_batch: formatTimelineToken(last.latest_position - 1, settled) }
      : {}),
  }
}
