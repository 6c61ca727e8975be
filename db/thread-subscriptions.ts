/** Which threads users want to hear of (MSC4306). */
import { sql } from 'kysely'
import { deleteInOrder } from './in-order.ts'
import type { ThreadSubscriptionRow } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

/** Also of a thread that the user has unsubscribed from. */
export async function selectThreadSubscription(
  db: Db,
  userId: string,
  rootEventId: string,
): Promise<ThreadSubscriptionRow | undefined> {
  return db.q
    .selectFrom('thread_subscriptions')
    .selectAll()
    .where('user_id', '=', userId)
    .where('root_event_id', '=', rootEventId)
    .executeTakeFirst()
}

/** What the user decided last of each thread, if that was in (after, upTo]; the latest first. */
export async function selectThreadSubscriptionsBetween(
  db: Db,
  userId: string,
  range: { after: number; upTo: number; limit: number },
): Promise<ThreadSubscriptionRow[]> {
  return db.q
    .selectFrom('thread_subscriptions')
    .selectAll()
    .where('user_id', '=', userId)
    .where('position', '>', range.after)
    .where('position', '<=', range.upTo)
    .orderBy('position', 'desc')
    .limit(range.limit)
    .execute()
}

export async function deleteThreadSubscriptions(tx: Tx, userId: string): Promise<void> {
  await deleteInOrder(tx, 'thread_subscriptions', sql`user_id = ${userId}`)
}

export async function upsertThreadSubscription(
  tx: Tx,
  subscription: ThreadSubscriptionRow,
): Promise<void> {
  const { position, is_subscribed, is_automatic } = subscription
  await tx.q
    .insertInto('thread_subscriptions')
    .values(subscription)
    .onConflict(conflict =>
      conflict
        .columns(['user_id', 'root_event_id'])
        .doUpdateSet({ position, is_subscribed, is_automatic }),
    )
    .execute()
}
