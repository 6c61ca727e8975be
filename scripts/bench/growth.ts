/**
 * How each cost grows with what is there: one row for a cost, one column for a size. A cost that does
 * not depend on the size has the same figure in each.
 */
import { heartbeats, heartbeatsPerSecond, manage, startAmong } from './heartbeats.ts'
import { Connection } from './http-client.ts'
import { type Kind, largeRoomCosts } from './large-room-rows.ts'
import type { User } from './matrix-client.ts'
import { millis, type Stage } from './stage.ts'
import { quantile } from './timer-rows.ts'

/** Of timers, events, members or changes of state. */
const growthSizes = [1_000, 10_000, 100_000, 1_000_000]

export interface GrowthRow {
  /** What is asked for, and of what there are so many. */
  what: string
  /** By size, the median in ms. */
  medianMs: ReadonlyMap<number, number>
}

export const growthHeading = [
  '| Median | 10³ | 10⁴ | 10⁵ | 10⁶ | From first to last |',
  '|---|---|---|---|---|---|',
]

export function growthLineOf({ what, medianMs }: GrowthRow): string {
  const measured = [...medianMs.values()]
  const growth = (measured.at(-1) ?? Number.NaN) / (measured[0] ?? Number.NaN)
  const cells = growthSizes.map(size => {
    const ms = medianMs.get(size)
    if (ms === undefined) return ''
    return ms < 1 ? `${ms.toFixed(2)} ms` : millis(ms)
  })
  return `| ${[what, ...cells, `× ${growth.toFixed(1)}`].join(' | ')} |`
}

export const growthRows: Record<string, (stage: Stage) => Promise<GrowthRow | GrowthRow[]>> = {
  timers: timerGrowth,
  members: stage => roomGrowth(stage, 'members'),
  events: stage => roomGrowth(stage, 'events'),
  changes: stage => roomGrowth(stage, 'changes'),
}

/** Requests in rooms that were small when their members came. */
async function roomGrowth(stage: Stage, kind: Kind): Promise<GrowthRow[]> {
  const sizes = growthSizes.slice(0, stage.isQuick ? 2 : 4)
  const costs = await largeRoomCosts(stage, kind, sizes)
  return costs.map(({ what, tookMs }) => ({
    what: `${what}, by ${kind} of the room${kind === 'changes' ? "'s state" : ''}`,
    medianMs: new Map(tookMs.map((ms, i) => [sizes[i] ?? 0, ms])),
  }))
}

const asked = 200

/** One request after the other, among so many outstanding delayed events. */
async function timerGrowth(stage: Stage): Promise<GrowthRow[]> {
  const rows = new Map<string, Map<number, number>>()
  const sizes = growthSizes.slice(0, stage.isQuick ? 3 : 4)
  for (const size of sizes) {
    for (const [what, ms] of await timerCosts(stage, size)) {
      rows.set(what, (rows.get(what) ?? new Map()).set(size, ms))
    }
  }
  const rate = heartbeatsPerSecond.toLocaleString('en')
  const heartbeat = `processor time of a restart at ${rate} a second, by turns`
  rows.set(heartbeat, await heartbeatCosts(stage, sizes))
  return [...rows].map(([what, medianMs]) => ({ what: `${what}, by timers`, medianMs }))
}

async function timerCosts(stage: Stage, size: number): Promise<[what: string, ms: number][]> {
  const { server, user, roomId } = await startAmong(stage, size)
  const connection = await Connection.open(server.baseUrl)
  const send = `/_matrix/client/v3/rooms/${roomId}/send/m.test`
  const delay = 'org.matrix.msc4140.delay=3600000'
  const step = Math.floor(size / asked)
  // What nobody has asked for since the start takes several times as long, whatever there is.
  await median(connection, i => ['PUT', `${send}/w${i}`], user)
  const costs: [string, number][] = [
    ['start', server.startMs],
    ['restart', await median(connection, i => ['POST', `${manage}/bench_${i * step + 1}/restart`])],
    ['schedule', await median(connection, i => ['PUT', `${send}/s${i}?${delay}`], user)],
    ['cancel', await median(connection, i => ['POST', `${manage}/bench_${i * step + 2}/cancel`])],
    ['send', await median(connection, i => ['PUT', `${send}/e${i}`], user)],
  ]
  connection.close()
  await server.stop()
  return costs
}

/**
 * Processor time, ms, of one restart among so many, of the server and of PostgreSQL together. They
 * come at the rate at which the table takes their latency: the fewer there are, the less they share.
 * The sizes take turns: the machine's hour moves such a figure by a third.
 */
async function heartbeatCosts(
  stage: Stage,
  sizes: readonly number[],
): Promise<Map<number, number>> {
  const places = []
  for (const size of sizes) {
    const { server } = await startAmong(stage, size)
    const job = { baseUrl: server.baseUrl, connections: 32, ...heartbeats(size) }
    await stage.load.run({ ...job, durationMs: stage.warmUpMs })
    places.push({ size, server, job, costs: [] as number[] })
  }
  const durationMs = stage.durationMs / 3
  for (let turn = 0; turn < stage.turns; turn++) {
    for (const { server, job, costs } of places) {
      let restarts = 0
      const usedMs = await stage.processorMsOf(server, async () => {
        const measured = await stage.load.run({ ...job, rate: heartbeatsPerSecond, durationMs })
        if (measured.errors > 0)
          throw new Error(`${measured.errors} errors: ${measured.firstError}`)
        restarts = measured.requests
      })
      costs.push(usedMs / restarts)
    }
  }
  for (const { server } of places) await server.stop()
  return new Map(places.map(({ size, costs }) => [size, quantile(costs, 0.5)]))
}

async function median(
  connection: Connection,
  request: (i: number) => [method: string, path: string],
  user?: User,
): Promise<number> {
  const took: number[] = []
  for (let i = 0; i < asked; i++) {
    const [method, path] = request(i)
    const startedAt = performance.now()
    const answer = await connection.exchange({ method, path, token: user?.token, body: '{}' })
    took.push(performance.now() - startedAt)
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${answer.body}`)
  }
  return quantile(took, 0.5)
}
