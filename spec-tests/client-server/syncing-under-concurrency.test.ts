/**
 * "Nothing may be missed by /sync under concurrency, whatever order transactions commit in."
 * How orders are forced one by one is in server/stream/stream-clock.test.ts.
 */
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
beforeAll(async () => {
  // Enough for readers to look while writers write; else they would only ever see them finished.
  server = await startServer({ config: { database_connections: 24 } })
})
afterAll(() => server.stop())

const filter = JSON.stringify({ room: { timeline: { limit: 1000 } } })

/** What a reader has been shown of each room, in the order in which it came. */
type Seen = Map<string, string[]>

/** Add an incremental answer. @returns the token for the next */
async function readOn(reader: Client, since: string, timeout: number, seen: Seen): Promise<string> {
  const { rooms, next_batch } = await reader.sync({ since, filter, timeout })
  for (const [room, { timeline, state }] of Object.entries(rooms.join ?? {})) {
    expect(timeline.limited).toBe(false)
    expect(state.events).toEqual([])
    const ids = timeline.events.map(event => event.event_id)
    seen.set(room, [...(seen.get(room) ?? []), ...ids])
  }
  return next_batch
}

async function readUntil(
  isDone: () => boolean,
  reader: Client,
  from: string,
  timeout: number,
): Promise<Seen> {
  const seen: Seen = new Map()
  let since = from
  // Looked at before reading, so that the last answer is later than the last event.
  for (let last = false; !last; ) {
    last = isDone()
    since = await readOn(reader, since, last ? 0 : timeout, seen)
  }
  return seen
}

/** A message, or state, which touches more of the room and takes longer. */
function write(writer: Client, room: string, number: number): Promise<string> {
  if (number % 3 !== 0) return writer.say(room, String(number))
  return writer.setState(room, 'org.example.state', `of ${writer.userId}`, { number })
}

test('several write in many rooms at once, and a reader misses nothing of it', async () => {
  const writers = await Promise.all(['alice', 'bob', 'charlie'].map(name => server.user(name)))
  const [alice] = writers
  if (!alice) throw new Error('there are three')
  const dave = await server.user('dave')
  const body = { preset: 'public_chat', power_level_content_override: { state_default: 0 } }
  const rooms = await Promise.all([1, 2, 3, 4, 5].map(() => alice.createRoom(body)))
  // A room that is only there to wake who still waits when all has been written.
  const bell = await alice.createRoom(body)
  for (const room of [...rooms, bell]) {
    for (const user of [...writers.slice(1), dave]) await user.join(room)
  }
  const second = dave.sibling()
  await second.login()
  // Both readers begin before the first write.
  const { next_batch: from } = await dave.sync({ filter })
  await second.sync({ filter, since: from })

  let isDone = false
  const readers = [
    readUntil(() => isDone, dave, from, 0),
    // It waits each time, so that wake-ups count: a lost one would leave it waiting for ever.
    readUntil(() => isDone, second, from, 600_000),
  ]

  const sent = new Map<string, string[]>(rooms.map(room => [room, []]))
  const lanes = rooms.flatMap(room => writers.map(writer => ({ room, writer })))
  // Each at its own pace, so that many transactions are open at every moment, each at another step.
  await Promise.all(
    lanes.map(async ({ room, writer }, lane) => {
      for (let count = 1; count <= 8; count++) {
        sent.get(room)?.push(await write(writer, room, lane + count))
      }
    }),
  )
  isDone = true
  await alice.say(bell, 'done')

  const shown = await Promise.all(readers)
  for (const room of rooms) {
    const { chunk } = await dave.messages(room, { dir: 'f', from, limit: 1000 })
    const inOrder = chunk.map(event => event.event_id)
    expect([...inOrder].sort()).toEqual([...(sent.get(room) ?? [])].sort())
    for (const seen of shown) expect(seen.get(room)).toEqual(inOrder)
  }
})

test('rooms that are made, joined and left meanwhile are each told once', async () => {
  const alice = await server.user('alice')
  const bob = await server.user('bob')
  const { next_batch: from } = await bob.sync()

  let isDone = false
  const told: Record<string, string[]> = {}
  const read = async () => {
    let since = from
    for (let last = false; !last; ) {
      last = isDone
      const { rooms, next_batch } = await bob.sync({ since, filter })
      for (const section of ['invite', 'join', 'leave'] as const) {
        for (const room of Object.keys(rooms[section] ?? {})) {
          told[room] = [...(told[room] ?? []), section]
        }
      }
      since = next_batch
    }
  }
  const reading = read()
  const expected: Record<string, string> = {}
  await Promise.all(
    Array.from({ length: 8 }, async (_, index) => {
      const room = await alice.createRoom({ preset: 'private_chat', invite: [bob.userId] })
      expected[room] = index % 2 === 0 ? 'join' : 'leave'
      if (index % 2 === 0) await bob.join(room)
      else await bob.leave(room)
    }),
  )
  isDone = true
  await reading

  expect(Object.keys(told).sort()).toEqual(Object.keys(expected).sort())
  for (const [room, sections] of Object.entries(told)) {
    // The invite may have been over before it was read; what came of it may not be missed.
    expect(sections.filter(section => section !== 'invite')).toEqual([expected[room]])
    expect(sections.at(-1)).toBe(expected[room])
    expect(sections.length).toBeLessThanOrEqual(2)
  }
})
