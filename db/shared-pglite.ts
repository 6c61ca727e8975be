/**
 * One embedded database for many servers of one process, each in a schema of its own: for tests, of
 * which each wants an empty server, and none wants to wait for a database to start.
 *
 * A schema is two hundred files, and takes longer to make than all the rest of a server. So the
 * first server gets the one that lies ready in the prepared database, and what a server has left is
 * emptied for the next.
 */
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { empty, restartSequences } from './copying.ts'
import { copyTemplate } from './data-dir.ts'
import { migrate } from './migrate.ts'
import { type Database, initialisePglite, kyselyOn, startPglite, templateDir } from './open.ts'
import type { PgliteConnection } from './pglite-pool.ts'

type Query = ReturnType<typeof kyselyOn>

/** A schema with more is not worth keeping. */
const mostDead = 10_000

export class SharedPglite {
  readonly #connection: PgliteConnection
  readonly #lost: Promise<Error>
  readonly #folder: string
  /** Empty, and nobody's. */
  readonly #spare: string[] = []
  /** Of a schema's rows, how many are dead: nobody clears them away here. */
  readonly #dead = new Map<string, number>()
  #spares = 0

  /** In a temporary folder, which goes when the process does. */
  static async start(): Promise<SharedPglite> {
    const folder = await mkdtemp(join(tmpdir(), 'hourglass-shared-'))
    const databaseDir = join(folder, 'pglite')
    if (!(await copyTemplate(templateDir, databaseDir))) await initialisePglite(databaseDir)
    const { connection, lost } = await startPglite(databaseDir)
    const shared = new SharedPglite(connection, lost, folder)
    shared.#spare.push('public')
    return shared
  }

  private constructor(connection: PgliteConnection, lost: Promise<Error>, folder: string) {
    this.#connection = connection
    this.#lost = lost
    this.#folder = folder
    process.once('exit', this.#removeFolder)
  }

  readonly #removeFolder = () => rmSync(this.#folder, { recursive: true, force: true })

  /** Open a schema, which is made and migrated where it is missing. */
  async open(schema: string): Promise<Database> {
    await this.#outside(async q => {
      if (await isThere(q, schema)) return
      const spare = this.#spare.pop()
      if (spare === undefined) await sql`CREATE SCHEMA ${sql.id(schema)}`.execute(q)
      else await this.#rename(q, spare, schema)
    })
    const wire = { isCut: false }
    const q = kyselyOn(this.#connection.pool(schema, wire), wire)
    await migrate(q)
    return {
      q,
      cut: () => this.#connection.cut(wire),
      engine: 'pglite',
      location: `${this.#folder} (${schema})`,
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

  async stop(): Promise<void> {
    await this.#connection.close()
    process.off('exit', this.#removeFolder)
    this.#removeFolder()
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
