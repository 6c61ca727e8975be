/** Who among the user's room-mates came, went, or changed their mind. */

import { selectJoinedMembersAt, selectMembershipChanges } from '../../db/memberships.ts'
import { selectSharingRoomAt } from '../../db/room-mates.ts'
import type { JsonObject } from '../lib/json.ts'
import { type Filter, limited, matchesFilter } from '../matrix/filter.ts'
import { roomMateTopics } from '../rooms/room-mates.ts'
import { stateTopic } from '../stream/notifier.ts'
import type { PresenceState } from '../user-data/presence.ts'
import type { Context } from './context.ts'
import type { JoinedRoom, Window } from './window.ts'

/**
 * Whoever syncs is there; their room-mates are woken only if that is news. Who says `offline` is not
 * taken for being there, and what is known of them stays: another of their devices may be.
 *
 * @param until Unix ms: how long they may be waiting in this very `/sync`
 */
export async function notePresence(
  ctx: Context,
  userId: string,
  presence: PresenceState,
  until: number,
): Promise<void> {
  if (presence === 'offline') return
  const isNews = ctx.presence.wouldChange(userId, presence)
  const topics = isNews ? await roomMateTopics(ctx, userId) : []
  ctx.presence.set(userId, presence, undefined, topics, until)
}

/** `m.presence` events of those who share a room with the user, and of the user. */
export async function presenceSection(
  ctx: Context,
  userId: string,
  filter: Filter,
  { since, upTo }: Window,
  joined: readonly JoinedRoom[],
): Promise<JsonObject[]> {
  const changed = ctx.presence.changed(since ?? 0, upTo)
  const told = new Set(await selectSharingRoomAt(ctx.db, userId, changed, upTo))
  if (changed.includes(userId)) told.add(userId)

  if (since !== undefined) {
    // Somebody met for the first time is introduced, however long they have been as they are.
    for (const change of joined) {
      if (change.wasJoinedThroughout) continue
      for (const member of await selectJoinedMembersAt(ctx.db, change.roomId, upTo)) {
        told.add(member)
      }
    }
    const rooms = joined
      .filter(
        room => room.wasJoinedThroughout && ctx.notifier.hasMoved(stateTopic(room.roomId), since),
      )
      .map(room => room.roomId)
    for (const row of await selectMembershipChanges(ctx.db, rooms, since, upTo)) {
      if (row.membership === 'join') told.add(row.state_key)
    }
  }
  const wanted = filter.presence ?? {}
  const inOrder = [...told].sort((a, b) => ctx.presence.positionOf(a) - ctx.presence.positionOf(b))
  const events = inOrder
    .map(sender => ({ type: 'm.presence', sender, content: ctx.presence.of(sender) }))
    .filter(event => matchesFilter(event, wanted))
  return limited(events, wanted)
}
