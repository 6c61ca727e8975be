/** A server without HTTP, on an embedded database of its own, for tests of what is behind. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseConfig } from './config.ts'
import { createContext, type RunningContext } from './context.ts'
import { labClock } from './lib/lab-clock.ts'

/** @returns it, and what ends it and removes its data */
export async function startContext(): Promise<{ ctx: RunningContext; end: () => Promise<void> }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'hourglass-'))
  const config = parseConfig({ server_name: 'hs1', data_dir: dataDir, log_level: 'error' }, 'test')
  const ctx = await createContext(config, { clock: labClock(Date.UTC(2030, 0, 1)) })
  return {
    ctx,
    async end() {
      await ctx.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
