/**
 * One embedded database for many servers of one process, each in a schema of its own: for tests, of
 * which each wants an empty server, and none wants to wait for a database to start.
 *
 * A schema is two hundred files, and takes longer to make than all the rest of a server; the first one that
 * a process makes, six times as long. So they are files in memory, and some schemas lie ready in the
 * database that was prepared.
 */

import { sharedTemplateDir } from '../built.ts'
import type { Database } from '../database.ts'
import { sessionWrites } from '../table-writes.ts'
import { kyselyOn } from './connection.ts'
import { DeadRows } from './dead-rows.ts'
import { makeSchema } from './migrate.ts'
import { startPglite } from './pglite.ts'
import { readIntoMemory } from './pglite-in-memory.ts'
import type { PgliteConnection } from './pglite-pool.ts'
import { SpareSchemas } from './spare-schemas.ts'

/** Few tests have more servers than these at a time, and that of the prepared database, `public`. */
const furtherSchemas = ['ready_1', 'ready_2', 'ready_3']

/** Make a prepared database, which nobody uses, one for several servers. */
export async function prepareForSharing(databaseDir: string): Promise<void> {
  const { connection } = await startPglite({ dataDir: databaseDir })
  const q = kyselyOn(connection.pool())
  for (const schema of furtherSchemas) await makeSchema(q, schema)
  await connection.close()
}

export class SharedPglite {
  readonly #connection: PgliteConnection
  readonly #lost: Promise<Error>
  readonly #schemas: SpareSchemas

  /** In memory: nothing of it is left when the process goes, however it goes. */
  static async start(): Promise<SharedPglite> {
    const { connection, lost } = await startPglite({ fs: await readIntoMemory(sharedTemplateDir) })
    return new SharedPglite(connection, lost)
  }

  private constructor(connection: PgliteConnection, lost: Promise<Error>) {
    this.#connection = connection
    this.#lost = lost
    this.#schemas = new SpareSchemas({ q: kyselyOn(connection.pool('pg_catalog')) }, 'spare_')
    for (const schema of ['public', ...furtherSchemas]) this.#schemas.add(schema)
  }

  /** A schema of this name, with empty tables. */
  make(schema: string): Promise<void> {
    return this.#schemas.take(schema)
  }

  async open(schema: string): Promise<Database> {
    const wire = { isCut: false }
    const writes = sessionWrites()
    const q = kyselyOn(this.#connection.pool(schema, wire), wire, writes)
    const deadRows = new DeadRows({ q })
    return {
      q,
      sessionWrites: writes,
      cut: () => this.#connection.cut(wire),
      engine: 'pglite',
      location: `memory (${schema})`,
      lost: this.#lost,
      lose: () => undefined,
      clearDeadRows: isStopped => deadRows.clear(isStopped),
      close: () => q.destroy(),
    }
  }

  /** With all that is in it. */
  drop(schema: string): Promise<void> {
    return this.#schemas.giveBack(schema)
  }

  stop(): Promise<void> {
    return this.#connection.close()
  }
}
