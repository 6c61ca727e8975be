/** The processes of a run: the server, its ceiling, the load. Each is ended when the run ends. */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Job, Measured } from './load.ts'

const at = (file: string) => fileURLToPath(new URL(file, import.meta.url))
const running = new Set<ChildProcess>()

export interface Started {
  readonly baseUrl: string
  readonly pid: number
  /** From the start of the process to its line. */
  readonly startMs: number
  stop(): Promise<void>
}

/** How node itself runs the homeserver. */
export interface Running {
  nodeFlags?: readonly string[]
  /** Is told every line that the process writes once it listens. */
  heed?: (line: string) => void
}

/** Start the homeserver with these flags; its log goes nowhere. */
export function startHomeserver(
  flags: readonly string[],
  { nodeFlags = [], heed }: Running = {},
): Promise<Started> {
  return start([...nodeFlags, at('../../bundle/main.js'), '--port', '0', ...flags], heed)
}

/** @param flags see ceiling-server.ts */
export function startCeiling(...flags: string[]): Promise<Started> {
  return start([at('ceiling-server.js'), ...flags])
}

async function start(args: readonly string[], heed?: (line: string) => void): Promise<Started> {
  const startedAt = performance.now()
  const { DATABASE_URL: _, ...env } = process.env
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  let complaint = ''
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = `${complaint}${chunk}`.slice(-2_000)
  })
  const exited = new Promise<void>(resolve => {
    child.once('exit', () => {
      running.delete(child)
      resolve()
    })
  })
  const lines = createInterface({ input: child.stdout })
  const listening = new Promise<string | undefined>(resolve => {
    lines.on('line', line => {
      const baseUrl = /listening on (http:\S+)$/.exec(line)?.[1]
      if (baseUrl === undefined) heed?.(line)
      else resolve(baseUrl)
    })
    lines.once('close', () => resolve(undefined))
  })
  const baseUrl = await listening
  if (baseUrl !== undefined) {
    return {
      baseUrl,
      pid: child.pid ?? 0,
      startMs: performance.now() - startedAt,
      async stop() {
        child.kill('SIGTERM')
        await exited
      },
    }
  }
  throw new Error(`the process ended before it listened: ${complaint}`)
}

/** A load process that does one job after the other. */
export class Load {
  readonly #child = fork(at('load.js'))

  constructor() {
    running.add(this.#child)
  }

  run(job: Job): Promise<Measured> {
    return new Promise((resolve, reject) => {
      this.#child.once('message', (answer: { measured?: Measured; error?: string }) => {
        if (answer.measured) resolve(answer.measured)
        else reject(new Error(answer.error))
      })
      this.#child.send(job)
    })
  }

  stop(): void {
    running.delete(this.#child)
    this.#child.kill()
  }
}

/** Resident memory, MB; undefined where the system does not tell. */
export async function residentMb(pid: number): Promise<number | undefined> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
  } catch {
    return undefined
  }
}

/**
 * Processor time that a process has used, in ms, all of its threads together. Unlike the time on the
 * wall, it depends little on what else the machine is doing. Where the system does not tell, the time
 * on the wall has to do.
 */
export async function processorMs(pid: number): Promise<number> {
  try {
    const threads = await readdir(`/proc/${pid}/task`)
    const used = await Promise.all(
      threads.map(thread => readFile(`/proc/${pid}/task/${thread}/schedstat`, 'utf8')),
    )
    return used.reduce((sum, line) => sum + Number(line.split(' ')[0]) / 1e6, 0)
  } catch {
    return performance.now()
  }
}

/** As {@link processorMs}; 0 if it is no PostgreSQL of this machine, or has ended. */
export async function postgresProcessorMs(pid: number): Promise<number> {
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')
  return name.startsWith('postgres') ? processorMs(pid) : 0
}

/** What an interrupted run leaves behind. */
export function killAll(): void {
  for (const child of running) child.kill('SIGKILL')
}
