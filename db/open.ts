/** From options to an open, migrated database: a PostgreSQL server, or PGlite in this process. */
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type PostgresPool, sql } from 'kysely'
import type pg from 'pg'
import { kyselyOn } from './connection.ts'
import { copyTemplate, DatabaseUnavailable, holdDataDir, publish } from './data-dir.ts'
import { migrate } from './migrate.ts'
import { OneWriteSocket } from './one-write-socket.ts'
import { type Engine, type EngineFiles, planning, startEngine } from './pglite-engine.ts'
import { PgliteConnection } from './pglite-pool.ts'
import { PgliteSocket } from './pglite-socket.ts'
import { startEngineThread } from './pglite-thread.ts'
import { sessionWrites, type TableWrites } from './table-writes.ts'
import type { Pool } from './transaction.ts'

export { DatabaseUnavailable } from './data-dir.ts'

interface SchemaOpener {
  open(schema: string): Promise<Database>
}

export interface DatabaseOptions {
  /** An embedded database that others in this process use, too (`SharedPglite`); instead of all the rest. */
  shared?: { database: SchemaOpener; schema: string } | undefined
  /** A PostgreSQL server, version 14 or later. Without it, PGlite in `dataDir`. */
  url?: string | undefined
  /** The PostgreSQL schema to live in; made where it is missing. */
  schema?: string | undefined
  /** Connections to the PostgreSQL server. */
  maxConnections?: number | undefined
  /** Where PGlite keeps its files. */
  dataDir: string
}

export interface Database extends Pool {
  readonly engine: 'postgres' | 'pglite'
  /** In words, for the banner; without user name and password. */
  readonly location: string
  /** To what sessions are read from. */
  readonly sessionWrites: TableWrites
  /** Settles only if the database is lost to us while we run, with the reason. */
  readonly lost: Promise<Error>
  close(): Promise<void>
  /**
   * Leave as a process that is killed: what is not committed is undone, and nothing is done any
   * more. To be closed nevertheless.
   */
  cut(): Promise<void>
}

/** bigint and numeric as numbers, on both engines: positions and times stay far below 2^53. */
const int8 = 20

/** What `npm ci` builds, beside the compiled server; jest runs the sources. */
const builtFolder = (name: string) =>
  fileURLToPath(
    new URL(import.meta.url.endsWith('.ts') ? `../dist/${name}` : `../${name}`, import.meta.url),
  )

/** The prepared database. */
export const templateDir = builtFolder('database-template')
/** The same, with tables for several servers. */
export const sharedTemplateDir = builtFolder('shared-database-template')

/** @throws DatabaseUnavailable with one line that says what is wrong */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { shared, url, dataDir } = options
  if (shared) return shared.database.open(shared.schema)
  return url ? openPostgres(url, options) : openPglite(dataDir)
}

/** How the driver reads what PostgreSQL sends. */
function typesOf(driver: typeof pg): pg.CustomTypesConfig {
  return {
    getTypeParser: (oid, format) =>
      oid === int8 ? Number : driver.types.getTypeParser(oid, format as 'text'),
  }
}

async function openPglite(dataDir: string): Promise<Database> {
  const release = await holdDataDir(dataDir)
  try {
    const databaseDir = join(dataDir, 'pglite')
    if (!existsSync(databaseDir) && !(await copyTemplate(templateDir, databaseDir))) {
      const unfinished = `${databaseDir}.unfinished`
      await rm(unfinished, { recursive: true, force: true })
      await initialisePglite(unfinished)
      await publish(unfinished, databaseDir)
    }
    const { lost, lose } = loss()
    const connection = await connectTo(await startEngineThread(databaseDir, lose), { lost, lose })
    const wire = { isCut: false }
    const writes = sessionWrites()
    const q = kyselyOn(connection.pool(undefined, wire), wire, writes)
    await migrate(q)
    return {
      q,
      sessionWrites: writes,
      cut: () => connection.cut(wire),
      engine: 'pglite',
      location: databaseDir,
      lost,
      lose,
      async close() {
        await q.destroy()
        await connection.close()
        release()
      },
    }
  } catch (error) {
    release()
    throw new DatabaseUnavailable(`cannot open the database in ${dataDir}: ${reasonOf(error)}`)
  }
}

/** Make a migrated database in a folder that does not exist yet; takes seconds. */
export async function initialisePglite(databaseDir: string): Promise<void> {
  const { connection } = await startPglite({ dataDir: databaseDir })
  const q = kyselyOn(connection.pool())
  await migrate(q)
  // Half of all files, and only for CREATE DATABASE, which is never said here.
  await sql`UPDATE pg_database SET datistemplate = false`.execute(q)
  for (const name of ['template0', 'template1']) await sql`DROP DATABASE ${sql.id(name)}`.execute(q)
  await connection.close()
}

/** PGlite in this thread, on a folder or on files of its own kind. */
export async function startPglite(files: EngineFiles) {
  const { lost, lose } = loss()
  return { connection: await connectTo(await startEngine(files, lose), { lost, lose }), lost }
}

async function connectTo(engine: Engine, { lost, lose }: Loss): Promise<PgliteConnection> {
  const { default: driver } = await import('pg')
  const socket = new PgliteSocket(engine)
  // Whoever waits for an answer is told that there will be none.
  void lost.then(reason => socket.destroy(reason))
  const client = new driver.Client({
    stream: () => socket,
    types: typesOf(driver),
    pipeline: true,
  })
  client.on('error', lose)
  await client.connect()
  return new PgliteConnection(engine, client)
}

async function openPostgres(url: string, options: DatabaseOptions): Promise<Database> {
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

/** The news that the database is lost, for whoever waits, and the way to spread it. */
interface Loss {
  lost: Promise<Error>
  lose: (reason: Error) => void
}

function loss(): Loss {
  let lose: (reason: Error) => void = () => undefined
  const lost = new Promise<Error>(resolve => {
    lose = resolve
  })
  return { lost, lose }
}

/** In one line, whatever was thrown. A refused connection to several addresses has only a code. */
function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string }
  return (message || code || String(error)).replace(/\s*\n\s*/g, ' ')
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
