/** A PostgreSQL server, of which one schema is ours alone. */
import type { PostgresPool } from 'kysely'
import type pg from 'pg'
import { type Database, type DatabaseOptions, DatabaseUnavailable } from '../database.ts'
import { sessionWrites } from '../table-writes.ts'
import { kyselyOn } from './connection.ts'
import { loss, reasonOf } from './loss.ts'
import { migrate } from './migrate.ts'
import { OneWriteSocket } from './one-write-socket.ts'
import { planning } from './pglite-engine.ts'
import { typesOf } from './types.ts'

/** @throws DatabaseUnavailable */
export async function openPostgres(url: string, options: DatabaseOptions): Promise<Database> {
  const { default: driver } = await import('pg')
  const schema = options.schema ?? 'public'
  const where = withoutPassword(url)
  const config: pg.ClientConfig = {
    connectionString: url,
    keepAlive: true,
    // Compiling is for statements that run for seconds, and is begun by what their plan seems to cost.
    options: [`search_path=${schema}`, ...planning, 'jit=off'].map(one => `-c ${one}`).join(' '),
    types: typesOf(driver),
  }
  const poolName = `hourglass ${schema}`
  const { lost, lose } = loss()
  // One connection for as long as we live: it holds the lock that says "this database is taken".
  let holder: pg.Client
  try {
    holder = new driver.Client({
      ...config,
      application_name: `${poolName} lock`,
      connectionTimeoutMillis: 5_000,
    })
    holder.on('error', lose)
    await holder.connect()
  } catch (error) {
    throw new DatabaseUnavailable(`cannot reach the database ${where}: ${reasonOf(error)}`)
  }
  const pool = new driver.Pool({
    ...config,
    application_name: poolName,
    pipeline: true,
    stream: () => new OneWriteSocket(),
    max: options.maxConnections ?? 10,
    // One to send what is due, one to tell of it: connecting would make an idle server late.
    min: 2,
  })
  // A broken connection is replaced; whoever was using it hears of it from its own query. The pool
  // listens only while a connection is idle, and an error that nobody hears ends the process.
  pool.on('error', () => undefined)
  pool.on('connect', client => client.on('error', () => undefined))
  try {
    const { rows } = await holder.query('SHOW server_version_num')
    if (Number(rows[0].server_version_num) < 140_000) {
      throw new DatabaseUnavailable(`${where} is older than PostgreSQL 14`)
    }
    await holder.query(`CREATE SCHEMA IF NOT EXISTS "${schema.replaceAll('"', '""')}"`)
    const lock = await holder.query(
      `SELECT pg_try_advisory_lock(hashtext('hourglass'), hashtext($1)) AS taken`,
      [schema],
    )
    if (!lock.rows[0].taken) {
      throw new DatabaseUnavailable(`the database ${where} is in use by another process`)
    }
    // What a process that was killed had sent off may still be running. We hold the lock, so it is
    // nobody's: it must not commit under our feet, at positions that we believe to be decided.
    await endConnections(holder, [poolName])
    const wire = { isCut: false }
    const writes = sessionWrites()
    const q = kyselyOn(pool as unknown as PostgresPool, wire, writes)
    await migrate(q)
    return {
      q,
      sessionWrites: writes,
      async cut() {
        wire.isCut = true
        const killer = new driver.Client(config)
        await killer.connect()
        await endConnections(killer, [poolName, `${poolName} lock`])
        await killer.end()
      },
      engine: 'postgres',
      location: where,
      lost,
      lose,
      clearDeadRows: async () => undefined,
      async close() {
        await q.destroy()
        await holder.end()
      },
    }
  } catch (error) {
    await pool.end().catch(() => undefined)
    await holder.end().catch(() => undefined)
    if (error instanceof DatabaseUnavailable) throw error
    throw new DatabaseUnavailable(`cannot use the database ${where}: ${reasonOf(error)}`)
  }
}

/**
 * End the connections that go by these names. All are told before any is waited for: PostgreSQL looks
 * after 100 ms again whether one has gone.
 */
async function endConnections(client: pg.Client, names: readonly string[]): Promise<void> {
  for (const end of ['pg_terminate_backend(pid)', 'pg_terminate_backend(pid, 5000)']) {
    await client.query(
      `SELECT ${end} FROM pg_stat_activity WHERE application_name = ANY($1)
         AND datname = current_database() AND pid <> pg_backend_pid()`,
      [names],
    )
  }
}

function withoutPassword(url: string): string {
  try {
    const parsed = new URL(url)
    parsed.username = ''
    parsed.password = ''
    parsed.search = ''
    return parsed.toString()
  } catch {
    return 'given'
  }
}
