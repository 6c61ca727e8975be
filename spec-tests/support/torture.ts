/** The torture harness, as somebody at a shell starts it. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../dist/scripts/torture/main.js', import.meta.url))

/** Run it on the engine that is being tested. What it says when something breaks is in `stdout`. */
export async function torture(
  args: readonly string[],
): Promise<{ exitCode: number | null; stdout: string }> {
  const databaseUrl = process.env.HOURGLASS_TEST_DATABASE_URL
  const engine = databaseUrl === undefined ? 'pglite' : 'postgres'
  const child = spawn(process.execPath, [main, '--engine', engine, ...args], {
    env: { ...process.env, DATABASE_URL: databaseUrl, NODE_OPTIONS: undefined },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let stdout = ''
  child.stdout.on('data', chunk => {
    stdout += chunk
  })
  const exitCode = await new Promise<number | null>(resolve => child.once('close', resolve))
  return { exitCode, stdout }
}
