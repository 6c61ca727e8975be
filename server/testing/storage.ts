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

export interface Storage {
  readonly database: DatabaseOptions
  /** For what is not in the database. */
  readonly dataDir: string
  /** With all that is in it; nobody uses it any more. */
  remove(): Promise<void>
}

let shared: Promise<SharedPglite> | undefined

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
  shared ??= SharedPglite.start()
  const database = await shared
  return {
    database: { dataDir, shared: { database, schema } },
    dataDir,
    async remove() {
      await database.drop(schema)
      await removeFolder()
    },
  }
}

/** Stop the embedded database, if there is one; whoever uses it must have stopped before. */
export async function stopSharedDatabase(): Promise<void> {
  const database = await shared
  shared = undefined
  await database?.stop()
}
