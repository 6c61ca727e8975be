/** Which events a user's push rules notify of, and the list of those that have been. */

import { selectEvents } from '../../db/events.ts'
import { type MembershipRow, selectMembershipsBetween } from '../../db/memberships.ts'
import {
  type RuledRow,
  selectLatestForRules,
  selectNextForRules,
  selectOwnJoins,
} from '../../db/unread.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { actionsFor, isHighlight, isNotifying } from '../matrix/push-evaluation.ts'
import type { Requester } from '../requester.ts'
import { selectInvitePermission } from '../rooms/invite-filter.ts'
import { presentEvents } from '../rooms/present-event.ts'
import { unreadAfter } from '../rooms/read-marks.ts'
import {
  displayNameIn,
  type StoredRuledEvent,
  selectRuledRooms,
  toRuledEvent,
} from '../rooms/recipient.ts'
import { contentOf } from '../rooms/stored-event.ts'
import { viewerOf } from '../rooms/timeline.ts'
import { selectSights } from '../rooms/visibility.ts'
import type { Context } from './context.ts'

interface Notifying {
  event: StoredRuledEvent
  actions: JsonValue[]
}

const pageSize = 100

/**
 * What is to be pushed to a user in (after, upTo], in order.
 *
 * @param roomIds undefined: all rooms that they are in
 * @returns `upTo`: how far this page reaches, inclusive
 */
export async function pushesBetween(
  ctx: Context,
  userId: string,
  roomIds: readonly string[] | undefined,
  after: number,
  upTo: number,
): Promise<{ pushes: Notifying[]; upTo: number }> {
  const now = ctx.positions.latest()
  const memberships = await selectMembershipsBetween(ctx.db, userId, now, now)
  const wanted = memberships.filter(row => !roomIds || roomIds.includes(row.room_id))
  const joins = await selectOwnJoins(
    ctx.db,
    userId,
    wanted.filter(row => row.membership === 'join').map(row => row.room_id),
  )
  // Of a room that they are invited to, the invite and nothing else.
  const invites = await wantedInvites(
    ctx,
    userId,
    wanted.filter(
      row => row.membership === 'invite' && row.position > after && row.position <= upTo,
    ),
  )
  const rooms = [
    ...joins.map(join => ({
      roomId: join.room_id,
      after: Math.max(after, join.joined_position),
      upTo,
    })),
    ...invites.map(row => ({ roomId: row.room_id, after: row.position - 1, upTo: row.position })),
  ]
  const rows = await selectNextForRules(ctx.db, rooms, pageSize)
  const last = rows.at(-1)
  return {
    pushes: await notifying(ctx, userId, rows),
    upTo: last && rows.length === pageSize ? last.position : upTo,
  }
}

/** Those that the user has not chosen not to hear of (MSC4155). */
async function wantedInvites(
  ctx: Context,
  userId: string,
  invites: readonly MembershipRow[],
): Promise<MembershipRow[]> {
  const shown: MembershipRow[] = []
  for (const invite of invites) {
    const permission = await selectInvitePermission(ctx.db, userId, invite.sender)
    if (permission === 'allow') shown.push(invite)
  }
  return shown
}

async function notifying(
  ctx: Context,
  userId: string,
  rows: readonly RuledRow[],
): Promise<Notifying[]> {
  const { rules, ignored } = await ctx.unread.recipient(ctx.db, userId)
  const events = rows
    .filter(row => row.sender !== userId && !ignored.has(row.sender) && row.redacted_by === null)
    .map(toRuledEvent)
  const roomIds = [...new Set(events.map(event => event.room_id))]
  const rooms = await selectRuledRooms(ctx.db, roomIds)
  const names = await ownNames(ctx, userId, roomIds)
  return events.flatMap(event => {
    const room = rooms.get(event.room_id)
    const owner = { userId, displayName: names.get(event.room_id) }
    const actions = room ? actionsFor(rules, event, owner, room) : []
    return isNotifying(actions) ? [{ event, actions }] : []
  })
}

async function ownNames(ctx: Context, userId: string, roomIds: readonly string[]) {
  const now = ctx.positions.latest()
  const memberships = await selectMembershipsBetween(ctx.db, userId, now, now)
  const wanted = memberships.filter(row => roomIds.includes(row.room_id))
  const members = await selectEvents(
    ctx.db,
    wanted.map(row => row.event_id),
  )
  return new Map(members.map(row => [row.room_id, displayNameIn(contentOf(row))]))
}

/** At most this many events are looked at for one page of notifications. */
const mostLookedAt = 1_000

/**
 * What the user was notified of, latest first. A page may have fewer than asked for, or none, and
 * still lead on.
 *
 * @param before position, exclusive
 * Spec: GET /notifications
 */
export async function notifications(
  ctx: Context,
  requester: Requester,
  request: { before: number | undefined; limit: number; onlyHighlights: boolean },
): Promise<{ notifications: JsonObject[]; next_token?: string }> {
  const { userId } = requester
  const now = ctx.positions.settled()
  const memberships = await selectMembershipsBetween(ctx.db, userId, now, now)
  const joined = memberships.filter(row => row.membership === 'join').map(row => row.room_id)
  const joins = await selectOwnJoins(ctx.db, userId, joined)
  const rooms = joins.map(join => ({ roomId: join.room_id, after: join.joined_position }))

  const found: Notifying[] = []
  let before = request.before ?? now + 1
  let hasMore = rooms.length > 0
  for (let lookedAt = 0; hasMore && lookedAt < mostLookedAt; lookedAt += pageSize) {
    const rows = await selectLatestForRules(ctx.db, rooms, before, pageSize)
    hasMore = rows.length === pageSize
    before = rows.at(-1)?.position ?? before
    const page = await notifying(ctx, userId, rows)
    found.push(...page.filter(({ actions }) => !request.onlyHighlights || isHighlight(actions)))
    if (found.length >= request.limit) break
  }
  if (found.length > request.limit) {
    hasMore = true
    found.length = request.limit
    before = found.at(-1)?.event.position ?? before
  }
  const rows = await selectEvents(
    ctx.db,
    found.map(({ event }) => event.event_id),
  )
  const roomIds = [...new Set(rows.map(row => row.room_id))]
  const sights = await selectSights(ctx.db, roomIds, userId, now)
  const marks = await ctx.unread.marks(ctx.db, userId, roomIds, now)
  const shown = await presentEvents(ctx.db, rows, viewerOf(ctx, requester), sights)
  const byId = new Map(shown.map(event => [event.event_id, event]))
  return {
    notifications: found.flatMap(({ event, actions }) => {
      const presented = byId.get(event.event_id)
      const mark = marks.get(event.room_id)
      if (!presented || !mark) return []
      return {
        actions,
        event: { ...presented } as unknown as JsonObject,
        read: event.position <= unreadAfter(mark, event.thread),
        room_id: event.room_id,
        ts: presented.origin_server_ts,
      }
    }),
    ...(hasMore ? { next_token: String(before) } : {}),
  }
}
