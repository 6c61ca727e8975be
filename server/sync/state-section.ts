/**
 * The state that goes with the timelines of an answer of `/sync`.
 *
 * Spec: GET /sync "Lazy-loading room members"; MSC4222
 */

import type { MemberWish } from '../../db/memberships.ts'
import type { EventRow } from '../../db/schema.ts'
import type { StateWish } from '../../db/sync-reads.ts'
import { isUnfiltered, matchesFilter, matchesRoom } from '../matrix/filter.ts'
import { contentOf } from '../rooms/stored-event.ts'
import { stateTopic } from '../stream/notifier.ts'
import type { Context } from './context.ts'
import type { SyncRequest } from './request.ts'
import type { Stretch, Told, View } from './stretch.ts'

/** What is to be read of one room's state. */
interface Wishes {
  states: StateWish[]
  members: MemberWish[]
  /** What comes after this position is told only if the timeline does not show it. */
  timelineFrom: number
}

/** By the filter, and by the kind of state asked for. One list for each stretch. */
export async function readStates(
  ctx: Context,
  view: View,
  request: SyncRequest,
  stretches: readonly Stretch[],
  told: readonly Told[],
): Promise<EventRow[][]> {
  const wishes = stretches.map((stretch, i) =>
    wishesFor(ctx, view, request, stretch, told[i] ?? { rows: [], sticky: [] }),
  )
  const [states, members] = await Promise.all([
    ctx.syncReads.states(wishes.flatMap(one => one.states)),
    ctx.syncReads.members(wishes.flatMap(one => one.members)),
  ])
  return wishes.map((one, i) => {
    const found = [
      ...states.splice(0, one.states.length).flat(),
      ...members.splice(0, one.members.length).flat(),
    ]
    const shown = new Set(told[i]?.rows.map(row => row.event_id))
    const rows = found.filter(row => row.position <= one.timelineFrom || !shown.has(row.event_id))
    return latestOfEach(rows).filter(row => isWanted(request, row))
  })
}

function wishesFor(
  ctx: Context,
  view: View,
  request: SyncRequest,
  stretch: Stretch,
  { rows: timeline, sticky }: Pick<Told, 'rows' | 'sticky'>,
): Wishes {
  const { roomId, stateUpTo: upTo, departedAt } = stretch
  const filter = request.filter.room?.state ?? {}
  if (!matchesRoom(roomId, filter)) return { states: [], members: [], timelineFrom: 0 }
  const isAfter = request.stateKeyName !== 'state'
  const { userId } = view.requester
  // That is theirs to see, whatever else of the state is not.
  const own = departedAt === undefined ? [] : [{ roomId, userId, at: departedAt }]
  if (upTo === undefined) {
    return { states: [], members: own, timelineFrom: isAfter ? stretch.upTo : 0 }
  }
  const since = request.fullState ? undefined : stretch.since
  const isLazy =
    (filter.lazy_load_members ?? request.filter.room?.timeline?.lazy_load_members) === true
  const [first] = timeline
  const at = isAfter || !first ? upTo : Math.min(first.position - 1, upTo)
  // A timeline that begins with the room has no state before it.
  const isBeforeAll = !isAfter && first?.type === 'm.room.create' && first.state_key === ''

  // "the server MUST return membership events for events in the gap": only of the state as a whole are
  // members lazy, and those who have changed are told with it. MSC4222 says the same of state_after.
  const withMembers = !isLazy || since !== undefined
  const membersAfter = withMembers ? undefined : stretch.membersAfter
  // matrix-js-sdk takes nobody for a member of a call of whom it does not know that they are in the room.
  const spoken = [...timeline, ...sticky].map(row => row.sender)
  const senders = isLazy ? [...spoken, ...stretch.heroes] : []
  const spokenOf = new Set(withMembers ? senders : [...senders, userId])
  const membersAt = (at: number) => [...spokenOf].map(userId => ({ roomId, userId, at }))
  const members = [...(isBeforeAll ? [] : membersAt(at)), ...own]
  const timelineFrom = isAfter ? stretch.upTo : at
  const wishes: Wishes = { states: [], members, timelineFrom }
  if (since !== undefined && !ctx.notifier.hasMoved(stateTopic(roomId), since)) return wishes
  if (!isBeforeAll) wishes.states.push({ roomId, at, after: since ?? 0, withMembers })
  if (membersAfter !== undefined) {
    wishes.states.push({ roomId, at, after: membersAfter, withMembers: true })
  }
  // State that came within the timeline, but that the timeline's filter has left out of it.
  if (!isAfter && request.filter.room?.timeline && at < upTo) {
    const withChanged = withMembers || membersAfter !== undefined
    wishes.states.push({ roomId, at: stretch.upTo, after: at, withMembers: withChanged })
    if (!withMembers) wishes.members.push(...membersAt(stretch.upTo))
  }
  return wishes
}

/** Of those under one key the latest, in order of position. */
function latestOfEach(rows: readonly EventRow[]): EventRow[] {
  const inOrder = [...rows].sort((a, b) => a.position - b.position)
  return [...new Map(inOrder.map(row => [`${row.type}\0${row.state_key}`, row])).values()]
}

function isWanted(request: SyncRequest, row: EventRow): boolean {
  const filter = request.filter.room?.state ?? {}
  if (isUnfiltered(filter)) return true
  const { type, sender, room_id } = row
  return matchesFilter({ type, sender, room_id, content: contentOf(row) }, filter)
}
