/**
 * What a user has decided of threads lately, as clients catch up with it.
 *
 * Spec: MSC4308, in the form that Synapse gave it and matrix-rust-sdk reads: what is subscribed and
 * what is not stand apart, and each has a `bump_stamp`, by which a client knows the later of two.
 */
import { selectThreadSubscriptionsBetween } from '../../db/thread-subscriptions.ts'
import type { Db } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import { formatSyncToken } from '../stream/token.ts'

/** More are not told at once. */
export const mostSubscriptions = 100

/**
 * The latest changes in (after, upTo], at most `limit`.
 *
 * @returns `{ subscribed?, unsubscribed? }`, by room and thread root, and where to go on towards the
 *   past if there are more
 */
export async function readSubscriptionChanges(
  db: Db,
  userId: string,
  range: { after: number; upTo: number; limit: number },
): Promise<{ changes: JsonObject; end: string | undefined }> {
  const limit = Math.min(range.limit, mostSubscriptions)
  const rows = await selectThreadSubscriptionsBetween(db, userId, { ...range, limit: limit + 1 })
  const changes: Record<string, Record<string, JsonObject>> = {}
  for (const row of rows.slice(0, limit)) {
    const kind = row.is_subscribed ? 'subscribed' : 'unsubscribed'
    const ofKind = changes[kind] ?? {}
    changes[kind] = ofKind
    ofKind[row.room_id] = {
      ...ofKind[row.room_id],
      [row.root_event_id]: {
        ...(row.is_subscribed ? { automatic: row.is_automatic } : {}),
        bump_stamp: row.position,
      },
    }
  }
  const next = rows[limit]
  return { changes, end: next && formatSyncToken(next.position) }
}
