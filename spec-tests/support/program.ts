/** The real program, in a process of its own, as somebody at a shell starts it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'

export { breakConnectionOf } from '../../db/testing/behind-the-curtain.ts'

/** jest runs the sources; a script runs what was built of us. */
const dist = new URL(import.meta.url.endsWith('.ts') ? '../../dist/' : '../../', import.meta.url)
const main = fileURLToPath(new URL('server/main.js', dist))

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
  /** Say something to what was loaded before it. */
  tell(message: object): void
  /** Hear what that says. */
  onTold(listener: (message: unknown) => void): void
}

const running = new Set<ChildProcess>()

/** @param loadedBefore a module that is loaded into the process before the program, and can be talked to */
export function startProgram(
  flags: readonly string[],
  env: Record<string, string | undefined> = {},
  loadedBefore?: URL,
): Program {
  const loading = loadedBefore ? ['--import', loadedBefore.href] : []
  return startNode([...loading, main, ...flags], env, loadedBefore !== undefined)
}

/** @param file of another program that becomes the server, as it was built: `scripts/….js` */
export function startBuilt(file: string, env: Record<string, string | undefined>): Program {
  return startNode([fileURLToPath(new URL(file, dist))], env, false)
}

function startNode(
  args: readonly string[],
  env: Record<string, string | undefined>,
  hasChannel: boolean,
): Program {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, DATABASE_URL: undefined, NODE_OPTIONS: undefined, ...env },
    stdio: ['ignore', 'pipe', 'pipe', ...(hasChannel ? (['ipc'] as const) : [])],
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
  const { stdout: out, stderr: err } = child
  if (!out || !err) throw new Error('a program without output')
  err.on('data', chunk => {
    stderr += chunk
  })
  const listening = new Promise<string>((resolve, reject) => {
    out.on('data', chunk => {
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
    onLog: listener => void err.on('data', () => listener(stderr)),
    kill: signal => void child.kill(signal),
    // Whoever has died meanwhile does not hear it.
    tell: message => void (child.connected && child.send(message, () => undefined)),
    onTold: listener => void child.on('message', listener),
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
export function makeStorage(): Promise<Storage> {
  return makeStorageOn(process.env.HOURGLASS_TEST_DATABASE_URL)
}

/**
 * @param url of a PostgreSQL server; undefined: a folder
 * @param settings more lines for the config file
 */
export async function makeStorageOn(
  url: string | undefined,
  settings: readonly string[] = [],
): Promise<Storage> {
  const folder = await mkdtemp(join(tmpdir(), 'hourglass-'))
  const removeFolder = () => rm(folder, { recursive: true, force: true })
  const schema = `test_${randomBytes(8).toString('hex')}`
  const config = join(folder, 'storage.yaml')
  if (url === undefined) {
    await writeFile(config, settings.join('\n'))
    const more = settings.length > 0 ? ['--config', config] : []
    return { flags: ['--data-dir', join(folder, 'data'), ...more], folder, remove: removeFolder }
  }
  const lines = [`database_schema: ${schema}`, 'database_connections: 4', ...settings]
  await writeFile(config, `${lines.join('\n')}\n`)
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
