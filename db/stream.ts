/** Blocks of stream positions. */
import { sql } from 'kysely'
import type { Db } from './transaction.ts'

/**
 * The sequence's increment: how many positions one call reserves. The half that is left when the
 * next block is asked for must outlast the wait for a connection behind the largest transactions;
 * with 2^53 positions there is no need to be mean.
 */
export const positionBlockSize = 1_000_000

/** Reserve a block. @returns its first position; the block has `positionBlockSize` of them */
export async function reservePositionBlock(db: Db): Promise<number> {
  const { rows } = await sql<{ first: number }>`
    SELECT nextval('stream_positions') AS first`.execute(db.q)
  const [row] = rows
  if (!row) throw new Error('nextval returned no row')
  return row.first
}
