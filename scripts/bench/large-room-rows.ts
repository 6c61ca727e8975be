/**
 * Rows about large rooms: what does not give more in a larger room does not take longer there. The
 * ceiling of each is the same in the smallest room.
 */
import {
  multiplyChanges,
  multiplyMembers,
  multiplyMessages,
  settleLargeRooms,
} from '../../db/testing/large-rooms.ts'
import { Connection } from './http-client.ts'
import { type Json, MatrixClient, type User } from './matrix-client.ts'
import { millis, type Row, type Stage } from './stage.ts'
import { quantile } from './timer-rows.ts'

interface LargeRoom {
  /** Percent-encoded. */
  id: string
  size: number
  /** In the room before it grew. */
  reader: User
  /** In this room and no other. */
  owner: User
  /** A message of the time after it grew. */
  eventId: string
  since: string
}

/** `changes`: of one piece of its state, such as who is in a call. */
export type Kind = 'members' | 'events' | 'changes'

const multiply = {
  members: multiplyMembers,
  events: multiplyMessages,
  changes: multiplyChanges,
}

export async function largeRoomRows(stage: Stage): Promise<Row[]> {
  const rows: Row[] = []
  for (const kind of ['members', 'events'] as const) rows.push(...(await rowsOf(stage, kind)))
  return rows
}

async function rowsOf(stage: Stage, kind: Kind): Promise<Row[]> {
  const sizes = largeRoomSizes(kind)
  const room = `room of ${sizes.map(thousands).join(' / ')} ${kind}`
  return (await largeRoomCosts(stage, kind)).map(({ what, tookMs }) =>
    rowOf(`${what}, ${room}`, tookMs),
  )
}

function largeRoomSizes(kind: Kind): number[] {
  const largest = kind === 'members' ? 10_000 : 100_000
  return [largest / 100, largest / 10, largest]
}

/** What requests take in rooms of these sizes: the median of each, in ms. */
export async function largeRoomCosts(
  stage: Stage,
  kind: Kind,
  sizes = largeRoomSizes(kind),
): Promise<{ what: string; tookMs: number[] }[]> {
  const place = await stage.place()
  const first = await place.start()
  const setting = await MatrixClient.to(first.baseUrl)
  const rooms: LargeRoom[] = []
  for (const size of sizes) rooms.push(await smallRoom(setting, size))
  setting.close()
  await first.stop()
  await place.withDatabase(async db => {
    for (const { id, size } of rooms) {
      await multiply[kind](db, decodeURIComponent(id), size)
    }
    await settleLargeRooms(db)
  })
  const server = await place.start()
  const matrix = await MatrixClient.to(server.baseUrl, 1)
  const connection = await Connection.open(server.baseUrl)
  for (const room of rooms) await warmUp(matrix, room)
  const costs: { what: string; tookMs: number[] }[] = []
  for (const [what, ask] of Object.entries(requests(matrix, connection))) {
    // A list of all members is as long as there are members.
    if (kind === 'members' && what === '/members') continue
    // No text is found among changes of state.
    if (kind === 'changes' && what.startsWith('/search')) continue
    const tookMs: number[] = []
    for (const room of rooms) {
      const times: number[] = []
      for (let i = 0; i < (stage.isQuick ? 9 : 25); i++) times.push(await ask(room, i))
      tookMs.push(quantile(times, 0.5))
    }
    costs.push({ what, tookMs })
  }
  connection.close()
  matrix.close()
  await server.stop()
  return costs
}

const thousands = (count: number) => count.toLocaleString('en')

async function smallRoom(matrix: MatrixClient, size: number): Promise<LargeRoom> {
  const owner = await matrix.register()
  const id = await matrix.createRoom(owner, { name: `Room of ${size}` })
  const reader = await matrix.register()
  await say(matrix, id, owner, 'the sand has run out', 'begin')
  await matrix.request('POST', `/v3/join/${id}`, reader.token, {})
  await attend(matrix, id, owner)
  await say(matrix, id, reader, 'the hourglass is turned', 'turn')
  return { id, size, reader, owner, eventId: '', since: '' }
}

