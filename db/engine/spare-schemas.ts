/**
 * Schemas for servers of one process, where making one takes longer than all the rest of a server:
 * what a server has left is emptied, and is the next one's.
 */
import { sql } from 'kysely'
import { emptyAnew } from '../copying.ts'
import type { Db } from '../transaction.ts'
import { makeSchema } from './migrate.ts'

/** A schema with more is not worth keeping. */
const mostDead = 10_000

export class SpareSchemas {
  readonly #db: Db
  readonly #prefix: string
  /** Empty, and nobody's. */
  readonly #spare: string[] = []
  /** Of a schema's rows, how many are dead: perhaps nobody has cleared them away. */
  readonly #dead = new Map<string, number>()
  readonly #makers: Db
  readonly #mostAhead: number
  /** Those that are being made for whoever comes next, the oldest first. */
  readonly #ahead: Promise<string | undefined>[] = []
  #made = 0
  #names = 0

  /**
   * @param prefix begins the names of schemas that are nobody's
   * @param makers where others can be made at the same time, while who has asked for one is busy
   * @param mostAhead how many at most; 0 where it is this thread that makes them
   */
  constructor(db: Db, prefix: string, makers: Db = db, mostAhead = 0) {
    this.#db = db
    this.#prefix = prefix
    this.#makers = makers
    this.#mostAhead = mostAhead
  }

  /** A schema that is there, migrated and empty. */
  add(schema: string): void {
    this.#spare.push(schema)
  }

  /** A schema of this name, with empty tables. */
  async take(schema: string): Promise<void> {
    const left = this.#spare.pop()
    if (left !== undefined) return this.#rename(left, schema)
    const ahead = this.#ahead.shift()
    this.#makeAhead()
    const made = await ahead
    if (made === undefined) await makeSchema(this.#db.q, schema)
    else await this.#rename(made, schema)
    this.#made += 1
    this.#makeAhead()
  }

  /** Nobody uses it any more. */
  async giveBack(schema: string): Promise<void> {
    const dead = (this.#dead.get(schema) ?? 0) + (await emptyAnew(this.#db, schema))
    this.#dead.set(schema, dead)
    if (dead > mostDead) return this.#drop(schema)
    const spare = this.#name()
    await this.#rename(schema, spare)
    this.#spare.push(spare)
  }

  /** Drop those that are nobody's. @param db where */
  async drop(db = this.#db): Promise<void> {
    const ahead = await Promise.all(this.#ahead.splice(0))
    this.#spare.push(...ahead.filter(schema => schema !== undefined))
    await Promise.all(this.#spare.splice(0).map(schema => this.#drop(schema, db)))
  }

  /** Who has one server may well have a second at the same time, and who has many will have more. */
  #makeAhead(): void {
    const wanted = Math.min(this.#made + 1, this.#mostAhead)
    while (this.#ahead.length < wanted) this.#ahead.push(this.#make())
  }

  /** @returns undefined if it cannot be made: who needs one will be told why */
  async #make(): Promise<string | undefined> {
    const schema = this.#name()
    try {
      await makeSchema(this.#makers.q, schema)
      return schema
    } catch {
      return undefined
    }
  }

  #name(): string {
    this.#names += 1
    return `${this.#prefix}${this.#names}`
  }

  async #drop(schema: string, db = this.#db): Promise<void> {
    this.#dead.delete(schema)
    await sql`SET client_min_messages = error`.execute(db.q)
    await sql`DROP SCHEMA ${sql.id(schema)} CASCADE`.execute(db.q)
  }

  async #rename(from: string, to: string): Promise<void> {
    await sql`ALTER SCHEMA ${sql.id(from)} RENAME TO ${sql.id(to)}`.execute(this.#db.q)
    this.#dead.set(to, this.#dead.get(from) ?? 0)
    this.#dead.delete(from)
  }
}
