/** A prepared database, read into memory: for tests, which throw away what they have written. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { MemoryFS, PGlite } from '@electric-sql/pglite'
import { emptyFolders } from './data-dir.ts'

type Options = Parameters<MemoryFS['init']>[1]

/** @param databaseDir where it is missing, PGlite finds no files, and initialises a database */
export async function readIntoMemory(databaseDir: string): Promise<MemoryFS> {
  const { MemoryFS, PGlite } = await import('@electric-sql/pglite')
  const { PGDATA } = PGlite.paths

  return new (class extends MemoryFS {
    /**
     * PostgreSQL may have no alarms: they come when nothing is being asked, so it acts on none of
     * them, and the one for its statistics would keep the process alive for 10 s.
     */
    override init(pg: PGlite, options: Options) {
      const instantiateWasm = (imports: { env: object }, done: unknown) => {
        Object.assign(imports.env, { _setitimer_js: () => 0 })
        return options.instantiateWasm(imports, done)
      }
      return super.init(pg, { ...options, instantiateWasm })
    }

    /** When PGlite has its own files, and has not yet looked whether there is a database. */
    override async initialSyncFs(): Promise<void> {
      if (!this.pg || !existsSync(databaseDir)) return
      const { FS } = this.pg.Module
      for (const folder of emptyFolders) FS.mkdirTree(`${PGDATA}/${folder}`)
      for (const entry of readdirSync(databaseDir, { recursive: true, withFileTypes: true })) {
        const file = join(entry.parentPath, entry.name)
        const path = `${PGDATA}/${relative(databaseDir, file)}`
        if (entry.isDirectory()) FS.mkdirTree(path)
        else FS.writeFile(path, readFileSync(file), { canOwn: true })
      }
    }
  })()
}
