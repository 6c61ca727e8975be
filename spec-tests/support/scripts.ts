/** The programs in scripts/ that try the server's patience, as somebody at a shell starts them. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Run one on the engine that is being tested. What it says when something breaks is in `stdout`. */
export async function runScript(
  name: 'torture' | 'races' | 'bench',
  args: readonly string[],
): Promise<{ exitCode: number | null; stdout: string }> {
  const main = fileURLToPath(new URL(`../../dist/scripts/${name}/main.js`, import.meta.url))
  const env = {
    ...process.env,
    DATABASE_URL: process.env.HOURGLASS_TEST_DATABASE_URL,
    NODE_OPTIONS: undefined,
  }
  const stdio = ['ignore', 'pipe', 'inherit'] as const
  const child = spawn(process.execPath, [main, ...args], { env, stdio: [...stdio] })
  let stdout = ''
  child.stdout?.on('data', chunk => {
    stdout += chunk
  })
  const exitCode = await new Promise<number | null>(resolve => child.once('close', resolve))
  return { exitCode, stdout }
}
