/** Account data: what users keep for themselves, global (empty `room_id`) or by room. */
import { sql } from 'kysely'
import { deleteInOrder } from './in-order.ts'
import type { AccountDataRow } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

/**
 * Write, or write over. Of two writers at the same moment the one with the higher position stays:
 * a reader that has seen that position would never look below it.
 */
export async function upsertAccountData(tx: Tx, row: AccountDataRow): Promise<void> {
  await tx.q
    .insertInto('account_data')
    .values(row)
    .onConflict(conflict =>
      conflict
        .columns(['user_id', 'room_id', 'type'])
        .doUpdateSet({ content: row.content, position: row.position })
        .where('account_data.position', '<', row.position),
    )
    .execute()
}

/** The content as JSON. */
export async function selectAccountData(
  db: Db,
  key: Pick<AccountDataRow, 'user_id' | 'room_id' | 'type'>,
): Promise<string | undefined> {
  const row = await db.q
    .selectFrom('account_data')
    .select('content')
    .where('user_id', '=', key.user_id)
    .where('room_id', '=', key.room_id)
    .where('type', '=', key.type)
    .executeTakeFirst()
  return row?.content
}

/** What those of these users have who have it, globally: the content as JSON. */
export async function selectAccountDataOf(
  db: Db,
  userIds: readonly string[],
  types: readonly string[],
): Promise<Pick<AccountDataRow, 'user_id' | 'type' | 'content'>[]> {
  if (userIds.length === 0) return []
  return db.q
    .selectFrom('account_data')
    .select(['user_id', 'type', 'content'])
    .where('user_id', '=', sql<string>`ANY(${[...userIds]}::text[])`)
    .where('room_id', '=', '')
    .where('type', '=', sql<string>`ANY(${[...types]}::text[])`)
    .execute()
}

/** What was written last in (after, upTo], global and of all rooms, oldest first. */
export async function selectAccountDataBetween(
  db: Db,
  userId: string,
  after: number,
  upTo: number,
): Promise<Omit<AccountDataRow, 'user_id'>[]> {
  return db.q
    .selectFrom('account_data')
    .select(['room_id', 'type', 'content', 'position'])
    .where('user_id', '=', userId)
    .where('position', '>', after)
    .where('position', '<=', upTo)
    .orderBy('position')
    .execute()
}

/** What they keep in these rooms as it was written last, up to `upTo` (inclusive), oldest first. */
export async function selectAccountDataOfRooms(
  db: Db,
  userId: string,
  roomIds: readonly string[],
  upTo: number,
): Promise<Omit<AccountDataRow, 'user_id'>[]> {
  if (roomIds.length === 0) return []
  return db.q
    .selectFrom('account_data')
    .select(['room_id', 'type', 'content', 'position'])
    .where('user_id', '=', userId)
    .where('room_id', '=', sql<string>`ANY(${[...roomIds]}::text[])`)
    .where('position', '<=', upTo)
    .orderBy('position')
    .execute()
}

/** What the user keeps under one type, in each room, and globally. */
export async function selectAccountDataOfType(
  db: Db,
  userId: string,
  type: string,
): Promise<Pick<AccountDataRow, 'room_id' | 'content'>[]> {
  return db.q
    .selectFrom('account_data')
    .select(['room_id', 'content'])
    .where('user_id', '=', userId)
    .where('type', '=', type)
    .execute()
}

/** All that the user has. */
export async function deleteAccountData(tx: Tx, userId: string): Promise<void> {
  await deleteInOrder(tx, 'account_data', sql`user_id = ${userId}`)
}
