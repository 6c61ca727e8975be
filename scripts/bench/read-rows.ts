/** Rows about reading: waking those who wait, the first sync, and going back in a long room. */
import { multiplyEvents, readLast } from '../../db/testing/behind-the-curtain.ts'
import { Connection } from './http-client.ts'
import { MatrixClient, times, type User } from './matrix-client.ts'
import { median, millis, percentiles, type Row, type Stage, timeOf } from './stage.ts'
import { quantile } from './timer-rows.ts'

interface Waking {
  /** To the answer of the first, for each round. */
  firstMs: number[]
  /** To the answer of the last, for each round. */
  allMs: number[]
}

/** How many requests the server holds in a long poll, by its own count. */
async function countWaiting(connection: Connection): Promise<number> {
  const { body } = await connection.exchange({ method: 'GET', path: '/metrics' })
  return Number(/^hourglass_sync_waiting (\d+)$/m.exec(body)?.[1])
}

interface Round {
  begin(connection: Connection, i: number): Promise<unknown>
  send(): Promise<unknown>
  /** How many are being kept waiting. */
  waitingNow(): Promise<number>
}

/**
 * Let `waiting` connections wait with `begin`, wake them with `send`, and see when they are answered.
 * `warmUps` rounds are not counted.
 */
async function wake(
  baseUrl: string,
  { waiting, rounds, warmUps }: { waiting: number; rounds: number; warmUps: number },
  { begin, send, waitingNow }: Round,
): Promise<Waking> {
  const connections = await times(waiting, () => Connection.open(baseUrl))
  const result: Waking = { firstMs: [], allMs: [] }
  for (let round = 0; round < warmUps + rounds; round++) {
    const answered: number[] = []
    const all = connections.map((connection, i) =>
      begin(connection, i).then(() => answered.push(performance.now())),
    )
    // Until all of them wait, which is not part of what is measured, and the machine has come to rest.
    while ((await waitingNow()) < waiting) await rest(2)
    if (round >= warmUps) await rest(30)
    const sentAt = performance.now()
    const sending = send()
    await Promise.all(all)
    await sending
    if (round < warmUps) continue
    result.firstMs.push((answered[0] ?? 0) - sentAt)
    result.allMs.push(Math.max(...answered) - sentAt)
  }
  for (const connection of connections) connection.close()
  return result
}

export async function wakeRow(stage: Stage, waiting: number): Promise<Row> {
  const server = await stage.server()
  const matrix = await MatrixClient.to(server.baseUrl)
  const sender = await matrix.register()
  const readers = await times(Math.min(waiting, 50), () => matrix.register())
  const roomId = await matrix.createRoom(sender)
  for (const reader of readers) await matrix.request('POST', `/v3/join/${roomId}`, reader.token, {})
  const since = await times(waiting, async i => {
    const { token } = readers[i % readers.length] as User
    return String((await matrix.request('GET', '/v3/sync', token)).next_batch)
  })
  const watcher = await Connection.open(server.baseUrl)
  let n = 0
  const counts =
    waiting > 1
      ? { waiting, rounds: 4, warmUps: 3 }
      : { waiting, rounds: stage.isQuick ? 30 : 300, warmUps: stage.isQuick ? 40 : 500 }
  const ours = await wake(server.baseUrl, counts, {
    async begin(connection, i) {
      const path = `/_matrix/client/v3/sync?timeout=30000&since=${since[i]}`
      const { token } = readers[i % readers.length] as User
      const answer = await connection.exchange({ method: 'GET', path, token })
      since[i] = JSON.parse(answer.body).next_batch
    },
    send() {
      n += 1
      return matrix.request('PUT', `/v3/rooms/${roomId}/send/m.test/${n}`, sender.token, { n })
    },
    waitingNow: () => countWaiting(watcher),
  })
  watcher.close()
  matrix.close()
  const { baseUrl: ceilingUrl } = await stage.ceiling()
  const emitter = await Connection.open(ceilingUrl)
  const ceiling = await wake(ceilingUrl, counts, {
    begin: connection => connection.exchange({ method: 'GET', path: '/wait' }),
    send: () => emitter.exchange({ method: 'POST', path: '/emit', body: '{}' }),
    waitingNow: async () =>
      Number((await emitter.exchange({ method: 'GET', path: '/waiting' })).body),
  })
  emitter.close()
  const show = (waking: Waking) =>
    waiting === 1
      ? `p50 ${millis(quantile(waking.firstMs, 0.5))}`
      : `all after ${millis(quantile(waking.allMs, 0.5))}`
  return {
    what: `send → waiting /sync answers, ${waiting.toLocaleString('en')} waiting`,
    value: show(ours),
    ceiling: show(ceiling),
    ratio: quantile(ceiling.allMs, 0.5) / quantile(ours.allMs, 0.5),
    goal: waiting === 1 ? 'p50 < 5 ms' : 'all within 1 s',
    isMet: waiting === 1 ? quantile(ours.firstMs, 0.5) < 5 : Math.max(...ours.allMs) < 1_000,
    latency: `p99 ${millis(quantile(ours.allMs, 0.99))}`,
  }
}

