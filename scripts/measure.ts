/**
 * `npm run measure`: the README's table, measured anew on this machine. Start to the first 200,
 * cold and warm; resident memory at rest; from a send to the answer of another user's waiting
 * `/sync`. With DATABASE_URL set, on that PostgreSQL too, in a schema that is dropped at the end.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { arch, cpus, platform, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { readOptions } from './options.ts'

const usage = `
npm run measure: the README's table, measured anew on this machine; with DATABASE_URL on that
PostgreSQL, too, in a schema that is dropped at the end
`
readOptions(usage, {})
const starts = 5
const warmUpSends = 50
const sends = 300

interface Running {
  baseUrl: string
  startMs: number
  pid: number
  stop(): Promise<void>
}

const main = fileURLToPath(new URL('../bundle/main.js', import.meta.url))

/** Start a server process; it counts as started when `/versions` has answered 200. */
async function start(args: string[]): Promise<Running> {
  const startedAt = performance.now()
  const { DATABASE_URL: _, ...env } = process.env
  const child = spawn(process.execPath, [main, '--port', '0', ...args], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = new Promise<void>(resolve => {
    child.once('exit', () => resolve())
  })
  for await (const line of createInterface({ input: child.stdout })) {
    const baseUrl = /^Hourglass is listening on (.+)$/.exec(line)?.[1]
    if (baseUrl === undefined) continue
    const response = await fetch(`${baseUrl}/_matrix/client/versions`)
    if (response.status !== 200) throw new Error(`/versions answered ${response.status}`)
    return {
      baseUrl,
      startMs: performance.now() - startedAt,
      pid: child.pid ?? 0,
      async stop() {
        child.kill('SIGTERM')
        await exited
      },
    }
  }
  throw new Error('the server ended before it listened')
}

async function request(
  baseUrl: string,
  method: string,
  path: string,
  options: { token?: string; body?: unknown } = {},
): Promise<Record<string, string>> {
  const response = await fetch(`${baseUrl}/_matrix/client/v3${path}`, {
    method,
    headers: options.token === undefined ? {} : { Authorization: `Bearer ${options.token}` },
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
  })
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`)
  return (await response.json()) as Record<string, string>
}

/** From the moment a message is sent to the moment a waiting sync of another user has it, in ms. */
async function measureSendToSync(baseUrl: string): Promise<number[]> {
  const register = async () => {
    const body = { auth: { type: 'm.login.dummy' } }
    return (await request(baseUrl, 'POST', '/register', { body })).access_token ?? ''
  }
  const [alice, bob] = [await register(), await register()]
  const { room_id: roomId = '' } = await request(baseUrl, 'POST', '/createRoom', {
    token: alice,
    body: { preset: 'public_chat' },
  })
  const room = encodeURIComponent(roomId)
  await request(baseUrl, 'POST', `/join/${room}`, { token: bob, body: {} })
  let { next_batch: since } = await request(baseUrl, 'GET', '/sync', { token: bob })

  const latencies: number[] = []
  for (let i = 0; i < warmUpSends + sends; i++) {
    const waiting = request(baseUrl, 'GET', `/sync?since=${since}&timeout=30000`, { token: bob })
    // Another request there and back: the sync is being waited in by then, not on its way.
    await request(baseUrl, 'GET', '/account/whoami', { token: bob })
    const sentAt = performance.now()
    const sending = request(baseUrl, 'PUT', `/rooms/${room}/send/m.room.message/${i}`, {
      token: alice,
      body: { msgtype: 'm.text', body: String(i) },
    })
    since = (await waiting).next_batch
    if (i >= warmUpSends) latencies.push(performance.now() - sentAt)
    await sending
  }
  return latencies
}

async function residentMb(pid: number): Promise<number | undefined> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
  } catch {
    return undefined
  }
}

function quantile(values: number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN
}

const ms = (value: number) => `${value.toFixed(value < 100 ? 1 : 0)} ms`

async function measure(
  engine: string,
  fresh: () => Promise<string[]>,
): Promise<[string, string][]> {
  const cold: number[] = []
  const warm: number[] = []
  const resident: number[] = []
  let args: string[] = []
  for (let i = 0; i < starts; i++) {
    args = await fresh()
    const first = await start(args)
    cold.push(first.startMs)
    await first.stop()
    const second = await start(args)
    warm.push(second.startMs)
    const mb = await residentMb(second.pid)
    if (mb !== undefined) resident.push(mb)
    await second.stop()
  }
  const server = await start(args)
  const latencies = await measureSendToSync(server.baseUrl)
  await server.stop()
  const memory = resident.length === 0 ? 'unknown here' : `${quantile(resident, 0.5).toFixed(0)} MB`
  return [
    [`${engine}: cold start to the first 200, median of ${starts}`, ms(quantile(cold, 0.5))],
    [`${engine}: warm start to the first 200, median of ${starts}`, ms(quantile(warm, 0.5))],
    [`${engine}: resident memory at rest`, memory],
    [
      `${engine}: send → another user's waiting \`/sync\`, p50 / p99 of ${sends}`,
      `${ms(quantile(latencies, 0.5))} / ${ms(quantile(latencies, 0.99))}`,
    ],
  ]
}

const folder = await mkdtemp(join(tmpdir(), 'hourglass-measure-'))
// Empty is not set, as for the server.
const url = process.env.DATABASE_URL || undefined
const schemas: string[] = []
try {
  let round = 0
  const rows = await measure('PGlite', async () => {
    round += 1
    return ['--data-dir', join(folder, `data-${round}`)]
  })
  if (url !== undefined) {
    rows.push(
      ...(await measure('PostgreSQL', async () => {
        const schema = `measure_${randomBytes(6).toString('hex')}`
        schemas.push(schema)
        const config = join(folder, `${schema}.yaml`)
        await writeFile(config, `database_schema: ${schema}\n`)
        return ['--config', config, '--database-url', url]
      })),
    )
  }
  console.log(`| Measured | Here |\n|---|---|`)
  for (const [what, value] of rows) console.log(`| ${what} | ${value} |`)
  console.log(
    `\n${cpus().length} × ${cpus()[0]?.model.trim()}, ${platform()} ${arch()}, Node ${process.version}`,
  )
} finally {
  await rm(folder, { recursive: true, force: true })
  if (url !== undefined) {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    await client.query('SET client_min_messages = error')
    for (const schema of schemas) await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
    await client.end()
  }
}
