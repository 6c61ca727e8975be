/** Blocks of stream positions. */
import { sql } from 'kysely'
import type { Db } from './transaction.ts'

/** The sequence's increment: how many positions one call reserves. */
export const positionBlockSize = 10_000

/** Reserve a block. @returns its first position; the block has `positionBlockSize` of them */
export async function reservePositionBlock(db: Db): Promise<number> {
  const { rows } = await sql<{ first: number }>`
    SELECT nextval('stream_positions') AS first`.execute(db.q)
  const [row] = rows
  if (!row) throw new Error('nextval returned no row')
  return row.first
}
