/** The embedded database: PGlite on a folder, in a thread of its own. */
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { sql } from 'kysely'
import { templateDir } from '../built.ts'
import { type Database, DatabaseUnavailable } from '../database.ts'
import { sessionWrites } from '../table-writes.ts'
import { kyselyOn } from './connection.ts'
import { copyTemplate, holdDataDir, publish } from './data-dir.ts'
import { DeadRows } from './dead-rows.ts'
import { type Loss, loss, reasonOf } from './loss.ts'
import { migrate } from './migrate.ts'
import { type Engine, type EngineFiles, startEngine } from './pglite-engine.ts'
import { PgliteConnection } from './pglite-pool.ts'
import { PgliteSocket } from './pglite-socket.ts'
import { startEngineThread } from './pglite-thread.ts'
import { typesOf } from './types.ts'

/** @throws DatabaseUnavailable */
export async function openPglite(dataDir: string): Promise<Database> {
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
    const deadRows = new DeadRows({ q })
    return {
      q,
      sessionWrites: writes,
      cut: () => connection.cut(wire),
      engine: 'pglite',
      location: databaseDir,
      lost,
      lose,
      clearDeadRows: isStopped => deadRows.clear(isStopped),
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