function say(matrix: MatrixClient, id: string, user: User, body: string, txnId: string) {
  const path = `/v3/rooms/${id}/send/m.room.message/${txnId}`
  return matrix.request('PUT', path, user.token, { msgtype: 'm.text', body })
}

/** Somebody comes to a call. */
function attend(matrix: MatrixClient, id: string, user: User) {
  return matrix.request('PUT', `/v3/rooms/${id}/${inCall}`, user.token, { application: 'm.call' })
}
const inCall = 'state/org.matrix.msc3401.call.member/_call'

const lazy = encodeURIComponent(JSON.stringify({ room: { state: { lazy_load_members: true } } }))

async function warmUp(matrix: MatrixClient, room: LargeRoom): Promise<void> {
  room.eventId = String((await say(matrix, room.id, room.owner, 'it runs', 'warm')).event_id)
  const sync = `/v3/sync?filter=${lazy}`
  room.since = String((await matrix.request('GET', sync, room.reader.token)).next_batch)
}
const lazyPage = encodeURIComponent(JSON.stringify({ lazy_load_members: true }))

/** Each does one request in a room, and says how long it took, in ms. */
function requests(
  matrix: MatrixClient,
  connection: Connection,
): Record<string, (room: LargeRoom, i: number) => Promise<number>> {
  const time = async (method: string, path: string, token: string, body?: Json) => {
    const startedAt = performance.now()
    const answer = await connection.exchange({
      method,
      path: `/_matrix/client${path}`,
      token,
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    const took = performance.now() - startedAt
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${answer.body}`)
    return took
  }
  const search = (term: string) => ({
    search_categories: { room_events: { search_term: term, order_by: 'recent' } },
  })
  return {
    send: ({ id, owner }, i) =>
      time('PUT', `/v3/rooms/${id}/send/m.room.message/s${i}`, owner.token, {
        msgtype: 'm.text',
        body: `grain ${i}`,
      }),
    'change of state': ({ id, owner }, i) =>
      time('PUT', `/v3/rooms/${id}/${inCall}`, owner.token, { application: 'm.call', grain: i }),
    async join({ id }) {
      const { token } = await matrix.register()
      return time('POST', `/v3/join/${id}`, token, {})
    },
    'initial /sync, lazy': ({ reader }) => time('GET', `/v3/sync?filter=${lazy}`, reader.token),
    async '/sync of one message'(room, i) {
      const { id, reader, owner } = room
      const before = await matrix.request('GET', `/v3/sync?since=${room.since}`, reader.token)
      await say(matrix, id, owner, 'one more', `one${i}`)
      room.since = String(before.next_batch)
      return time('GET', `/v3/sync?since=${room.since}`, reader.token)
    },
    '/messages, 50': ({ id, reader }) =>
      time('GET', `/v3/rooms/${id}/messages?dir=b&limit=50&filter=${lazyPage}`, reader.token),
    '/context, 10': ({ id, reader, eventId }) =>
      time('GET', `/v3/rooms/${id}/context/${eventId}?limit=10&filter=${lazyPage}`, reader.token),
    '/search, many found': ({ reader }) =>
      time('POST', '/v3/search', reader.token, search('hourglass')),
    '/search, few found': ({ reader }) => time('POST', '/v3/search', reader.token, search('sand')),
    '/members': ({ id, reader }) => time('GET', `/v3/rooms/${id}/members`, reader.token),
    '/state of a key': ({ id, reader }) =>
      time('GET', `/v3/rooms/${id}/state/m.room.name`, reader.token),
    receipt: ({ id, reader, eventId }) =>
      time(
        'POST',
        `/v3/rooms/${id}/receipt/m.read/${encodeURIComponent(eventId)}`,
        reader.token,
        {},
      ),
  }
}

function rowOf(what: string, took: readonly number[]): Row {
  const [smallest = 0, largest = 0] = [took[0], took.at(-1)]
  const ratio = smallest / largest
  return {
    what,
    value: took.map(millis).join(' / '),
    ceiling: `${millis(smallest)} (smallest)`,
    ratio,
    goal: '≥ 0.5, or within 2 ms',
    isMet: ratio >= 0.5 || largest - smallest < 2,
  }
}
