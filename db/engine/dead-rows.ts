/**
 * What autovacuum does on a PostgreSQL server: the embedded one has nobody in the background. Without it
 * the room of rows that were deleted, or changed, would never be used again.
 */
import { sql } from 'kysely'
import type { Db } from '../transaction.ts'

/** A table is gone through when so many of its rows have died since the last time, and a tenth of all. */
const fewest = 50
const share = 0.1
/**
 * PostgreSQL numbers transactions with 32 bits, and writes no more when 2,000 million of them have gone by
 * since a table was gone through as a whole.
 */
const mostTransactions = 1_000_000_000

interface Table {
  name: string
  /** Since the process began; what is written over within its page makes room by itself. */
  died: number
  rows: number
}

export class DeadRows {
  readonly #db: Db
  /** Ours, and where their long values lie. */
  #tables: Promise<number[]> | undefined
  /** How many rows of a table had died when it was last gone through. */
  readonly #cleared = new Map<string, number>()
  readonly #mostTransactions: number

  constructor(db: Db, most = mostTransactions) {
    this.#db = db
    this.#mostTransactions = most
  }

  /** Others wait while a table is gone through, and not between two of them. */
  async clear(isStopped: () => boolean): Promise<void> {
    for (const { name, died, rows } of await this.#died()) {
      if (died - (this.#cleared.get(name) ?? 0) < fewest + share * rows) continue
      if (isStopped()) return
      await sql`VACUUM (PROCESS_TOAST false) ${sql.raw(name)}`.execute(this.#db.q)
      this.#cleared.set(name, died)
    }
    if (!isStopped() && (await this.#isOld())) await sql`VACUUM (FREEZE)`.execute(this.#db.q)
  }

  async #isOld(): Promise<boolean> {
    const { rows } = await sql<{ age: number }>`
      SELECT age(datfrozenxid) AS age FROM pg_database
      WHERE datname = current_database()`.execute(this.#db.q)
    return rows.some(({ age }) => age > this.#mostTransactions)
  }

  async #died(): Promise<Table[]> {
    this.#tables ??= this.#find()
    // It counts aside, and adds up once a second.
    await sql`SELECT pg_stat_force_next_flush()`.execute(this.#db.q)
    const { rows } = await sql<Table>`
      SELECT oid::regclass::text AS name,
        (pg_stat_get_tuples_deleted(oid) + pg_stat_get_tuples_updated(oid)
          - pg_stat_get_tuples_hot_updated(oid)) AS died,
        greatest(reltuples, 0) AS rows
      FROM pg_class WHERE oid = ANY(${await this.#tables}::oid[])`.execute(this.#db.q)
    return rows
  }

  /** Once: in a process with fifty servers there are thousands to look through. */
  async #find(): Promise<number[]> {
    const { rows } = await sql<{ oid: number }>`
      SELECT unnest(ARRAY[oid, nullif(reltoastrelid, 0)]) AS oid FROM pg_class
      WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'`.execute(this.#db.q)
    return rows.map(row => row.oid).filter(oid => oid !== null)
  }
}
