/** Rows about time: how late an idle server fires, and how fast a storm of leaves goes through. */
import { insertInBulk } from '../../db/testing/behind-the-curtain.ts'
import { type Json, MatrixClient, times, type User } from './matrix-client.ts'
import { median, millis, type Row, rate, type Stage, timeOf } from './stage.ts'

interface WireEvent {
  type: string
  origin_server_ts: number
  content: { due?: number; n?: number }
}

interface LookedUp {
  delayed_since_ts: number
  delay_ms: number
  finalised_ts: number
  event_id?: string
}

/** All of these types' events of a room, oldest first. */
async function messages(matrix: MatrixClient, user: User, roomId: string): Promise<WireEvent[]> {
  const filter = encodeURIComponent(JSON.stringify({ types: ['m.leave'] }))
  const events: WireEvent[] = []
  let from = ''
  for (;;) {
    const page = await matrix.request<{ chunk: WireEvent[]; end?: string }>(
      'GET',
      `/v3/rooms/${roomId}/messages?dir=f&limit=1000&filter=${filter}${from}`,
      user.token,
    )
    events.push(...page.chunk)
    if (page.end === undefined || page.chunk.length === 0) return events
    from = `&from=${page.end}`
  }
}

export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN
}

const warmUps = 5

/**
 * One delayed event at a time, on a server with nothing else to do. When each was due, and when it
 * was sent, the server says itself when it is looked up. From then on another request, a `/sync` that
 * was waiting, tells when a client had it.
 */
export function idleFireRow(stage: Stage): Promise<Row> {
  return fireRow(stage, 'fire, idle: lateness', stage.isQuick ? 40 : 300, i => 20 + ((i * 7) % 30))
}

/** The same, of a server that had nothing to do for longer than connections and caches stay warm. */
export function restedFireRow(stage: Stage): Promise<Row> {
  return fireRow(stage, 'fire, after 12 s of rest: lateness', stage.isQuick ? 2 : 10, () => 12_000)
}

async function fireRow(
  stage: Stage,
  what: string,
  rounds: number,
  delayOf: (round: number) => number,
): Promise<Row> {
  const server = await stage.server()
  const matrix = await MatrixClient.to(server.baseUrl, 2)
  const user = await matrix.register()
  const roomId = await matrix.createRoom(user)
  const late: number[] = []
  const seenLate: number[] = []
  let { next_batch: since } = await matrix.request('GET', '/v3/sync', user.token)
  for (let i = 0; i < warmUps + rounds; i++) {
    const delayMs = i < warmUps ? 20 : delayOf(i)
    const query = `org.matrix.msc4140.delay=${delayMs}`
    const path = `/v3/rooms/${roomId}/send/m.leave/${i}?${query}`
    const scheduled = await matrix.request<{ delay_id: string }>('PUT', path, user.token, {})
    const sync = `/v3/sync?since=${since}&timeout=${delayMs + 5_000}`
    const answer = await matrix.request<Json>('GET', sync, user.token)
    const seenAt = Date.now()
    since = answer.next_batch
    const lookUp = `/v1/delayed_events/${scheduled.delay_id}`
    const found = await matrix.request<LookedUp>('GET', lookUp, user.token)
    if (found.event_id === undefined) throw new Error('a delayed event was not sent within 5 s')
    if (i < warmUps) continue
    const dueAt = found.delayed_since_ts + found.delay_ms
    late.push(found.finalised_ts - dueAt)
    seenLate.push(seenAt - dueAt)
  }
  matrix.close()
  const early = late.filter(ms => ms < 0).length
  const [p50, p99] = [quantile(late, 0.5), quantile(late, 0.99)]
  const [seenP50, seenP99] = [quantile(seenLate, 0.5), quantile(seenLate, 0.99)]
  return {
    what,
    value: `p50 ${millis(p50)}, p99 ${millis(p99)}`,
    ceiling: 'the deadline',
    goal: 'p50 < 5 ms, p99 < 20 ms, never early',
    isMet: p50 < 5 && p99 < 20 && early === 0,
    latency: `${early} early; in a client's hands p50 ${millis(seenP50)}, p99 ${millis(seenP99)}`,
  }
}

interface Storm {
  sent: number
  isOrdered: boolean
  tookMs: number
  ceilingMs: number
}

/** Everybody's switch fires at once: `count` delayed events due at one moment in `rooms` rooms. */
export async function stormRow(stage: Stage, count: number, rooms: number): Promise<Row> {
  const storms: Storm[] = []
  for (let i = 0; i < (stage.isQuick ? 1 : 3); i++) storms.push(await storm(stage, count, rooms))
  const ratioOf = ({ ceilingMs, tookMs }: Storm) => ceilingMs / tookMs
  const ratio = median(storms.map(ratioOf))
  const { sent, tookMs, ceilingMs } = storms.find(one => ratioOf(one) === ratio) as Storm
  return {
    what: `leave storm, ${count.toLocaleString('en')} due at once in ${rooms.toLocaleString('en')} room${rooms === 1 ? '' : 's'}`,
    value: rate((count / tookMs) * 1000),
    ceiling: rate((count / ceilingMs) * 1000),
    ratio,
    goal: `≥ 0.2, exactly ${count.toLocaleString('en')}, in order`,
    isMet: ratio >= 0.2 && storms.every(one => one.sent === count && one.isOrdered),
    latency: `${sent.toLocaleString('en')} sent, last after ${millis(tookMs)}`,
  }
}

async function storm(stage: Stage, count: number, rooms: number): Promise<Storm> {
  const place = await stage.place()
  const server = await place.start()
  const matrix = await MatrixClient.to(server.baseUrl, 32)
  const users = await times(10, () => matrix.register())
  const all = await times(rooms, async i => {
    const user = users[i % users.length] as User
    return { user, roomId: await matrix.createRoom(user) }
  })
  // As long as scheduling takes, and some more.
  const dueAt = Date.now() + 1_000 + count
  await times(
    count,
    i => {
      const { user, roomId } = all[i % rooms] as (typeof all)[number]
      const query = `org.matrix.msc4140.delay=${dueAt - Date.now()}`
      const path = `/v3/rooms/${roomId}/send/m.leave/${i}?${query}`
      return matrix.request('PUT', path, user.token, { n: i })
    },
    32,
  )
  if (Date.now() >= dueAt) throw new Error('scheduling took too long for this machine')
  await new Promise(resolve => setTimeout(resolve, dueAt - Date.now()))
  while ((await scheduledAt(server.baseUrl)) > 0)
    await new Promise(resolve => setTimeout(resolve, 200))
  const sent = await times(rooms, i => {
    const { user, roomId } = all[i] as (typeof all)[number]
    return messages(matrix, user, roomId)
  })
  const events = sent.flat()
  const last = Math.max(...events.map(event => event.origin_server_ts))
  const tookMs = Math.max(1, last - dueAt)
  const isOrdered = sent.every(room =>
    room.every(
      (event, i) => i === 0 || event.origin_server_ts >= (room[i - 1]?.origin_server_ts ?? 0),
    ),
  )
  matrix.close()
  await server.stop()
  const ceilingMs = await place.withDatabase(db => timeOf(() => insertInBulk(db, count, 100)))
  return { sent: events.length, isOrdered, tookMs, ceilingMs }
}

/** By the gauge, which is quicker than the lists: asking is not what is to be measured. */
async function scheduledAt(baseUrl: string): Promise<number> {
  const metrics = await (await fetch(`${baseUrl}/metrics`)).text()
  return Number(/^hourglass_delayed_events_scheduled (\d+)$/m.exec(metrics)?.[1])
}
