/** Rows that are requests by the second: sending, scheduling, restarting. */
import { heartbeats, heartbeatsPerSecond, startAmong } from './heartbeats.ts'
import type { Job, Measured } from './load.ts'
import { MatrixClient, times, type User } from './matrix-client.ts'
import { startCeiling } from './processes.ts'
import { median, millis, percentiles, type Row, rate, type Stage } from './stage.ts'

const connections = 32
const v3 = '/_matrix/client/v3'
const message = JSON.stringify({ msgtype: 'm.text', body: 'The quick brown fox, number {n}' })

type Request = Pick<Job, 'method' | 'path' | 'body' | 'targets' | 'tokens'>

async function measure(
  stage: Stage,
  baseUrl: string,
  request: Request,
  { rate, durationMs = stage.durationMs }: { rate?: number; durationMs?: number } = {},
): Promise<Measured> {
  const job: Job = { baseUrl, connections, durationMs, rate, ...request }
  const measured = await stage.load.run(job)
  if (measured.errors > 0) throw new Error(`${measured.errors} errors: ${measured.firstError}`)
  return measured
}

/** The most that goes through here and there, by turns. */
async function byTurns(stage: Stage, here: [string, Request], there: [string, Request]) {
  const turns: { here: number; there: number }[] = []
  const durationMs = stage.durationMs / stage.turns
  for (let turn = 0; turn < stage.turns; turn++) {
    const { perSecond } = await measure(stage, ...here, { durationMs })
    turns.push({
      here: perSecond,
      there: (await measure(stage, ...there, { durationMs })).perSecond,
    })
  }
  return {
    most: median(turns.map(turn => turn.here)),
    ceiling: median(turns.map(turn => turn.there)),
    ratio: median(turns.map(turn => turn.here / turn.there)),
  }
}

/** The most that goes through, by turns with the ceiling, and the latency at half of that. */
async function requestRow(
  stage: Stage,
  baseUrl: string,
  row: {
    what: string
    request: Request
    ceiling: Request
    goal: number
    p99Ms: number
    at?: number
  },
): Promise<Row> {
  const { baseUrl: ceilingUrl } = await stage.ceiling()
  await measure(stage, ceilingUrl, row.ceiling, { durationMs: stage.warmUpMs })
  await measure(stage, baseUrl, row.request, { durationMs: stage.warmUpMs })
  const { most, ceiling, ratio } = await byTurns(
    stage,
    [baseUrl, row.request],
    [ceilingUrl, row.ceiling],
  )
  const at = { rate: row.at ?? most / 2 }
  const steady = await measure(stage, baseUrl, row.request, at)
  const steadyThere = await measure(stage, ceilingUrl, row.ceiling, at)
  return {
    what: row.what,
    value: rate(most),
    ceiling: rate(ceiling),
    ratio,
    goal: `≥ ${row.goal}, p99 < ${row.p99Ms} ms at ${row.at === undefined ? 'half of it' : rate(row.at)}`,
    isMet: ratio >= row.goal && steady.p99Ms < row.p99Ms,
    latency: `${percentiles(steady)} (ceiling: p99 ${millis(steadyThere.p99Ms)})`,
  }
}

/** `count` rooms, with some users in turn in each. */
async function makeRooms(matrix: MatrixClient, users: readonly User[], count: number) {
  return times(count, async i => {
    const user = users[i % users.length] as User
    return { roomId: await matrix.createRoom(user), token: user.token }
  })
}

export async function sendRows(stage: Stage): Promise<Row[]> {
  const server = await stage.server()
  const matrix = await MatrixClient.to(server.baseUrl)
  const users = await times(10, () => matrix.register())
  const rows: Row[] = []
  for (const count of [1, 100]) {
    const rooms = await makeRooms(matrix, users, count)
    const request = {
      method: 'PUT',
      path: `${v3}/rooms/{target}/send/m.room.message/{n}`,
      body: message,
      targets: rooms.map(room => room.roomId),
      tokens: rooms.map(room => room.token),
    }
    rows.push(
      await requestRow(stage, server.baseUrl, {
        what: `PUT /send, ${connections} clients, ${count} room${count === 1 ? '' : 's'}`,
        request,
        ceiling: request,
        goal: stage.engine === 'postgres' ? 0.35 : 0.25,
        p99Ms: 50,
      }),
    )
  }
  matrix.close()
  return rows
}

export async function scheduleRow(stage: Stage): Promise<Row> {
  const server = await stage.server()
  const matrix = await MatrixClient.to(server.baseUrl)
  const users = await times(10, () => matrix.register())
  const rooms = await makeRooms(matrix, users, 10)
  const request = {
    method: 'PUT',
    path: `${v3}/rooms/{target}/send/m.room.message/{n}?org.matrix.msc4140.delay=3600000`,
    body: message,
    targets: rooms.map(room => room.roomId),
    tokens: rooms.map(room => room.token),
  }
  const row = await requestRow(stage, server.baseUrl, {
    what: 'schedule a delayed event',
    request,
    ceiling: request,
    goal: 0.35,
    p99Ms: 50,
  })
  matrix.close()
  return row
}

/** No goal, but what the ceiling would be if its requests were made as ours are (decision 80). */
export async function expressRow(stage: Stage): Promise<Row> {
  const request = {
    method: 'PUT',
    path: `${v3}/rooms/{target}/send/m.room.message/{n}`,
    body: message,
    targets: ['!room'],
    tokens: [null],
  }
  const { baseUrl } = await stage.ceiling()
  const asOurs = await startCeiling('--messages')
  for (const url of [asOurs.baseUrl, baseUrl]) {
    await measure(stage, url, request, { durationMs: stage.warmUpMs })
  }
  const { most, ceiling, ratio } = await byTurns(
    stage,
    [asOurs.baseUrl, request],
    [baseUrl, request],
  )
  await asOurs.stop()
  return {
    what: 'the ceiling itself, if its requests were made as ours are',
    value: rate(most),
    ceiling: rate(ceiling),
    ratio,
    goal: '',
    isMet: undefined,
  }
}

export async function restartRow(stage: Stage, outstanding: number): Promise<Row> {
  const { server } = await startAmong(stage, outstanding)
  const request = heartbeats(outstanding)
  const row = await requestRow(stage, server.baseUrl, {
    what: `restart, ${outstanding.toLocaleString('en')} outstanding`,
    request,
    ceiling: { ...request, path: '/delayed_events/{target}/restart' },
    goal: 0.5,
    p99Ms: 20,
    at: heartbeatsPerSecond,
  })
  await server.stop()
  return row
}
