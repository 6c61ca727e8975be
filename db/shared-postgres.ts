/**
 * Schemas on a PostgreSQL server for the servers of one process: for tests, as `SharedPglite` is.
 * Here others see what lies around, and it is there when the process is not any more.
 */
import { sql } from 'kysely'
import pg from 'pg'
import { kyselyOn } from './connection.ts'
import { DatabaseUnavailable } from './data-dir.ts'
import { SpareSchemas } from './spare-schemas.ts'

/** Names of spare schemas begin so; then comes the number of the process whose they are. */
const spare = 'hourglass_spare_'
/** Advisory locks on such numbers: as long as one is held, the schemas are somebody's. */
const holding = 4140

type Query = ReturnType<typeof kyselyOn>

export class SharedPostgres {
  readonly #q: Query
  readonly #schemas: SpareSchemas

  /**
   * @param number nobody else's
   * @throws DatabaseUnavailable
   */
  static async start(url: string, number: number): Promise<SharedPostgres> {
    const pool = new pg.Pool({
      connectionString: url,
      application_name: 'hourglass tests',
      // What is made and emptied here need not outlive the machine; it is not waited for.
      options: '-c synchronous_commit=off -c client_min_messages=error',
      // One, which holds the lock; the process may end nevertheless.
      max: 1,
      idleTimeoutMillis: 0,
      allowExitOnIdle: true,
    })
    pool.on('error', () => undefined)
    const q = kyselyOn(pool as unknown as Parameters<typeof kyselyOn>[0])
    try {
      await sql`SELECT pg_advisory_lock(${holding}, ${number})`.execute(q)
    } catch (error) {
      await q.destroy()
      const { code, message } = error as { code?: string; message?: string }
      throw new DatabaseUnavailable(`cannot reach the database: ${message || code}`)
    }
    return new SharedPostgres(q, number)
  }

  private constructor(q: Query, number: number) {
    this.#q = q
    this.#schemas = new SpareSchemas({ q }, `${spare}${number}_`, true)
  }

  /** A schema of this name, with empty tables. */
  make(schema: string): Promise<void> {
    return this.#schemas.take(schema)
  }

  /** With all that is in it. */
  drop(schema: string): Promise<void> {
    return this.#schemas.giveBack(schema)
  }

  /** Leave nothing behind, neither of ours nor of a process that was killed. */
  async stop(): Promise<void> {
    await this.#schemas.drop()
    const { rows } = await sql<{ name: string; number: number }>`
      SELECT nspname AS name, split_part(nspname, '_', 3)::int AS number
      FROM pg_namespace
      WHERE nspname ~ ${`^${spare}[0-9]{1,9}_`} AND nspowner = current_user::regrole`.execute(
      this.#q,
    )
    for (const { name, number } of rows) await this.#dropOrphan(name, number)
    await this.#q.destroy()
  }

  async #dropOrphan(name: string, number: number): Promise<void> {
    await this.#q.connection().execute(async q => {
      const { rows } = await sql<{ is_ours: boolean }>`
        SELECT pg_try_advisory_lock(${holding}, ${number}) AS is_ours`.execute(q)
      if (!rows[0]?.is_ours) return
      await sql`DROP SCHEMA IF EXISTS ${sql.id(name)} CASCADE`.execute(q)
      await sql`SELECT pg_advisory_unlock(${holding}, ${number})`.execute(q)
    })
  }
}
