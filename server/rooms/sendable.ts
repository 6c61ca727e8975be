/** What can be said of an event before it is sent. */
import type { RoomRow } from '../../db/schema.ts'
import type { Context } from '../context.ts'
import { invalidParam } from '../matrix/errors.ts'
import { assertBuildable, type EventDraft } from './build-event.ts'
import { assertNoLifetime } from './lifetime.ts'
import { versionOf } from './stored-event.ts'

/**
 * Its form and its size; who may send it is judged when it is sent. What is accepted here is never
 * too large then.
 *
 * @throws 400 M_BAD_JSON · 413 M_TOO_LARGE · 400 M_INVALID_PARAM as {@link assertNoLifetime} and
 *   {@link assertNoSecondCreate}
 */
export function assertSendable(ctx: Context, room: RoomRow, draft: EventDraft): void {
  assertNoLifetime(draft.content)
  assertNoSecondCreate(draft)
  assertBuildable(ctx, room, draft, versionOf(room))
}

/** What no time can make right. @throws 400 M_INVALID_PARAM */
export function assertNoSecondCreate({
  type,
  stateKey,
}: Pick<EventDraft, 'type' | 'stateKey'>): void {
  if (type === 'm.room.create' && stateKey !== undefined) {
    throw invalidParam('A room has one create event, and it is there already')
  }
}
