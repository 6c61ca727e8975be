/**
 * One embedded database for many servers of one process, each in a schema of its own: for tests, of
 * which each wants an empty server, and none wants to wait for a database to start.
 */
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { copyTemplate } from './data-dir.ts'
import { migrate } from './migrate.ts'
import { type Database, initialisePglite, kyselyOn, startPglite, templateDir } from './open.ts'
import type { PgliteConnection } from './pglite-pool.ts'

export class SharedPglite {
  readonly #connection: PgliteConnection
  readonly #lost: Promise<Error>
  readonly #folder: string

  /** In a temporary folder, which goes when the process does. */
  static async start(): Promise<SharedPglite> {
    const folder = await mkdtemp(join(tmpdir(), 'hourglass-shared-'))
    const databaseDir = join(folder, 'pglite')
    if (!(await copyTemplate(templateDir, databaseDir))) await initialisePglite(databaseDir)
    const { connection, lost } = await startPglite(databaseDir)
    return new SharedPglite(connection, lost, folder)
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
      await sql`CREATE SCHEMA IF NOT EXISTS ${sql.id(schema)}`.execute(q)
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
    await this.#outside(async q => {
      await sql`SET client_min_messages = error`.execute(q)
      await sql`DROP SCHEMA IF EXISTS ${sql.id(schema)} CASCADE`.execute(q)
    })
  }

  async stop(): Promise<void> {
    await this.#connection.close()
    process.off('exit', this.#removeFolder)
    this.#removeFolder()
  }

  async #outside(run: (q: ReturnType<typeof kyselyOn>) => Promise<void>): Promise<void> {
    const q = kyselyOn(this.#connection.pool('public'))
    await run(q)
    await q.destroy()
  }
}
