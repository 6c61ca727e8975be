/**
 * One room of an answer, of which the user is a member or was one: all of it the first time, then
 * what has changed.
 *
 * Spec: MSC4186 "RoomResult"
 */

import { selectEvents } from '../../../db/events.ts'
import { selectMembersAt } from '../../../db/memberships.ts'
import { hasStateChanged, selectStateAt } from '../../../db/room-state.ts'
import { selectRoom } from '../../../db/rooms.ts'
import type { EventRow } from '../../../db/schema.ts'
import type { JsonObject } from '../../lib/json.ts'
import { type Change, isInRanges } from '../../matrix/readable-ranges.ts'
import { isErasedFor } from '../../rooms/erasures.ts'
import { presentEvents } from '../../rooms/present-event.ts'
import { contentOf } from '../../rooms/stored-event.ts'
import { viewerOf } from '../../rooms/timeline.ts'
import { type Sight, selectSettledSight } from '../../rooms/visibility.ts'
import { formatTimelineToken } from '../../stream/token.ts'
import type { Context } from '../context.ts'
import { heroesOf } from '../room-summary.ts'
import { readSticky } from '../sticky-section.ts'
import type { View } from '../stretch.ts'
import { readTimelines } from '../timeline-section.ts'
import type { ToldRoom } from './connections.ts'
import type { RoomConfig } from './request.ts'
import { isRequired } from './required-state.ts'
import type { ListedRoom } from './room-list.ts'
import { readRequiredState } from './room-state.ts'

export interface RoomTask {
  room: ListedRoom
  config: RoomConfig
  /** Undefined if the connection has not been told of it. */
  told: ToldRoom | undefined
  /** Of the answer before; undefined if there was none. */
  answeredUpTo: number | undefined
  /** Inclusive. */
  upTo: number
  /** MSC4480: what is sticky is told as well, and who made it so. */
  withSticky: boolean
}

export interface RoomResult {
  /** Undefined: there is nothing to tell after all. */
  wire: JsonObject | undefined
  told: ToldRoom
  isInitial: boolean
  timeline: readonly EventRow[]
}

const nothing = { rows: [], isLimited: false }

export async function roomResult(ctx: Context, view: View, task: RoomTask): Promise<RoomResult> {
  const { room, config, upTo: answerUpTo } = task
  const { roomId, now } = room
  const { requester, ignored } = view
  const isJoined = now.membership === 'join'
  const upTo = isJoined ? answerUpTo : now.position
  const sight = await selectSettledSight(ctx.db, roomId, requester.userId, upTo)
  const { ranges } = sight
  if (!isJoined && !isInRanges(upTo, ranges)) ranges.push({ from: upTo, upTo })

  const stateUpTo = isJoined ? upTo : departureOf(sight.memberships, upTo)
  const told = task.told && isContinued(task.told, sight.memberships, now.position)
  const isExpanded = told !== undefined && config.timelineLimit > told.latestEvents
  const stretch = {
    roomId,
    since: isExpanded ? undefined : told?.upTo,
    upTo,
    // A client that was in the room before must not take it for the whole past.
    isAlwaysLimited: !told && task.told !== undefined && !task.told.isFromOutside,
    ranges,
  }
  const filter = { room: { timeline: { limit: config.timelineLimit } } }
  const [[timeline = nothing], summary] = await Promise.all([
    readTimelines(ctx, { filter }, [stretch], ignored),
    summaryOf(ctx, requester.userId, room, told?.upTo, { ...sight, upTo: stateUpTo }),
  ])
  const isGap = timeline.isLimited && (timeline.rows[0]?.position ?? upTo) > (told?.upTo ?? 0)
  const withSticky = task.withSticky && isJoined && config.state.isLazy
  const [sticky = []] = await readSticky(
    ctx,
    [{ roomId, since: isGap ? undefined : told?.upTo, upTo, withSticky }],
    ignored,
  )
  const state = await readRequiredState(ctx, {
    roomId,
    wanted: config.state,
    told,
    upTo: stateUpTo,
    speaking: [...timeline.rows, ...sticky],
    isGap,
  })
  const own = isJoined ? [] : await ownMembership(ctx, room, config, stateUpTo)
  const isDirectNews = room.isDirect !== (told?.isDirect ?? false)

  const rows = [...timeline.rows, ...withOwn(state.rows, own)]
  const events = await presentEvents(ctx.db, rows, viewerOf(ctx, requester), [sight], {
    withoutRoomId: true,
  })
  const start = timeline.rows[0] ? timeline.rows[0].position - 1 : upTo
  const isLive = (row: EventRow) => row.position > (task.answeredUpTo ?? answerUpTo)
  const wire: JsonObject = {
    ...(told ? {} : { initial: true }),
    ...(isExpanded ? { unstable_expanded_timeline: true } : {}),
    ...(isDirectNews ? { is_dm: room.isDirect } : {}),
    ...summary,
    required_state: events.slice(timeline.rows.length) as unknown as JsonObject[],
    timeline: events.slice(0, timeline.rows.length) as unknown as JsonObject[],
    limited: timeline.isLimited,
    num_live: timeline.rows.filter(isLive).length,
    prev_batch: formatTimelineToken(start, upTo),
    bump_stamp: room.bumpStamp,
  }
  const isEmpty =
    rows.length === 0 && !timeline.isLimited && !isDirectNews && Object.keys(summary).length === 0
  return {
    wire: told && isEmpty ? undefined : wire,
    isInitial: !told,
    timeline: timeline.rows,
    told: {
      upTo: answerUpTo,
      firstUpTo: told?.firstUpTo ?? answerUpTo,
      isFromOutside: false,
      isDirect: room.isDirect,
      state: config.state,
      latestEvents: latestEvents(config, timeline, isExpanded ? undefined : told),
      members: state.members,
    },
  }
}

