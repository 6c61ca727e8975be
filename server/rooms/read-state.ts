/** Reading a room's state and its members, as of now or as of when the user left. */
import { selectStateAt, selectStateEventAt } from '../../db/room-state.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { forbidden, notFound } from '../matrix/errors.ts'
import type { ClientEvent } from '../matrix/event.ts'
import { isInRanges } from '../matrix/readable-ranges.ts'
import type { Requester } from '../requester.ts'
import { parseToken } from '../stream/token.ts'
import type { Context } from './context.ts'
import { presentEvents } from './present-event.ts'
import { contentOf } from './stored-event.ts'
import { viewerOf } from './timeline.ts'
import { lookInto, notInRoom, selectSight } from './visibility.ts'

/**
 * All of a room's state.
 *
 * @throws 403 M_FORBIDDEN
 * Spec: GET /rooms/{roomId}/state
 */
export async function readState(
  ctx: Context,
  requester: Requester,
  roomId: string,
): Promise<ClientEvent[]> {
  const sight = await lookInto(ctx.db, roomId, requester.userId, ctx.positions.latest())
  const rows = await selectStateAt(ctx.db, roomId, sight.stateUpTo)
  return presentEvents(ctx.db, rows, viewerOf(ctx, requester), [sight])
}

/**
 * One state event, whole.
 *
 * @throws 403 M_FORBIDDEN · 404 M_NOT_FOUND if nothing stands under that key
 * Spec: GET /rooms/{roomId}/state/{eventType}/{stateKey}
 */
export async function readStateEvent(
  ctx: Context,
  requester: Requester,
  roomId: string,
  key: { type: string; stateKey: string },
): Promise<ClientEvent> {
  const sight = await lookInto(ctx.db, roomId, requester.userId, ctx.positions.latest())
  const at = sight.stateUpTo
  const row = await selectStateEventAt(ctx.db, roomId, [key.type, key.stateKey], at)
  const viewer = viewerOf(ctx, requester)
  const [event] = await presentEvents(ctx.db, row ? [row] : [], viewer, [sight])
  if (!event) throw notFound('The room has no such state')
  return event
}

/**
 * The membership events of a room.
 *
 * @param selection `at` is a token of /sync or /messages: the members as that sync saw them. Of `membership`
 *   and `notMembership` either is enough.
 * @throws 403 M_FORBIDDEN, also for an `at` that is hidden from the user · 400 M_INVALID_PARAM a
 *   token that is none
 * Spec: GET /rooms/{roomId}/members
 */
export async function readMembers(
  ctx: Context,
  requester: Requester,
  roomId: string,
  selection: {
    at?: string | undefined
    membership?: string | undefined
    notMembership?: string | undefined
  },
): Promise<ClientEvent[]> {
  const now = ctx.positions.latest()
  const sight = await lookInto(ctx.db, roomId, requester.userId, now)
  const upTo = sight.stateUpTo
  const at = selection.at === undefined ? upTo : parseToken(selection.at, now).snapshot
  if (at < upTo && !isInRanges(at, sight.ranges)) throw forbidden('You were not in the room then')
  const rows = await selectStateAt(ctx.db, roomId, Math.min(at, upTo), {
    types: ['m.room.member'],
  })
  const { membership: is, notMembership: isNot } = selection
  const wanted = rows.filter(row => {
    const { membership } = contentOf(row)
    const isUnfiltered = is === undefined && isNot === undefined
    return isUnfiltered || membership === is || (isNot !== undefined && membership !== isNot)
  })
  return presentEvents(ctx.db, wanted, viewerOf(ctx, requester), [sight])
}

/**
 * Who is in the room, each with `display_name` and `avatar_url`, null where unset.
 *
 * @throws 403 M_FORBIDDEN unless the user is in it now
 * Spec: GET /rooms/{roomId}/joined_members
 */
export async function readJoinedMembers(
  ctx: Context,
  requester: Requester,
  roomId: string,
): Promise<JsonObject> {
  const sight = await selectSight(ctx.db, roomId, requester.userId, ctx.positions.latest())
  if (sight.memberships.at(-1)?.value !== 'join') throw notInRoom(roomId)
  const rows = await selectStateAt(ctx.db, roomId, sight.upTo, { types: ['m.room.member'] })
  const joined: [string, JsonObject][] = []
  for (const row of rows) {
    const { membership, displayname, avatar_url: avatarUrl } = contentOf(row)
    if (membership !== 'join') continue
    joined.push([
      row.state_key ?? '',
      { display_name: textOrNull(displayname), avatar_url: textOrNull(avatarUrl) },
    ])
  }
  return Object.fromEntries(joined)
}

/** A membership may hold anything, and this answer may not. */
function textOrNull(value: JsonValue | undefined): string | null {
  return typeof value === 'string' ? value : null
}
