/**
 * MSC4140's groups (drafts of 2024): of the scheduled events of one user and group, one is sent.
 * They are all of one room, and who changes more than one of them holds its row.
 */
import { sql } from 'kysely'
import {
  type DelayedEventRow,
  endedAt,
  type FinalisedRow,
  finalisedColumns,
  type GroupMember,
  type Moment,
  scheduled,
} from './delayed-events.ts'
import type { DelayedEventSecretRow } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

const memberColumns = ['delay_id', 'user_id', 'room_id', 'member', 'send_at'] as const

/** What tells one member of a group from another. */
export type MemberRow = Pick<DelayedEventRow, (typeof memberColumns)[number]>

/**
 * The members that are scheduled, in the order of scheduling. Once none is, the name is anybody's: so
 * what became of those who had it before is not looked at, which may be without end.
 */
export async function selectMembers(db: Db, groupId: string): Promise<MemberRow[]> {
  return scheduledIn(db, groupId).select(memberColumns).execute()
}

/** As {@link selectMembers}, with all that is known of them. */
export async function selectGroup(db: Db, groupId: string): Promise<DelayedEventRow[]> {
  return scheduledIn(db, groupId).selectAll().execute()
}

const scheduledIn = (db: Db, groupId: string) =>
  db.q
    .selectFrom('delayed_events')
    .where('group_id', '=', groupId)
    .where('status', '=', scheduled)
    .orderBy('seq')

/** One is sent, so the others are not. */
export async function cancelSiblings(
  tx: Tx,
  sent: GroupMember & { delay_id: string },
  moment: Moment,
): Promise<FinalisedRow[]> {
  return tx.q
    .updateTable('delayed_events')
    .set({ status: 'cancelled', cause: 'group', ...endedAt(moment) })
    .where('group_id', '=', sent.group_id)
    .where('user_id', '=', sent.user_id)
    .where('status', '=', scheduled)
    .where('delay_id', '!=', sent.delay_id)
    .returning(finalisedColumns)
    .execute()
}

/** Without a member that has a delay, those that wait for an action would wait for ever. */
export async function cancelWithoutTimeout(
  tx: Tx,
  of: GroupMember,
  moment: Moment,
): Promise<FinalisedRow[]> {
  return tx.q
    .updateTable('delayed_events')
    .set({ status: 'cancelled', cause: 'group', ...endedAt(moment) })
    .where('group_id', '=', of.group_id)
    .where('user_id', '=', of.user_id)
    .where('status', '=', scheduled)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('delayed_events as other')
            .select(sql`1`.as('one'))
            .where('other.group_id', '=', of.group_id)
            .where('other.user_id', '=', of.user_id)
            .where('other.status', '=', scheduled)
            .where('other.send_at', 'is not', null),
        ),
      ),
    )
    .returning(finalisedColumns)
    .execute()
}

/** The event has been emptied: what was to repeat it when it expires is not sent. */
export async function cancelExpiryOf(
  tx: Tx,
  eventId: string,
  moment: Moment,
): Promise<FinalisedRow[]> {
  return tx.q
    .updateTable('delayed_events')
    .set({ status: 'cancelled', cause: 'group', ...endedAt(moment) })
    .where('follows_event_id', '=', eventId)
    .where('dialect', '=', 'expiring')
    .where('status', '=', scheduled)
    .returning(finalisedColumns)
    .execute()
}

export async function insertSecrets(
  tx: Tx,
  secrets: readonly DelayedEventSecretRow[],
): Promise<void> {
  if (secrets.length === 0) return
  await tx.q
    .insertInto('delayed_event_secrets')
    .values([...secrets])
    .execute()
}

/** What a secret stands for, and what it entitles to. */
export async function selectBySecret(
  db: Db,
  secretHash: string,
): Promise<(DelayedEventRow & Pick<DelayedEventSecretRow, 'power'>) | undefined> {
  return db.q
    .selectFrom(from =>
      from
        .selectFrom('delayed_event_secrets')
        .select(['delay_id', 'power'])
        .where('secret_hash', '=', secretHash)
        .limit(1)
        .as('secrets'),
    )
    .innerJoin('delayed_events', 'delayed_events.delay_id', 'secrets.delay_id')
    .selectAll('delayed_events')
    .select('power')
    .executeTakeFirst()
}
