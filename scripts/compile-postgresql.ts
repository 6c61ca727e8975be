/**
 * Builds dist/compiled-postgresql: the embedded PostgreSQL as machine code of this processor, which a
 * start takes as it is. Does nothing if it is there already. Without it all works as well, and a start takes
 * longer: V8 that cannot do it, or gives up over it, is no reason not to install.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { compiledDir } from '../db/built.ts'
import { canBeCompiled, writeCompiled } from '../db/engine/compiled.ts'

if (process.argv[2] === 'here') {
  if (canBeCompiled()) writeCompiled(compiledDir)
} else {
  // Also where nothing will be in it: an image is made with this folder.
  mkdirSync(compiledDir, { recursive: true })
  const { status } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), 'here'], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  if (status !== 0) {
    process.stderr.write(
      'PostgreSQL was not compiled: a start will do so each time, and take longer\n',
    )
  }
}
