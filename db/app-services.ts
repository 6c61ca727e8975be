/** How far each application service has been told of what happens. */
import { sql } from 'kysely'
import type { AppServiceRow } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

/** Begin with a service at `position`; one that we knew before goes on where it was. */
export async function insertAppService(
  tx: Tx,
  appServiceId: string,
  position: number,
): Promise<void> {
  await tx.q
    .insertInto('app_services')
    .values({ app_service_id: appServiceId, position, transaction_id: null, transaction: null })
    .onConflict(conflict => conflict.doNothing())
    .execute()
}

export async function selectAppService(db: Db, appServiceId: string): Promise<AppServiceRow> {
  return db.q
    .selectFrom('app_services')
    .selectAll()
    .where('app_service_id', '=', appServiceId)
    .executeTakeFirstOrThrow()
}

/** What the service is being told, and how far it has been told then; nulls: nothing. */
export async function updateAppService(tx: Tx, row: AppServiceRow): Promise<void> {
  await tx.q
    .updateTable('app_services')
    .set(row)
    .where('app_service_id', '=', row.app_service_id)
    .execute()
}

/** A stretch of time in which somebody was in a room: `position` to `until_position` (exclusive). */
export interface JoinedSpan {
  room_id: string
  user_id: string
  position: number
  until_position: number | null
}

/** Of the members of `serverName`: who was in these rooms at any moment in [from, upTo]. */
export async function selectJoinedSpans(
  db: Db,
  query: { roomIds: readonly string[]; serverName: string; from: number; upTo: number },
): Promise<JoinedSpan[]> {
  return db.q
    .selectFrom('room_state')
    .select(['room_id', 'state_key as user_id', 'position', 'until_position'])
    .where('room_id', '=', sql<string>`ANY(${[...query.roomIds]}::text[])`)
    .where('type', '=', 'm.room.member')
    .where('membership', '=', 'join')
    .where(
      sql<boolean>`right(state_key, ${query.serverName.length + 1}) = ${`:${query.serverName}`}`,
    )
    .where('position', '<=', query.upTo)
    .where(eb => eb.or([eb('until_position', 'is', null), eb('until_position', '>', query.from)]))
    .execute()
}

/** The aliases of these rooms. */
export async function selectAliasesOfRooms(
  db: Db,
  roomIds: readonly string[],
): Promise<{ room_id: string; room_alias: string }[]> {
  return db.q
    .selectFrom('room_aliases')
    .select(['room_id', 'room_alias'])
    .where('room_id', '=', sql<string>`ANY(${[...roomIds]}::text[])`)
    .execute()
}
