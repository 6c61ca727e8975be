/**
 * Builds dist/database-template, the empty, migrated database that a fresh data directory is copied
 * from: initialising one takes seconds, copying one does not. Does nothing if what is there was
 * made by the same PGlite from the same migrations.
 */
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { initialisePglite, templateDir } from '../db/open.ts'

/** Beside the folder, not in it: what is in it is copied. */
const stampFile = `${templateDir}.stamp`

/** It appears under its name only when it is whole. */
async function build(stamp: string): Promise<void> {
  const unfinished = `${templateDir}.${process.pid}`
  await rm(unfinished, { recursive: true, force: true })
  await initialisePglite(unfinished)
  makeReadable(unfinished)

  const old = `${unfinished}.old`
  await rm(stampFile, { force: true })
  if (existsSync(templateDir)) await rename(templateDir, old)
  await rename(unfinished, templateDir)
  writeFileSync(stampFile, stamp)
  await rm(old, { recursive: true, force: true })
}

/** Changes with everything that the template is made of. */
function stampOf(): string {
  const hash = createHash('sha256')
  const db = new URL('../db/', import.meta.url)
  const pglite = new URL('../package.json', import.meta.resolve('@electric-sql/pglite'))
  const migrations = readdirSync(new URL('migrations/', db)).sort()
  const sources = ['open.js', 'migrate.js', ...migrations.map(name => `migrations/${name}`)]
  for (const name of sources) hash.update(readFileSync(new URL(name, db)))
  return hash.update(JSON.parse(readFileSync(pglite, 'utf8')).version).digest('hex')
}

function readIfThere(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

/** PGlite lets everybody write; the server may run as another user than who installed it. */
function makeReadable(folder: string): void {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    chmodSync(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644)
  }
}

const stamp = stampOf()
if (!existsSync(templateDir) || readIfThere(stampFile) !== stamp) await build(stamp)
