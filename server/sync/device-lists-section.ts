/**
 * Whose keys are to be asked for again, and whose are of no interest any more: who has come to share
 * a room with the user, whose keys have changed, and who shares no room any more.
 *
 * Spec: Client-Server API "Tracking the device list for a user"
 */

import { selectDeviceListChanges } from '../../db/device-lists.ts'
import { selectJoinedMembersAt, selectMembershipChanges } from '../../db/memberships.ts'
import { selectSharingRoomAt } from '../../db/room-mates.ts'
import { devicesTopic, stateTopic } from '../stream/notifier.ts'
import type { Context } from './context.ts'
import type { RoomChange, StayedRoom, Window } from './window.ts'

/**
 * @param keysUpTo up to where changes of keys are told, inclusive
 * @returns empty lists for an initial sync: a client asks for everybody's keys then anyway
 */
export async function deviceListsSection(
  ctx: Context,
  userId: string,
  { since, upTo }: Window,
  changes: readonly (RoomChange | StayedRoom)[],
  keysUpTo = upTo,
): Promise<{ changed: string[]; left: string[] }> {
  if (since === undefined) return { changed: [], left: [] }
  const candidates = new Set<string>()
  const stayed: string[] = []
  for (const change of changes) {
    if (change.wasJoinedThroughout) {
      if (ctx.notifier.hasMoved(stateTopic(change.roomId), since)) stayed.push(change.roomId)
    } else {
      for (const at of [
        ...(change.wasJoinedBefore ? [since, change.now.position] : []),
        ...(change.now.membership === 'join' ? [upTo] : []),
      ]) {
        for (const member of await selectJoinedMembersAt(ctx.db, change.roomId, at)) {
          candidates.add(member)
        }
      }
    }
  }
  for (const row of await selectMembershipChanges(ctx.db, stayed, since, upTo)) {
    candidates.add(row.state_key)
  }
  const keyChanges = ctx.notifier.hasMoved(devicesTopic, since)
    ? await selectDeviceListChanges(ctx.db, userId, since, keysUpTo)
    : []
  for (const change of keyChanges) candidates.add(change.user_id)
  candidates.delete(userId)

  const before = new Set(await selectSharingRoomAt(ctx.db, userId, [...candidates], since))
  const after = new Set(await selectSharingRoomAt(ctx.db, userId, [...candidates], upTo))
  // Their own devices, and those whom they have signed, a user hears of without sharing a room.
  const hasNewKeys = keyChanges
    .filter(({ user_id, seen_by }) => user_id === userId || seen_by !== null || after.has(user_id))
    .map(({ user_id }) => user_id)
  const isNew = [...after].filter(other => !before.has(other))
  return {
    changed: [...new Set([...isNew, ...hasNewKeys])],
    left: [...before].filter(other => !after.has(other)),
  }
}
