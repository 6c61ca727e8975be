/**
 * Builds dist/bundle: the server, and `hourglass/testing`, each with what they load at once in a
 * few files. Reading and compiling eight hundred modules one by one is half of a start; see
 * server/docs/decisions/0059-the-server-is-bundled.md. And dist/spec-tests-bundle, for our own tests
 * (0068-spec-tests-load-a-bundle-that-is-fresh.md).
 */
import { rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** Those that are loaded when they are needed first, and those that bring more than JavaScript. */
const apart = ['@electric-sql/pglite', 'htmlparser2', 'jose', 'pg-native', 'selfsigned', 'sharp']

/** @param entryPoints by the names that they get in the folder */
async function bundle(folder: string, entryPoints: Record<string, string>): Promise<void> {
  const outdir = `${root}${folder}`
  await rm(outdir, { recursive: true, force: true })
  await build({
    absWorkingDir: root,
    entryPoints,
    outdir,
    bundle: true,
    // What is loaded later stays in a file of its own, and what both need is there once.
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    external: apart,
    sourcemap: 'linked',
    sourcesContent: false,
    legalComments: 'linked',
    // What is CommonJS among it asks for node's own modules by `require`.
    banner: {
      js: `import { createRequire as createRequireOfBundle } from 'node:module'
const require = createRequireOfBundle(import.meta.url)`,
    },
    logLevel: 'warning',
  })
}

await bundle('dist/bundle', {
  main: 'server/main.ts',
  testing: 'server/testing/index.ts',
  'pglite-worker': 'db/engine/pglite-worker.ts',
})
await bundle('dist/spec-tests-bundle', { 'in-worker': 'spec-tests/support/in-worker.ts' })
