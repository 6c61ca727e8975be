/**
 * Schemas on a PostgreSQL server for the servers of one process: for tests, as `SharedPglite` is.
 * Here others see what lies around, and it is there when the process is not any more.
 */
import { sql } from 'kysely'
import pg from 'pg'
import { DatabaseUnavailable } from '../database.ts'
import { kyselyOn } from './connection.ts'
import { SpareSchemas } from './spare-schemas.ts'

/** Names of spare schemas begin so; then comes the number of the process whose they are. */
const spare = 'hourglass_spare_'
/** Advisory locks on such numbers: as long as one is held, the schemas are somebody's. */
const holding = 4140
/** Each brings a hundred files to the disk, one after the other, and waits: some do so side by side. */
const mostAhead = 3

type Query = ReturnType<typeof kyselyOn>

export class SharedPostgres {
  readonly #q: Query
  readonly #makers: Query
  readonly #schemas: SpareSchemas

  /**
   * @param number nobody else's
   * @throws DatabaseUnavailable
   */
  static async start(url: string, number: number): Promise<SharedPostgres> {
    // One, which holds the lock, and stays.
    const q = connect(url, { max: 1, idleTimeoutMillis: 0 })
    try {
      await sql`SELECT pg_advisory_lock(${holding}, ${number})`.execute(q)
    } catch (error) {
      await q.destroy()
      const { code, message } = error as { code?: string; message?: string }
      throw new DatabaseUnavailable(`cannot reach the database: ${message || code}`)
    }
    return new SharedPostgres(q, connect(url, { max: mostAhead }), number)
  }

  private constructor(q: Query, makers: Query, number: number) {
    this.#q = q
    this.#makers = makers
    this.#schemas = new SpareSchemas({ q }, `${spare}${number}_`, { q: makers }, mostAhead)
  }

  /** A schema of this name, with empty tables. */
  make(schema: string): Promise<void> {
    return this.#schemas.take(schema)
  }

  /** With all that is in it. */
  drop(schema: string): Promise<void> {
    return this.#schemas.giveBack(schema)
  }

  /**
   * Leave nothing behind, neither of ours nor of a process that was killed.
   *
   * @param isHurried side by side, over further connections. These cannot be made any more where jest has
   *   torn down the environment of the test that was the last to use this.
   */
  async stop(isHurried = false): Promise<void> {
    const q = isHurried ? this.#makers : this.#q
    await this.#schemas.drop({ q })
    const { rows } = await sql<{ name: string; number: number }>`
      SELECT nspname AS name, split_part(nspname, '_', 3)::int AS number
      FROM pg_namespace
      WHERE nspname ~ ${`^${spare}[0-9]{1,9}_`} AND nspowner = current_user::regrole`.execute(
      this.#q,
    )
    await Promise.all(rows.map(({ name, number }) => dropOrphan(q, name, number)))
    await this.#makers.destroy()
    await this.#q.destroy()
  }
}

async function dropOrphan(q: Query, name: string, number: number): Promise<void> {
  await q.connection().execute(async one => {
    const { rows } = await sql<{ is_ours: boolean }>`
      SELECT pg_try_advisory_lock(${holding}, ${number}) AS is_ours`.execute(one)
    if (!rows[0]?.is_ours) return
    await sql`DROP SCHEMA IF EXISTS ${sql.id(name)} CASCADE`.execute(one)
    await sql`SELECT pg_advisory_unlock(${holding}, ${number})`.execute(one)
  })
}

/** Connections of which none is there before it is needed. The process may end nevertheless. */
function connect(url: string, bounds: Pick<pg.PoolConfig, 'max' | 'idleTimeoutMillis'>): Query {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: 'hourglass tests',
    // What is made and emptied here need not outlive the machine; it is not waited for.
    options: '-c synchronous_commit=off -c client_min_messages=error',
    allowExitOnIdle: true,
    ...bounds,
  })
  pool.on('error', () => undefined)
  return kyselyOn(pool as unknown as Parameters<typeof kyselyOn>[0])
}
