/**
 * Where the servers of a test process keep their data: in schemas on one embedded database that
 * they share, or in schemas on a PostgreSQL server.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DatabaseOptions } from '../../db/open.ts'
import { SharedPglite } from '../../db/shared-pglite.ts'
import { dropSchemas } from '../../db/testing.ts'
import { systemClock, type Timer } from '../lib/clock.ts'

export interface Storage {
  readonly database: DatabaseOptions
  /** For what is not in the database. */
  readonly dataDir: string
  /** With all that is in it; nobody uses it any more. */
  remove(): Promise<void>
}

/** So long the embedded database outlives its last server: the next test is about to start one. */
const lingerMs = 200

let shared: Promise<SharedPglite> | undefined
let users = 0
let isKept = false
let ending: Timer | undefined

/** @param url a PostgreSQL server instead of the embedded database */
export async function makeStorage(url: string | undefined): Promise<Storage> {
  const schema = `test_${randomBytes(8).toString('hex')}`
  const dataDir = await mkdtemp(join(tmpdir(), 'hourglass-'))
  const removeFolder = () => rm(dataDir, { recursive: true, force: true })
  if (url !== undefined) {
    return {
      database: { dataDir, url, schema },
      dataDir,
      async remove() {
        await dropSchemas(url, [schema])
        await removeFolder()
      },
    }
  }
  const database = await useSharedDatabase()
  return {
    database: { dataDir, shared: { database, schema } },
    dataDir,
    async remove() {
      await database.drop(schema)
      await removeFolder()
      users -= 1
      if (users > 0 || isKept) return
      ending = systemClock.timer(systemClock.now() + lingerMs, () => void stopSharedDatabase())
    },
  }
}

function useSharedDatabase(): Promise<SharedPglite> {
  users += 1
  ending?.cancel()
  shared ??= SharedPglite.start()
  return shared
}

/** Let the embedded database live as long as the process: one test file comes after the other. */
export function keepSharedDatabase(): void {
  isKept = true
}

/** Stop the embedded database, if there is one; whoever uses it must have stopped before. */
export async function stopSharedDatabase(): Promise<void> {
  ending?.cancel()
  const ended = shared
  shared = undefined
  await (await ended)?.stop()
}
