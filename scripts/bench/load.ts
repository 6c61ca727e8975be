/**
 * The load, in a process of its own. It is sent a job, does it, and answers with what it measured.
 *
 * Two ways: closed, each connection sends its next request when the last was answered, which finds
 * the most that the server can do; and open, requests begin at a fixed rate whether or not earlier
 * ones were answered, and latency counts from when a request *should* have begun. Without that, a
 * server that stalls would be asked nothing meanwhile, and the stall would count once.
 */
import { build, type Histogram } from 'hdr-histogram-js'
import { Connections, type Exchange } from './http-client.ts'

/** Requests to be made. In path and body, `{n}` becomes a number that is used only once. */
export interface Job {
  baseUrl: string
  connections: number
  durationMs: number
  /** Requests a second; undefined: closed, as fast as it goes. */
  rate?: number | undefined
  method: string
  path: string
  body?: string | undefined
  /** What `{target}` becomes, used in turn. */
  targets: readonly string[]
  /** Used in turn together with the targets. */
  tokens: readonly (string | null)[]
}

export interface Measured {
  requests: number
  perSecond: number
  errors: number
  firstError?: string
  p50Ms: number
  p99Ms: number
  maxMs: number
}

let nextNumber = 0

function requestOf(job: Job): Exchange {
  const n = nextNumber
  nextNumber += 1
  const index = n % job.targets.length
  const fill = (text: string) =>
    text.replace('{target}', job.targets[index] ?? '').replaceAll('{n}', `${process.pid}-${n}`)
  return {
    method: job.method,
    path: fill(job.path),
    token: job.tokens[index % job.tokens.length],
    body: job.body === undefined ? undefined : fill(job.body),
  }
}

async function run(job: Job): Promise<Measured> {
  const connections = await Connections.open(job.baseUrl, job.connections)
  const histogram = build({ numberOfSignificantValueDigits: 3 })
  let errors = 0
  let firstError: string | undefined
  let lastEnd = performance.now()

  const one = async (shouldBeginAt: number) => {
    const answer = await connections.exchange(requestOf(job))
    lastEnd = performance.now()
    histogram.recordValue(Math.max(0, Math.round((lastEnd - shouldBeginAt) * 1000)))
    if (answer.status !== 200) {
      errors += 1
      firstError ??= `${answer.status} ${answer.body.slice(0, 200)}`
    }
  }

  const startedAt = performance.now()
  const endAt = startedAt + job.durationMs
  if (job.rate === undefined) {
    const loop = async () => {
      while (performance.now() < endAt) await one(performance.now())
    }
    await Promise.all(Array.from({ length: job.connections }, loop))
  } else {
    await atRate(job.rate, startedAt, endAt, one)
  }
  connections.close()
  return {
    ...latencies(histogram),
    requests: histogram.totalCount,
    perSecond: histogram.totalCount / ((lastEnd - startedAt) / 1000),
    errors,
    ...(firstError === undefined ? {} : { firstError }),
  }
}

async function atRate(
  rate: number,
  startedAt: number,
  endAt: number,
  one: (shouldBeginAt: number) => Promise<void>,
): Promise<void> {
  const running: Promise<void>[] = []
  let next = startedAt
  while (next < endAt) {
    const now = performance.now()
    while (next <= now && next < endAt) {
      running.push(one(next))
      next += 1000 / rate
    }
    await new Promise(resolve => setTimeout(resolve, 1))
  }
  await Promise.all(running)
}

function latencies(histogram: Histogram): Pick<Measured, 'p50Ms' | 'p99Ms' | 'maxMs'> {
  const at = (percentile: number) => histogram.getValueAtPercentile(percentile) / 1000
  return { p50Ms: at(50), p99Ms: at(99), maxMs: at(100) }
}

if (process.send) {
  process.on('message', (job: Job) => {
    run(job).then(
      measured => process.send?.({ measured }),
      (error: Error) => process.send?.({ error: error.message }),
    )
  })
}
