/** What can be said of an event before it is sent. */
import type { RoomHead } from '../../db/rooms.ts'
import { badJson, invalidParam } from '../matrix/errors.ts'
import { isUserId } from '../matrix/ids.ts'
import { ownerOf } from '../matrix/owned-state.ts'
import { assertBuildable, type EventDraft } from './build-event.ts'
import type { Context } from './context.ts'
import { assertNoLifetime } from './lifetime.ts'
import { versionOf } from './stored-event.ts'

/**
 * Its form and its size; who may send it is judged when it is sent. What is accepted here is never
 * too large then.
 *
 * @throws 400 M_BAD_JSON · 413 M_TOO_LARGE · 400 M_INVALID_PARAM as {@link assertNoLifetime} and
 *   {@link assertStateForm}
 */
export function assertSendable(ctx: Context, room: RoomHead, draft: EventDraft): void {
  assertNoLifetime(draft.content)
  assertStateForm(room, draft)
  assertBuildable(ctx, room, draft, versionOf(room))
}

/**
 * What no time can make right of a state event.
 *
 * @throws 400 M_INVALID_PARAM a create event, or the membership of what is no user · 400 M_BAD_JSON
 *   a membership of another type than text, or the state of an owner who is no user (MSC3757)
 */
export function assertStateForm(
  room: RoomHead,
  { type, stateKey, content }: Pick<EventDraft, 'type' | 'stateKey' | 'content'>,
): void {
  if (stateKey === undefined) return
  if (type === 'm.room.create') {
    throw invalidParam('A room has one create event, and it is there already')
  }
  // The rules answer 403 to the one and, as room versions have it, do not mind the other.
  if (type === 'm.room.member') {
    if (typeof content.membership !== 'string') throw badJson('membership is missing, or no string')
    if (!isUserId(stateKey)) throw invalidParam('The state key of a membership must be a user ID')
    return
  }
  // The rules would answer 403.
  const isOwned = versionOf(room).ownedState && stateKey.startsWith('@')
  if (isOwned && ownerOf(stateKey) === undefined) {
    throw badJson(`${stateKey} does not begin with a user ID`)
  }
}
