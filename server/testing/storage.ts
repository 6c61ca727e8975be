/**
 * Where the servers of a test process keep their data: in schemas on one embedded database that
 * they share, or in schemas on a PostgreSQL server.
 */
import { randomBytes, randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DatabaseOptions } from '../../db/database.ts'
import { SharedPglite } from '../../db/engine/shared-pglite.ts'
import { SharedPostgres } from '../../db/engine/shared-postgres.ts'
import { Shared } from './shared.ts'

export interface Storage {
  readonly database: DatabaseOptions
  /** For what is not in the database. */
  readonly dataDir: string
  /** With all that is in it; nobody uses it any more. */
  remove(): Promise<void>
}

const embedded = new Shared(() => SharedPglite.start())
/** By URL. */
const servers = new Map<string, Shared<SharedPostgres>>()

/**
 * @param url a PostgreSQL server instead of the embedded database; empty, as a variable of the
 *   environment may be, it is none
 * @throws DatabaseUnavailable
 */
export async function makeStorage(url: string | undefined): Promise<Storage> {
  const schema = `test_${randomBytes(8).toString('hex')}`
  const dataDir = await mkdtemp(join(tmpdir(), 'hourglass-'))
  const shared = url ? sharedServer(url) : embedded
  const end = async () => {
    await rm(dataDir, { recursive: true, force: true })
    shared.leave(isKept)
  }
  try {
    const database = await shared.use()
    await database.make(schema)
    return {
      database:
        database instanceof SharedPglite
          ? { dataDir, shared: { database, schema } }
          : { dataDir, url, schema },
      dataDir,
      async remove() {
        await database.drop(schema)
        await end()
      },
    }
  } catch (error) {
    await end()
    throw error
  }
}

function sharedServer(url: string): Shared<SharedPostgres> {
  const known = servers.get(url)
  if (known) return known
  const made = new Shared(() => SharedPostgres.start(url, randomInt(1e9)))
  servers.set(url, made)
  return made
}

const all = (): readonly Shared<SharedPglite | SharedPostgres>[] => [embedded, ...servers.values()]
let isKept = false

/**
 * Let the embedded database, and spare schemas on a PostgreSQL server, live as long as the process:
 * one test file comes after the other.
 */
export function keepSharedDatabase(): void {
  if (isKept) return
  isKept = true
  process.once('beforeExit', () => void stopSharedDatabase().catch(() => undefined))
}

/**
 * Stop what servers have shared; whoever uses it must have stopped before. In a hurry: jest kills a worker
 * that has not ended after half a second.
 */
export async function stopSharedDatabase(): Promise<void> {
  for (const one of all()) await one.stop(true)
}
