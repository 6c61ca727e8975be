/** What `npm ci` builds of us. */
import { fileURLToPath } from 'node:url'

/** Beside the compiled server; jest runs the sources. */
const builtFolder = (name: string) =>
  fileURLToPath(
    new URL(import.meta.url.endsWith('.ts') ? `../dist/${name}` : `../${name}`, import.meta.url),
  )

/** The prepared database. */
export const templateDir = builtFolder('database-template')
/** The same, with tables for several servers. */
export const sharedTemplateDir = builtFolder('shared-database-template')
/** PostgreSQL as machine code, as `engine/compiled.ts` has it. */
export const compiledDir = builtFolder('compiled-postgresql')
