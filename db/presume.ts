/**
 * Acting on what is remembered before the database has said that it is still so. What is presumed is
 * asked together with what is written, in one journey; and if it is not so, nothing is written.
 */
import { type RawBuilder, sql } from 'kysely'
import { unawaited } from './engine/connection.ts'
import { notePresumption, type Tx } from './transaction.ts'

/**
 * Go on as if this were true; the transaction fails by a division by zero if it is not, and
 * `presumingTransaction` knows what that means: nothing else here divides.
 */
export async function presume(tx: Tx, condition: RawBuilder<unknown>): Promise<void> {
  notePresumption(tx)
  await sql`SELECT 1 / (${condition})::int ${unawaited}`.execute(tx.q)
}
