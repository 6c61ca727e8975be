/**
 * Builds dist/database-template, the empty, migrated database that a fresh data directory is copied
 * from: initialising one takes seconds, copying one does not. And dist/shared-database-template, which
 * the servers of a test are made from. Does nothing if what is there was made by the same PGlite from the
 * same migrations.
 */
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { sharedTemplateDir, templateDir } from '../db/built.ts'
import { copyTemplate } from '../db/engine/data-dir.ts'
import { initialisePglite } from '../db/engine/pglite.ts'
import { prepareForSharing } from '../db/engine/shared-pglite.ts'

/** Beside the folders, not in them: what is in them is copied. */
const stampFile = `${templateDir}.stamp`

/** It appears under its name only when it is whole. */
async function build(folder: string, make: (unfinished: string) => Promise<void>): Promise<void> {
  const unfinished = `${folder}.${process.pid}`
  await rm(unfinished, { recursive: true, force: true })
  await make(unfinished)
  makeReadable(unfinished)

  const old = `${unfinished}.old`
  if (existsSync(folder)) await rename(folder, old)
  await rename(unfinished, folder)
  await rm(old, { recursive: true, force: true })
}

async function makeShared(unfinished: string): Promise<void> {
  await copyTemplate(templateDir, unfinished)
  await prepareForSharing(unfinished)
}

/** Changes with everything that the template is made of. */
function stampOf(): string {
  const hash = createHash('sha256')
  const db = new URL('../db/', import.meta.url)
  const pglite = new URL('../package.json', import.meta.resolve('@electric-sql/pglite'))
  const migrations = readdirSync(new URL('migrations/', db)).sort()
  const sources = [
    'engine/pglite.js',
    'engine/migrate.js',
    'engine/shared-pglite.js',
    ...migrations.map(name => `migrations/${name}`),
  ]
  for (const name of sources) hash.update(readFileSync(new URL(name, db)))
  hash.update(readFileSync(new URL(import.meta.url)))
  return hash.update(JSON.parse(readFileSync(pglite, 'utf8')).version).digest('hex')
}

function readIfThere(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

/** PGlite lets everybody write; the server may run as another user than who installed it. */
function makeReadable(folder: string): void {
  chmodSync(folder, 0o755)
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    chmodSync(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644)
  }
}

const stamp = stampOf()
if (readIfThere(stampFile) !== stamp || ![templateDir, sharedTemplateDir].every(existsSync)) {
  await rm(stampFile, { force: true })
  await build(templateDir, initialisePglite)
  await build(sharedTemplateDir, makeShared)
  writeFileSync(stampFile, stamp)
}