/** When the user ceased to be in the room. An invite that they declined later shows them no more. */
function departureOf(memberships: readonly Change[], upTo: number): number {
  const lastJoin = memberships.findLastIndex(change => change.value === 'join')
  return memberships[lastJoin + 1]?.position ?? upTo
}

/**
 * What became of the user since they ceased to be in the room, if it is asked for: a ban, an invite that they
 * declined. matrix-rust-sdk takes a room for joined unless `required_state` says otherwise.
 */
async function ownMembership(
  ctx: Context,
  { now }: ListedRoom,
  { state }: RoomConfig,
  stateUpTo: number,
): Promise<EventRow[]> {
  const isWanted = isRequired(state, 'm.room.member', now.state_key)
  return isWanted && now.position > stateUpTo ? selectEvents(ctx.db, [now.event_id]) : []
}

/** The state, with these memberships in the place of earlier ones. */
function withOwn(state: readonly EventRow[], own: readonly EventRow[]): EventRow[] {
  const isReplaced = (row: EventRow) =>
    own.some(({ type, state_key }) => type === row.type && state_key === row.state_key)
  return [...state.filter(row => !isReplaced(row)), ...own]
}

/** What the client has goes on, if it was told from within and the user has been there since. */
function isContinued(
  told: ToldRoom,
  memberships: readonly Change[],
  now: number,
): ToldRoom | undefined {
  const before = memberships.findLast(change => change.position <= told.upTo)
  const between = memberships.filter(change => change.position > told.upTo && change.position < now)
  const wasThere = [...(before ? [before] : []), ...between].every(({ value }) => value === 'join')
  const isUnchanged = before?.position === now
  return !told.isFromOutside && (isUnchanged || wasThere) ? told : undefined
}

/** So many of the latest events does the client have now, without a gap. */
function latestEvents(
  config: RoomConfig,
  timeline: { rows: readonly EventRow[]; isLimited: boolean },
  before: ToldRoom | undefined,
): number {
  // What is hidden from the user limits it, too; asking for more would bring no more.
  const isCut = timeline.isLimited && timeline.rows.length >= config.timelineLimit
  if (isCut) return timeline.rows.length
  return before ? before.latestEvents + timeline.rows.length : Number.POSITIVE_INFINITY
}

/** Name, avatar, heroes and counts, where they have changed in (since, sight.upTo]. */
async function summaryOf(
  ctx: Context,
  userId: string,
  { roomId, now }: ListedRoom,
  since: number | undefined,
  sight: Sight,
): Promise<JsonObject> {
  const { upTo } = sight
  const types = ['m.room.name', 'm.room.avatar']
  const named = (await selectStateAt(ctx.db, roomId, upTo, { types })).filter(
    row => row.state_key === '',
  )
  const emptied = since === undefined ? new Map<string, number>() : await emptiedAt(ctx, named)
  const told: JsonObject = {}
  let hasName = false
  for (const row of named) {
    const { name, url } = contentOf(row)
    const value = row.type === 'm.room.name' ? name : url
    const isSet = typeof value === 'string' && value !== ''
    if (row.type === 'm.room.name') hasName = isSet
    const changedAt = emptied.get(row.event_id) ?? row.position
    const isNews = since === undefined ? isSet : changedAt > since
    if (isNews) told[row.type === 'm.room.name' ? 'name' : 'avatar'] = isSet ? value : null
  }
  // How many are there now is not for those to know who have gone.
  if (now.membership !== 'join') return told
  const isMemberNews =
    since === undefined || (await hasStateChanged(ctx.db, roomId, ['m.room.member'], since, upTo))
  if (isMemberNews) {
    const room = await selectRoom(ctx.db, roomId)
    told.joined_count = room?.joined_members ?? 0
    told.invited_count = room?.invited_members ?? 0
  }
  if (!hasName && (isMemberNews || 'name' in told)) {
    told.heroes = await readHeroes(ctx, userId, sight)
  }
  return told
}

/** Of those that were redacted, where. */
async function emptiedAt(ctx: Context, rows: readonly EventRow[]): Promise<Map<string, number>> {
  const ids = rows.flatMap(row => row.redacted_by ?? [])
  const positions = new Map(
    (await selectEvents(ctx.db, ids)).map(({ event_id, position }) => [event_id, position]),
  )
  return new Map(
    rows.flatMap(({ event_id, redacted_by }) => {
      const position = positions.get(redacted_by ?? '')
      return position === undefined ? [] : [[event_id, position] as const]
    }),
  )
}

async function readHeroes(ctx: Context, userId: string, sight: Sight): Promise<JsonObject[]> {
  const { roomId, upTo: at } = sight
  const heroes = (await heroesOf(ctx, [roomId], userId)).get(roomId) ?? []
  const rows = await selectMembersAt(
    ctx.db,
    heroes.map(hero => ({ roomId, userId: hero, at })),
  )
  const shown = rows.filter(row => !isErasedFor(ctx.erasures, row, sight))
  const members = new Map(shown.map(row => [row.state_key, contentOf(row)]))
  return heroes.map(hero => {
    const { displayname, avatar_url } = members.get(hero) ?? {}
    return {
      user_id: hero,
      ...(typeof displayname === 'string' ? { displayname } : {}),
      ...(typeof avatar_url === 'string' ? { avatar_url } : {}),
    }
  })
}
