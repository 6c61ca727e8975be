/**
 * What has become of the user's delayed events: for those who were not there, and for their other devices.
 *
 * Spec: MSC4309; drafts of MSC4140 of 2024-10 to 2025-07
 */
import { selectFinalisedBetween } from '../../db/delayed-events-lists.ts'
import type { JsonObject } from '../lib/json.ts'
import type { Filter } from '../matrix/filter.ts'
import { finalisedMembers } from '../rooms/delayed-event-form.ts'
import { userFinalisedTopic } from '../stream/notifier.ts'
import type { Context } from './context.ts'
import type { Window } from './window.ts'

/** Whether the answer is to have it. */
export function tellsFinalised(ctx: Context, filter: Filter): boolean {
  return ctx.config.delayed_events.finalised_on_sync && filter.delayed_events_finalised !== false
}

/** @returns what is to stand in the answer; nothing at all if nothing was finalised */
export async function finalisedSection(
  ctx: Context,
  userId: string,
  filter: Filter,
  { since, upTo }: Window,
): Promise<JsonObject> {
  if (!tellsFinalised(ctx, filter)) return {}
  const isNews = since === undefined || ctx.notifier.hasMoved(userFinalisedTopic(userId), since)
  const rows = isNews ? await selectFinalisedBetween(ctx.db, userId, since, upTo) : []
  return finalisedMembers(rows, ctx.config.delayed_events)
}
