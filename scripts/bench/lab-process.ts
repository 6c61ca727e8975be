/**
 * The laboratory in a process of its own, so that nothing else is counted: prints, as JSON, how long
 * servers take to start and to fork, and what memory some of them hold.
 */
import { type Homeserver, startHomeserver } from 'hourglass/testing'

export interface LabMeasured {
  /** With loading the server itself. */
  firstMs: number
  /** Of all others that run at the same time, so each has tables of its own. */
  furtherMs: number[]
  /** Of servers that get those of one that was stopped. */
  againMs: number[]
  /** With those of one that was stopped, too. */
  forkMs: number[]
  /** With all of them running. */
  residentMb: number
}

const [servers, rounds] = process.argv.slice(2, 4).map(Number)
const databaseUrl = process.argv[4]
const start = () => startHomeserver({ databaseUrl })

async function timed<T>(times: number[], run: () => Promise<T>): Promise<T> {
  const startedAt = performance.now()
  const result = await run()
  times.push(performance.now() - startedAt)
  return result
}

const running: Homeserver[] = []
const furtherMs: number[] = []
running.push(await start())
// What node has spent before our first line belongs to it, too.
const firstMs = performance.now()
while (running.length < (servers ?? 0)) running.push(await timed(furtherMs, start))
for (const server of running) await server.user('alice')
const residentMb = process.memoryUsage().rss / 1024 ** 2
for (const server of running.splice(1)) await server.stop()

const againMs: number[] = []
const forkMs: number[] = []
for (let i = 0; i < (rounds ?? 0); i++) {
  await (await timed(againMs, start)).stop()
  const [first] = running
  if (first) await (await timed(forkMs, () => first.fork())).stop()
}
for (const server of running) await server.stop()
const measured: LabMeasured = { firstMs, furtherMs, againMs, forkMs, residentMb }
process.stdout.write(`${JSON.stringify(measured)}\n`)
