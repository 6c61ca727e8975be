/**
 * Schemas for servers of one process, where making one takes longer than all the rest of a server:
 * what a server has left is emptied, and is the next one's.
 */
import { sql } from 'kysely'
import { emptyAnew } from './copying.ts'
import { makeSchema } from './migrate.ts'
import type { Db } from './transaction.ts'

/** A schema with more is not worth keeping. */
const mostDead = 10_000

export class SpareSchemas {
  readonly #db: Db
  readonly #prefix: string
  /** Empty, and nobody's. */
  readonly #spare: string[] = []
  /** Of a schema's rows, how many are dead: perhaps nobody has cleared them away. */
  readonly #dead = new Map<string, number>()
  #spares = 0

  /** @param prefix begins the names of schemas that are nobody's */
  constructor(db: Db, prefix: string) {
    this.#db = db
    this.#prefix = prefix
  }

  /** A schema that is there, migrated and empty. */
  add(schema: string): void {
    this.#spare.push(schema)
  }

  /** A schema of this name, with empty tables. */
  async take(schema: string): Promise<void> {
    const spare = this.#spare.pop()
    if (spare === undefined) await makeSchema(this.#db.q, schema)
    else await this.#rename(spare, schema)
  }

  /** Nobody uses it any more. */
  async giveBack(schema: string): Promise<void> {
    const dead = (this.#dead.get(schema) ?? 0) + (await emptyAnew(this.#db, schema))
    this.#dead.set(schema, dead)
    if (dead > mostDead) return this.#drop(schema)
    this.#spares += 1
    const spare = `${this.#prefix}${this.#spares}`
    await this.#rename(schema, spare)
    this.#spare.push(spare)
  }

  /** Drop those that are nobody's. */
  async drop(): Promise<void> {
    for (const schema of this.#spare.splice(0)) await this.#drop(schema)
  }

  async #drop(schema: string): Promise<void> {
    this.#dead.delete(schema)
    await sql`SET client_min_messages = error`.execute(this.#db.q)
    await sql`DROP SCHEMA ${sql.id(schema)} CASCADE`.execute(this.#db.q)
  }

  async #rename(from: string, to: string): Promise<void> {
    await sql`ALTER SCHEMA ${sql.id(from)} RENAME TO ${sql.id(to)}`.execute(this.#db.q)
    this.#dead.set(to, this.#dead.get(from) ?? 0)
    this.#dead.delete(from)
  }
}