/** The first sync of somebody in many rooms, and a page of a long room, beside the same rows read. */
export async function readRows(stage: Stage): Promise<Row[]> {
  const roomCount = stage.isQuick ? 50 : 500
  const eventCount = stage.isQuick ? 5_000 : 100_000
  const [syncCount, pageCount] = stage.isQuick ? [60, 150] : [100, 1_000]
  const place = await stage.place()
  const first = await place.start()
  const matrix = await MatrixClient.to(first.baseUrl)
  const user = await matrix.register()
  const rooms = await times(roomCount, () => matrix.createRoom(user))
  const long = await matrix.createRoom(await matrix.register())
  const reader = await matrix.register()
  await matrix.request('POST', `/v3/join/${long}`, reader.token, {})
  await matrix.request('PUT', `/v3/rooms/${long}/send/m.room.message/1`, reader.token, {
    msgtype: 'm.text',
    body: 'Once upon a time',
  })
  matrix.close()
  await first.stop()
  const longId = decodeURIComponent(long)
  const ids = rooms.map(room => decodeURIComponent(room))
  await place.withDatabase(db => multiplyEvents(db, longId, eventCount))
  // By turns, as everywhere; on PGlite only one of them can have the database at a time.
  const turns: { here: Readings; ceiling: Readings }[] = []
  for (let turn = 0; turn < (stage.isQuick ? 1 : 3); turn++) {
    const ceiling = await place.withDatabase(async db => ({
      pages: await timesOf(pageCount, () => readLast(db, [longId], 100)),
      syncs: await timesOf(syncCount, () => readLast(db, ids, 20)),
    }))
    const server = await place.start()
    const ask = async (path: string, token: string, count: number) => {
      const connection = await Connection.open(server.baseUrl)
      const took = await timesOf(count, async () => {
        const answer = await connection.exchange({ method: 'GET', path, token })
        if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${answer.body}`)
      })
      connection.close()
      return took
    }
    const v3 = '/_matrix/client/v3'
    const syncs = await ask(`${v3}/sync`, user.token, syncCount)
    const pages = await ask(`${v3}/rooms/${long}/messages?dir=b&limit=100`, reader.token, pageCount)
    turns.push({ here: { syncs, pages }, ceiling })
    await server.stop()
  }
  const row = (what: string, of: keyof Readings): Row => {
    const p50s = turns.map(({ here, ceiling }) => {
      const p50Ms = quantile(warmOf(here[of]), 0.5)
      const ceilingMs = quantile(warmOf(ceiling[of]), 0.5)
      return { p50Ms, ceilingMs, ratio: ceilingMs / p50Ms }
    })
    const ratio = median(p50s.map(turn => turn.ratio))
    const { p50Ms, ceilingMs } = p50s.find(turn => turn.ratio === ratio) ?? {
      p50Ms: Number.NaN,
      ceilingMs: Number.NaN,
    }
    const warm = turns.flatMap(({ here }) => warmOf(here[of]))
    const firstMs = median(turns.map(({ here }) => here[of][0] ?? Number.NaN))
    return {
      what,
      value: millis(p50Ms),
      ceiling: `${millis(ceilingMs)} (rows read)`,
      ratio,
      goal: '≥ 0.3',
      isMet: ratio >= 0.3,
      latency: `${percentiles({ p50Ms, p99Ms: quantile(warm, 0.99) })}, first of all ${millis(firstMs)}`,
    }
  }
  return [
    row(`initial /sync, ${roomCount} rooms`, 'syncs'),
    row(`/messages, 100 of ${eventCount.toLocaleString('en')} events`, 'pages'),
  ]
}

/** How long each took, in ms, the first one first. */
interface Readings {
  syncs: number[]
  pages: number[]
}

/** Without the first half, in which node compiles: on both sides, or the colder one looks worse. */
const warmOf = (took: readonly number[]) => took.slice(took.length / 2)

const rest = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

async function timesOf(count: number, run: () => Promise<void>): Promise<number[]> {
  const all: number[] = []
  for (let i = 0; i < count; i++) all.push(await timeOf(run))
  return all
}
