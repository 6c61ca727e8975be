/** The real program, in a process of its own, as somebody at a shell starts it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'

export { breakConnectionOf } from '../../db/testing.ts'

const main = fileURLToPath(new URL('../../dist/server/main.js', import.meta.url))

export interface Ended {
  exitCode: number | null
  stdout: string
  stderr: string
}

export interface Program {
  /** The address in "Hourglass is listening on …". Rejects if the program ends before. */
  readonly listening: Promise<string>
  readonly ended: Promise<Ended>
  /** What it has printed so far. */
  readonly printed: () => string
  /** Tell of all that it has logged so far, each time that there is more. */
  onLog(listener: (log: string) => void): void
  kill(signal: NodeJS.Signals): void
}

const running = new Set<ChildProcess>()

export function startProgram(
  flags: readonly string[],
  env: Record<string, string | undefined> = {},
): Program {
  const child = spawn(process.execPath, [main, ...flags], {
    env: { ...process.env, DATABASE_URL: undefined, NODE_OPTIONS: undefined, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  let stdout = ''
  let stderr = ''
  const ended = new Promise<Ended>(resolve => {
    child.once('close', exitCode => {
      running.delete(child)
      resolve({ exitCode, stdout, stderr })
    })
  })
  child.stderr.on('data', chunk => {
    stderr += chunk
  })
  const listening = new Promise<string>((resolve, reject) => {
    child.stdout.on('data', chunk => {
      stdout += chunk
      const url = /^Hourglass is listening on (\S+)$/m.exec(stdout)?.[1]
      if (url !== undefined && stdout.endsWith('\n')) resolve(url)
    })
    void ended.then(() => reject(new Error(`it did not start: ${stderr}`)))
  })
  // Who waits only for the end need not care.
  listening.catch(() => undefined)
  return {
    listening,
    ended,
    printed: () => stdout,
    onLog: listener => void child.stderr.on('data', () => listener(stderr)),
    kill: signal => void child.kill(signal),
  }
}

/** Run the program until it ends by itself. */
export function runProgram(
  flags: readonly string[],
  env: Record<string, string | undefined> = {},
): Promise<Ended> {
  return startProgram(flags, env).ended
}

/** End what a failed test has left running. */
export function killPrograms(): void {
  for (const child of running) child.kill('SIGKILL')
}

export interface Storage {
  /** The flags that make the program keep its data there. */
  readonly flags: readonly string[]
  /** A folder for the test's own files. */
  readonly folder: string
  /** On PostgreSQL, the schema. */
  readonly schema?: string
  remove(): Promise<void>
}

/** A place for data: a folder, or, with HOURGLASS_TEST_DATABASE_URL, a PostgreSQL schema. */
export async function makeStorage(): Promise<Storage> {
  const folder = await mkdtemp(join(tmpdir(), 'hourglass-'))
  const removeFolder = () => rm(folder, { recursive: true, force: true })
  const url = process.env.HOURGLASS_TEST_DATABASE_URL
  if (url === undefined) {
    return { flags: ['--data-dir', join(folder, 'data')], folder, remove: removeFolder }
  }
  const schema = `test_${randomBytes(8).toString('hex')}`
  const config = join(folder, 'storage.yaml')
  await writeFile(config, `database_schema: ${schema}\ndatabase_connections: 4\n`)
  return {
    flags: ['--config', config, '--database-url', url],
    folder,
    schema,
    async remove() {
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      await client.query('SET client_min_messages = error')
      await client.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`)
      await client.end()
      await removeFolder()
    },
  }
}
