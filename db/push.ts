/** What users are to be notified of, and where. */
import { sql } from 'kysely'
import type { PusherRow, PushRulesRow } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

/** Undefined: the user has changed nothing. */
export async function selectPushRules(db: Db, userId: string): Promise<PushRulesRow | undefined> {
  return db.q.selectFrom('push_rules').selectAll().where('user_id', '=', userId).executeTakeFirst()
}

export async function upsertPushRules(tx: Tx, rules: PushRulesRow): Promise<void> {
  const { changes, position } = rules
  await tx.q
    .insertInto('push_rules')
    .values(rules)
    .onConflict(conflict => conflict.column('user_id').doUpdateSet({ changes, position }))
    .execute()
}

/** In the order in which they were made. */
export async function selectPushers(db: Db, userId: string): Promise<PusherRow[]> {
  return db.q
    .selectFrom('pushers')
    .selectAll()
    .where('user_id', '=', userId)
    .orderBy('created_ts')
    .orderBy('app_id')
    .orderBy('pushkey')
    .execute()
}

export type PusherKey = Pick<PusherRow, 'user_id' | 'app_id' | 'pushkey'>

export async function selectPusher(db: Db, key: PusherKey): Promise<PusherRow | undefined> {
  return db.q
    .selectFrom('pushers')
    .selectAll()
    .where('user_id', '=', key.user_id)
    .where('app_id', '=', key.app_id)
    .where('pushkey', '=', key.pushkey)
    .executeTakeFirst()
}

/** Of everybody. */
export async function selectPusherKeys(db: Db): Promise<PusherKey[]> {
  return db.q.selectFrom('pushers').select(['user_id', 'app_id', 'pushkey']).execute()
}

/**
 * Hold a pushkey until the transaction ends. Of two users who set it at the same moment, neither has a row
 * yet that the other could see.
 */
export async function lockPushkey(
  tx: Tx,
  { app_id, pushkey }: Omit<PusherKey, 'user_id'>,
): Promise<void> {
  await sql`
    SELECT pg_advisory_xact_lock(
      hashtext('hourglass pushkey'), hashtext(${`${app_id} ${pushkey}`})
    )`.execute(tx.q)
}

/** One that is there already keeps its place: what it has pushed, it does not push again. */
export async function upsertPusher(tx: Tx, pusher: PusherRow): Promise<void> {
  const { pushed_up_to: _, created_ts: _2, ...change } = pusher
  await tx.q
    .insertInto('pushers')
    .values(pusher)
    .onConflict(conflict => conflict.columns(['user_id', 'app_id', 'pushkey']).doUpdateSet(change))
    .execute()
}

export async function updatePushedUpTo(tx: Tx, key: PusherKey, upTo: number): Promise<void> {
  await tx.q
    .updateTable('pushers')
    .set({ pushed_up_to: upTo })
    .where('user_id', '=', key.user_id)
    .where('app_id', '=', key.app_id)
    .where('pushkey', '=', key.pushkey)
    .where('pushed_up_to', '<', upTo)
    .execute()
}

/** @param of one user's; without it, everybody's */
export async function deletePushers(
  tx: Tx,
  key: { app_id: string; pushkey: string },
  of: { only?: string; except?: string },
): Promise<void> {
  await tx.q
    .deleteFrom('pushers')
    .where('app_id', '=', key.app_id)
    .where('pushkey', '=', key.pushkey)
    .$if(of.only !== undefined, query => query.where('user_id', '=', of.only ?? ''))
    .$if(of.except !== undefined, query => query.where('user_id', '!=', of.except ?? ''))
    .execute()
}

/** All that the user has: rules and pushers. */
export async function deletePushData(tx: Tx, userId: string): Promise<void> {
  await tx.q.deleteFrom('push_rules').where('user_id', '=', userId).execute()
  await tx.q.deleteFrom('pushers').where('user_id', '=', userId).execute()
}
