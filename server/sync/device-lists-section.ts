/**
 * Whose devices have become, or have ceased to be, of interest: who has come to share a room with
 * the user, and who shares none any more.
 *
 * Spec: Client-Server API "Tracking the device list for a user"
 */
import {
  selectJoinedMembersAt,
  selectMembershipChanges,
  selectSharingRoomAt,
} from '../../db/room-state.ts'
import type { Context } from '../context.ts'
import type { RoomChange, Window } from './build-sync.ts'

/** @returns empty lists for an initial sync: a client asks for everybody's keys then anyway */
export async function deviceListsSection(
  ctx: Context,
  userId: string,
  { since, upTo }: Window,
  changes: RoomChange[],
): Promise<{ changed: string[]; left: string[] }> {
  if (since === undefined) return { changed: [], left: [] }
  const candidates = new Set<string>()
  const stayed: string[] = []
  for (const change of changes) {
    if (change.wasJoinedThroughout) stayed.push(change.roomId)
    else {
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
  candidates.delete(userId)
  if (candidates.size === 0) return { changed: [], left: [] }

  const before = new Set(await selectSharingRoomAt(ctx.db, userId, [...candidates], since))
  const after = new Set(await selectSharingRoomAt(ctx.db, userId, [...candidates], upTo))
  return {
    changed: [...after].filter(other => !before.has(other)),
    left: [...before].filter(other => !after.has(other)),
  }
}
