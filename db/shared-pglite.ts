/**
 * One embedded database for many servers of one process, each in a schema of its own: for tests, of
 * which each wants an empty server, and none wants to wait for a database to start.
 *
 * A schema is three hundred files, and takes longer to make than all the rest of a server. So they
 * are files in memory, the first server gets the schema that lies ready in the prepared database,
 * and what a server has left is emptied for the next.
 */
import { sql } from 'kysely'
import { empty, restartSequences } from './copying.ts'
import { migrate } from './migrate.ts'
import { type Database, kyselyOn, startPglite, templateDir } from './open.ts'
import { readIntoMemory } from './pglite-in-memory.ts'
import type { PgliteConnection } from './pglite-pool.ts'
import { sessionWrites } from './table-writes.ts'

type Query = ReturnType<typeof kyselyOn>

/** A schema with more is not worth keeping. */
const mostDead = 10_000

export class SharedPglite {
  readonly #connection: PgliteConnection
  readonly #lost: Promise<Error>
  /** Empty, and nobody's. */
  readonly #spare: string[] = []
  /** Of a schema's rows, how many are dead: nobody clears them away here. */
  readonly #dead = new Map<string, number>()
  #spares = 0

  /** In memory: nothing of it is left when the process goes, however it goes. */
  static async start(): Promise<SharedPglite> {
    const { connection, lost } = await startPglite({ fs: await readIntoMemory(templateDir) })
    const shared = new SharedPglite(connection, lost)
    shared.#spare.push('public')
    return shared
  }

  private constructor(connection: PgliteConnection, lost: Promise<Error>) {
    this.#connection = connection
    this.#lost = lost
  }

  /** Open a schema, which is made and migrated where it is missing. */
  async open(schema: string): Promise<Database> {
    await this.#outside(async q => {
      if (await isThere(q, schema)) return
      const spare = this.#spare.pop()
      if (spare === undefined) await sql`CREATE SCHEMA ${sql.id(schema)}`.execute(q)
      else await this.#rename(q, spare, schema)
    })
    const wire = { isCut: false }
    const writes = sessionWrites()
    const q = kyselyOn(this.#connection.pool(schema, wire), wire, writes)
    await migrate(q)
    return {
      q,
      sessionWrites: writes,
      cut: () => this.#connection.cut(wire),
      engine: 'pglite',
      location: `memory (${schema})`,
      lost: this.#lost,
      lose: () => undefined,
      close: () => q.destroy(),
    }
  }

  /** With all that is in it. */
  async drop(schema: string): Promise<void> {
    if (!(await this.#outside(q => isThere(q, schema)))) return
    const own = { q: kyselyOn(this.#connection.pool(schema)) }
    const dead = (this.#dead.get(schema) ?? 0) + (await empty(own))
    await restartSequences(own)
    await this.#outside(async q => {
      if (dead > mostDead) {
        await sql`SET client_min_messages = error`.execute(q)
        await sql`DROP SCHEMA ${sql.id(schema)} CASCADE`.execute(q)
        return
      }
      this.#spares += 1
      const spare = `spare_${this.#spares}`
      await this.#rename(q, schema, spare)
      this.#dead.set(spare, dead)
      this.#spare.push(spare)
    })
  }

  async #rename(q: Query, from: string, to: string): Promise<void> {
    await sql`ALTER SCHEMA ${sql.id(from)} RENAME TO ${sql.id(to)}`.execute(q)
    this.#dead.set(to, this.#dead.get(from) ?? 0)
    this.#dead.delete(from)
  }

  stop(): Promise<void> {
    return this.#connection.close()
  }

  async #outside<T>(run: (q: Query) => Promise<T>): Promise<T> {
    const q = kyselyOn(this.#connection.pool('pg_catalog'))
    const result = await run(q)
    await q.destroy()
    return result
  }
}

async function isThere(q: Query, schema: string): Promise<boolean> {
  const { rows } = await sql`SELECT FROM pg_namespace WHERE nspname = ${schema}`.execute(q)
  return rows.length > 0
}
