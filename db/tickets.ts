/** Tickets: what says for a short while who somebody is. */
import { sql } from 'kysely'
import type { TicketRow } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

export async function insertTicket(tx: Tx, ticket: TicketRow): Promise<void> {
  await tx.q.insertInto('tickets').values(ticket).execute()
}

/** Whose ticket it is; undefined if it is none, has expired, or its user is deactivated. */
export async function selectUserOfTicket(
  db: Db,
  kind: TicketRow['kind'],
  ticketHash: string,
  now: number,
): Promise<string | undefined> {
  const row = await db.q
    .selectFrom('tickets')
    .innerJoin('users', 'users.user_id', 'tickets.user_id')
    .select('tickets.user_id')
    .where('kind', '=', kind)
    .where('ticket_hash', '=', ticketHash)
    .where('expires_ts', '>', now)
    .where('deactivated_ts', 'is', null)
    .executeTakeFirst()
  return row?.user_id
}

export async function selectTicket(
  db: Db,
  kind: TicketRow['kind'],
  ticketHash: string,
): Promise<TicketRow | undefined> {
  return db.q
    .selectFrom('tickets')
    .selectAll()
    .where('kind', '=', kind)
    .where('ticket_hash', '=', ticketHash)
    .executeTakeFirst()
}

/** Take those of a user that end in (after, upTo]. */
export async function deleteTicketsOf(
  tx: Tx,
  kind: TicketRow['kind'],
  userId: string,
  { after, upTo }: { after: number; upTo: number },
): Promise<void> {
  await tx.q
    .deleteFrom('tickets')
    .where('expires_ts', '>', after)
    .where('expires_ts', '<=', upTo)
    .where('kind', '=', kind)
    .where('user_id', '=', userId)
    .execute()
}

/** Take a ticket, so that nobody can use it again. @returns whose it was, as it was */
export async function deleteTicket(
  tx: Tx,
  kind: TicketRow['kind'],
  ticketHash: string,
): Promise<TicketRow | undefined> {
  return tx.q
    .deleteFrom('tickets')
    .where('kind', '=', kind)
    .where('ticket_hash', '=', ticketHash)
    .returningAll()
    .executeTakeFirst()
}

/** @returns how many there were that nobody else is taking, at the most `limit` */
export async function deleteTicketsBefore(tx: Tx, before: number, limit: number): Promise<number> {
  const { rows } = await sql`
    DELETE FROM tickets WHERE ctid = ANY(ARRAY(
      SELECT ctid FROM tickets WHERE expires_ts <= ${before} LIMIT ${limit} FOR UPDATE SKIP LOCKED
    )) RETURNING 1`.execute(tx.q)
  return rows.length
}
