/** Users. */
import { sql } from 'kysely'
import { presume } from './presume.ts'
import type { RestrictedUserRow, UserRow } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

export async function selectUser(db: Db, userId: string): Promise<UserRow | undefined> {
  return db.q.selectFrom('users').selectAll().where('user_id', '=', userId).executeTakeFirst()
}

/** Those of these users that exist, and what they show of themselves. */
export async function selectUsers(
  db: Db,
  userIds: readonly string[],
): Promise<Pick<UserRow, 'user_id' | 'displayname' | 'avatar_url'>[]> {
  if (userIds.length === 0) return []
  return db.q
    .selectFrom('users')
    .select(['user_id', 'displayname', 'avatar_url'])
    .where('user_id', '=', sql<string>`ANY(${[...userIds]}::text[])`)
    .execute()
}

export async function insertUser(tx: Tx, user: UserRow): Promise<'created' | 'taken'> {
  const { numInsertedOrUpdatedRows } = await tx.q
    .insertInto('users')
    .values(user)
    .onConflict(conflict => conflict.doNothing())
    .executeTakeFirstOrThrow()
  return numInsertedOrUpdatedRows === 1n ? 'created' : 'taken'
}

/** A guest becomes a user like any other. @returns false if they are no guest (any more) */
export async function upgradeGuest(
  tx: Tx,
  userId: string,
  passwordHash: string | null,
): Promise<boolean> {
  const { numUpdatedRows } = await tx.q
    .updateTable('users')
    .set({ is_guest: false, password_hash: passwordHash })
    .where('user_id', '=', userId)
    .where('is_guest', '=', true)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

export async function updatePassword(tx: Tx, userId: string, passwordHash: string): Promise<void> {
  await tx.q
    .updateTable('users')
    .set({ password_hash: passwordHash })
    .where('user_id', '=', userId)
    .execute()
}

export async function updateIsAdmin(tx: Tx, userId: string, isAdmin: boolean): Promise<void> {
  await tx.q.updateTable('users').set({ is_admin: isAdmin }).where('user_id', '=', userId).execute()
}

/** Which users are listed: those for whom all of it is true. */
export interface UserFilter {
  /** Is part of the id, in any case. */
  idPart: string
  /** Is part of the localpart or of the display name, in any case. */
  namePart: string
  withGuests: boolean
  withDeactivated: boolean
  /** Undefined: whether or not. */
  isAdmin: boolean | undefined
}

const orders = {
  name: sql`user_id`,
  is_guest: sql`is_guest`,
  admin: sql`is_admin`,
  deactivated: sql`deactivated_ts IS NOT NULL`,
  displayname: sql`displayname`,
  avatar_url: sql`avatar_url`,
  creation_ts: sql`created_ts`,
}
/** By what users are sorted; those who are equal by their ids. */
export type UserOrder = keyof typeof orders
export const userOrders = Object.keys(orders) as [UserOrder, ...UserOrder[]]

const isListed = (filter: UserFilter) => sql<boolean>`
  strpos(lower(user_id), lower(${filter.idPart})) > 0
  AND (strpos(lower(split_part(user_id, ':', 1)), lower(${filter.namePart})) > 0
    OR strpos(lower(displayname), lower(${filter.namePart})) > 0)
  AND (NOT is_guest OR ${filter.withGuests}::boolean)
  AND (deactivated_ts IS NULL OR ${filter.withDeactivated}::boolean)
  AND is_admin = coalesce(${filter.isAdmin ?? null}::boolean, is_admin)`

export interface UserPage {
  order: UserOrder
  direction: 'asc' | 'desc'
  /** So many of the first are left out. */
  from: number
  limit: number
}

export async function selectUserPage(
  db: Db,
  filter: UserFilter,
  { order, direction, from, limit }: UserPage,
): Promise<UserRow[]> {
  return db.q
    .selectFrom('users')
    .selectAll()
    .where(isListed(filter))
    .orderBy(orders[order], direction)
    .orderBy('user_id')
    .limit(limit)
    .offset(from)
    .execute()
}

export async function countUsers(db: Db, filter: UserFilter): Promise<number> {
  const row = await db.q
    .selectFrom('users')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where(isListed(filter))
    .executeTakeFirstOrThrow()
  return row.count
}

/** @param upTo the position of this moment; of two requests the first counts */
export async function insertErased(tx: Tx, userId: string, upTo: number): Promise<void> {
  await tx.q
    .insertInto('erased_users')
    .values({ user_id: userId, position: upTo })
    .onConflict(conflict => conflict.doNothing())
    .execute()
}

/** By user, the position at which they asked for it. */
export async function selectErased(db: Db): Promise<Map<string, number>> {
  const rows = await db.q.selectFrom('erased_users').selectAll().execute()
  return new Map(rows.map(row => [row.user_id, row.position]))
}

/** Those who are locked or suspended. */
export async function selectRestricted(db: Db): Promise<RestrictedUserRow[]> {
  return db.q.selectFrom('restricted_users').selectAll().execute()
}

/** What is not in `change` stays as it is. */
export async function upsertRestricted(
  tx: Tx,
  userId: string,
  change: Partial<Omit<RestrictedUserRow, 'user_id'>>,
): Promise<void> {
  await tx.q
    .insertInto('restricted_users')
    .values({ user_id: userId, is_locked: false, is_suspended: false, ...change })
    .onConflict(conflict => conflict.column('user_id').doUpdateSet(change))
    .execute()
}

/** Nobody can log in as this user any more. */
export async function markDeactivated(tx: Tx, userId: string, now: number): Promise<void> {
  await tx.q
    .updateTable('users')
    .set({ password_hash: null, deactivated_ts: now, displayname: null, avatar_url: null })
    .where('user_id', '=', userId)
    .execute()
}

/**
 * Hold a user's row until the transaction ends: what is counted per user stays true meanwhile.
 *
 * @returns whether the account is still in use
 */
export async function lockUser(tx: Tx, userId: string): Promise<boolean> {
  const row = await tx.q
    .selectFrom('users')
    .select('deactivated_ts')
    .where('user_id', '=', userId)
    .forUpdate()
    .executeTakeFirst()
  return row?.deactivated_ts === null
}

/** What users show of themselves in a room. */
export type ShownProfile = Pick<UserRow, 'displayname' | 'avatar_url'>

/**
 * What a user shows of themselves, and whether the account is in use. Until the transaction ends it stays
 * so; others may hold it as well. Whoever locks a room, too, does so after this.
 */
export async function holdProfile(
  tx: Tx,
  userId: string,
): Promise<(ShownProfile & Pick<UserRow, 'deactivated_ts'>) | undefined> {
  return tx.q
    .selectFrom('users')
    .select(['displayname', 'avatar_url', 'deactivated_ts'])
    .where('user_id', '=', userId)
    .forShare()
    .executeTakeFirst()
}

/**
 * As {@link lockUser}, several, in the order of their ids, so that two who do never wait for each
 * other.
 *
 * @returns those that are there and active
 */
export async function lockUsers(tx: Tx, userIds: readonly string[]): Promise<Set<string>> {
  const rows = await tx.q
    .selectFrom('users')
    .select(['user_id', 'deactivated_ts'])
    .where('user_id', '=', sql<string>`ANY(${[...new Set(userIds)]}::text[])`)
    .orderBy('user_id')
    .forUpdate()
    .execute()
  return new Set(rows.filter(row => row.deactivated_ts === null).map(row => row.user_id))
}

/** As {@link lockUsers}, presuming that it would give them all. */
export async function holdUsers(tx: Tx, userIds: readonly string[]): Promise<void> {
  const ids = [...new Set(userIds)]
  await presume(
    tx,
    sql`(
      SELECT count(*) FROM (
        SELECT FROM users WHERE user_id = ANY(${ids}::text[]) AND deactivated_ts IS NULL
        ORDER BY user_id FOR UPDATE
      ) AS active
    ) = ${ids.length}`,
  )
}

/** Those of these users who are guests. */
export async function selectGuestsAmong(db: Db, userIds: readonly string[]): Promise<Set<string>> {
  if (userIds.length === 0) return new Set()
  const rows = await db.q
    .selectFrom('users')
    .select('user_id')
    .where('user_id', '=', sql<string>`ANY(${[...userIds]}::text[])`)
    .where('is_guest', '=', true)
    .execute()
  return new Set(rows.map(row => row.user_id))
}
