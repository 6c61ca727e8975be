/** What can be said of an event before it is sent. */
import type { RoomRow } from '../../db/schema.ts'
import type { Context } from '../context.ts'
import { invalidParam } from '../matrix/errors.ts'
import { assertEventFormat } from '../matrix/event-format.ts'
import { type EventDraft, largestEvent } from './build-event.ts'
import { assertNoLifetime } from './lifetime.ts'
import { versionOf } from './stored-event.ts'

/**
 * Its form and its size; who may send it is judged when it is sent. What the server adds to it is
 * taken at its largest, so that what is accepted here is never too large then.
 *
 * @throws 400 M_BAD_JSON · 413 M_TOO_LARGE · 400 M_INVALID_PARAM as {@link assertNoLifetime} and
 *   {@link assertNoSecondCreate}
 */
export function assertSendable(ctx: Context, room: RoomRow, draft: EventDraft): void {
  assertNoLifetime(draft.content)
  assertNoSecondCreate(draft)
  const version = versionOf(room)
  assertEventFormat(largestEvent(ctx, room, draft, version), version)
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
