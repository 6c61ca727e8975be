/**
 * Ratios for a test to hold against those that were recorded: processor time of a request at the
 * ceiling over processor time of a request here. Both servers are asked by turns, one request here and
 * a few there, so that a machine that is busy makes both slower and the ratio no different; and what
 * seems to have fallen is measured again.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { Connection, type Exchange } from './http-client.ts'
import { MatrixClient, type User } from './matrix-client.ts'
import { processorMs, type Started } from './processes.ts'
import type { Engine, Stage } from './stage.ts'
import { quantile } from './timer-rows.ts'

export type Ratios = Record<string, number>

const file = fileURLToPath(new URL('../../../scripts/bench/ratios.json', import.meta.url))
const warmUps = 100
const turns = 5
const requestsATurn = 20
/** Of the ceiling's requests, which are short, so many to one of ours. */
const ceilingRequests = 3
const attempts = 3
/** A ratio may fall by a third before it counts as fallen. */
const tolerated = 2 / 3

const v3 = '/_matrix/client/v3'
const body = JSON.stringify({ msgtype: 'm.text', body: 'The quick brown fox' })
/** What everything is compared with: a request whose body is read, and that is answered. */
const plain: Exchange = { method: 'PUT', path: `${v3}/rooms/a/send/m.room.message/b`, body }

/** @param isEnough whether a ratio need not be measured again */
export async function measureRatios(
  stage: Stage,
  isEnough: (name: string, ratio: number) => boolean = () => true,
): Promise<Ratios> {
  const place = await stage.place()
  const server = await place.start()
  const ceiling = await stage.ceiling()
  const here = await Connection.open(server.baseUrl)
  const there = await Connection.open(ceiling.baseUrl)
  const ratios: Ratios = {}
  for (const [name, request] of Object.entries(await requests(server, here))) {
    const both = async () => {
      await request()
      for (let i = 0; i < ceilingRequests; i++) await there.exchange(plain)
    }
    for (let i = 0; i < warmUps; i++) await both()
    let ratio = 0
    for (let i = 0; i < attempts && (i === 0 || !isEnough(name, ratio)); i++) {
      const measured: number[] = []
      for (let turn = 0; turn < turns; turn++) measured.push(await turnOf(both, server, ceiling))
      ratio = Math.max(ratio, quantile(measured, 0.5))
    }
    ratios[name] = ratio
  }
  here.close()
  there.close()
  await server.stop()
  return ratios
}

/** The ratio of one turn. */
async function turnOf(
  both: () => Promise<void>,
  server: Started,
  ceiling: Started,
): Promise<number> {
  const clocks = async () => Promise.all([server, ceiling].map(({ pid }) => processorMs(pid)))
  const [here = 0, there = 0] = await clocks()
  for (let i = 0; i < requestsATurn; i++) await both()
  const [hereAfter = 0, thereAfter = 0] = await clocks()
  return (thereAfter - there) / ceilingRequests / (hereAfter - here)
}

/** One request of each kind that the table has a row for. */
async function requests(
  server: Started,
  connection: Connection,
): Promise<Record<string, () => Promise<unknown>>> {
  const matrix = await MatrixClient.to(server.baseUrl, 2)
  const user = await matrix.register()
  const roomId = await matrix.createRoom(user)
  const inRooms = await matrix.register()
  for (let i = 0; i < 20; i++) await matrix.createRoom(inRooms)
  const ask = async (method: string, path: string, { token }: User = user) => {
    const exchange = { method, path, token, body: method === 'GET' ? '' : body }
    const answer = await connection.exchange(exchange)
    if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`)
    return JSON.parse(answer.body)
  }
  let n = 0
  const send = (query = '') => {
    n += 1
    return ask('PUT', `${v3}/rooms/${roomId}/send/m.room.message/${n}${query}`)
  }
  const delay = '?org.matrix.msc4140.delay=3600000'
  const { delay_id: delayId } = await send(delay)
  const restart = `/_matrix/client/unstable/org.matrix.msc4140/delayed_events/${delayId}/restart`
  let { next_batch: since } = await ask('GET', `${v3}/sync`)
  return {
    send: () => send(),
    schedule: () => send(delay),
    restart: () => ask('POST', restart),
    wake: async () => {
      const waiting = matrix.request('GET', `/v3/sync?timeout=30000&since=${since}`, user.token)
      await send()
      since = (await waiting).next_batch
    },
    sync: () => ask('GET', `${v3}/sync`, inRooms),
    messages: () => ask('GET', `${v3}/rooms/${roomId}/messages?dir=b&limit=100`),
  }
}

/** By the version of Node: a newer one makes the ceiling cheaper than it makes us. */
type Recorded = Record<string, Partial<Record<Engine, Ratios>>>

async function recorded(): Promise<Recorded> {
  return JSON.parse(await readFile(file, 'utf8')) as Recorded
}

const nodeVersion = process.versions.node.split('.')[0] ?? ''

/** With this Node, or the newest before it. */
function newestOf(all: Recorded, engine: Engine): Ratios {
  const versions = Object.keys(all).filter(version => Number(version) <= Number(nodeVersion))
  const newest = versions.sort((a, b) => Number(a) - Number(b)).at(-1) ?? ''
  return all[newest]?.[engine] ?? {}
}

export async function recordRatios(engine: Engine, ratios: Ratios): Promise<void> {
  const rounded = Object.entries(ratios).map(([name, ratio]) => [name, Number(ratio.toFixed(3))])
  const all = await recorded()
  all[nodeVersion] = { ...all[nodeVersion], [engine]: Object.fromEntries(rounded) }
  await writeFile(file, `${JSON.stringify(all, null, 2)}\n`)
}

/** Measure anew. @returns for each ratio what it is and what it was; and whether one has fallen */
export async function compareRatios(
  stage: Stage,
): Promise<{ lines: string[]; hasFallen: boolean }> {
  const before = newestOf(await recorded(), stage.engine)
  const isEnough = (name: string, ratio: number) => ratio >= (before[name] ?? 0) * tolerated
  const ratios = await measureRatios(stage, isEnough)
  const lines = Object.entries(ratios).map(([name, ratio]) => {
    const was = before[name]?.toFixed(3) ?? 'not recorded'
    const note = isEnough(name, ratio) ? '' : '  FALLEN'
    return `${name}: ${ratio.toFixed(3)} of the ceiling; recorded: ${was}${note}`
  })
  const hasFallen = Object.entries(ratios).some(([name, ratio]) => !isEnough(name, ratio))
  return { lines, hasFallen }
}
