import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject, WireEvent } from '../support/wire.ts'

let server: TestServer
let alice: Client
let room: string
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
})
beforeEach(async () => {
  room = await alice.createRoom()
})
afterEach(async () => {
  for (const { delay_id } of await alice.scheduled()) await alice.manage(delay_id, 'cancel')
})
afterAll(() => server.stop())

async function latest(limit: number): Promise<WireEvent[]> {
  const query = { dir: 'b', limit }
  return (await alice.ok('GET', alice.roomPath(room, 'messages'), { query })).chunk.reverse()
}

const numbers = (events: (WireEvent | JsonObject)[]) => events.map(event => event.content.n)

describe('a restart of the server', () => {
  test('changes nothing about what is scheduled', async () => {
    await alice.delay(room, 60_000, 'm.test', { n: 1 })
    await alice.delayState(room, 30_000, 'm.test', 'k', { n: 2 })
    await server.advance(1_000)
    const before = await alice.scheduled()
    expect(before).toHaveLength(2)
    await server.restart()
    expect(await alice.scheduled()).toEqual(before)
  })

  test('what fell due meanwhile is there, in order, when the server first answers', async () => {
    const startedAt = server.now()
    await alice.delay(room, 5_000, 'm.test', { n: 4 })
    await alice.delay(room, 1_000, 'm.test', { n: 1 })
    await alice.delayState(room, 3_000, 'm.test', '', { n: 2 })
    await alice.delay(room, 3_000, 'm.test', { n: 3 })
    await alice.delay(room, 10_000, 'm.test', { n: 5 })
    await alice.delay(room, 10_001, 'm.test', { n: 6 })
    await server.restart(10_000)
    const events = await latest(5)
    expect(numbers(events)).toEqual([1, 2, 3, 4, 5])
    expect(numbers(await alice.scheduled())).toEqual([6])
    // The time when they were sent, not the time when they should have been.
    for (const event of events) expect(event.origin_server_ts).toBe(startedAt + 10_000)
  })

  test('what is not due yet keeps its deadline', async () => {
    await alice.delay(room, 10_000, 'm.test', { n: 1 })
    await server.advance(2_000)
    await server.restart(7_999)
    expect(numbers(await alice.scheduled())).toEqual([1])
    await server.advance(1)
    expect(numbers(await latest(1))).toEqual([1])
  })

  test('a deadline that was moved by a restart of the delayed event stays moved', async () => {
    const delayId = await alice.delay(room, 10_000, 'm.test', { n: 1 })
    await server.advance(9_000)
    await alice.manage(delayId, 'restart')
    await server.restart(9_999)
    expect(numbers(await alice.scheduled())).toEqual([1])
    await server.advance(1)
    expect(numbers(await latest(1))).toEqual([1])
  })

  test('what is over stays over: nothing is sent a second time', async () => {
    const cancelled = await alice.delay(room, 1_000, 'm.test', { n: 1 })
    const sent = await alice.delay(room, 1_000, 'm.test', { n: 2 })
    await alice.delay(room, 1_000, 'm.test', { n: 3 })
    await alice.manage(cancelled, 'cancel')
    await alice.manage(sent, 'send')
    await server.advance(1_000)
    const before = await latest(10)
    const finalised = await alice.finalised()
    expect(numbers(before).slice(-2)).toEqual([2, 3])
    await server.restart(5_000)
    await server.restart(5_000)
    expect((await latest(10)).map(event => event.event_id)).toEqual(
      before.map(event => event.event_id),
    )
    expect(await alice.finalised()).toEqual(finalised)
  })

  test('what is refused when it is sent at the start fails alone', async () => {
    const bob = await server.user('bob')
    await bob.delay(room, 1_000, 'm.test', { n: 1 })
    await alice.delay(room, 2_000, 'm.test', { n: 2 })
    await server.restart(3_000)
    expect(numbers(await latest(1))).toEqual([2])
    expect((await bob.finalised())[0]?.error?.errcode).toBe('M_FORBIDDEN')
  })

  test('more than a batch of overdue events is sent, in order', async () => {
    const bob = await server.user('bob')
    await alice.invite(room, bob.userId)
    await bob.join(room)
    const expected = Array.from({ length: 130 }, (_, n) => n)
    for (const n of expected) await (n < 70 ? alice : bob).delay(room, 100_000 + n, 'm.test', { n })
    await server.restart(200_000)
    expect(numbers(await latest(130))).toEqual(expected)
    expect([...(await alice.scheduled()), ...(await bob.scheduled())]).toEqual([])
  })

  test('a client that was syncing finds the event after its old token', async () => {
    const { next_batch: since } = await alice.sync()
    await alice.delay(room, 1_000, 'm.test', { n: 1 })
    await server.restart(5_000)
    const response = await alice.sync({ since })
    expect(numbers(response.rooms.join?.[room]?.timeline.events ?? [])).toEqual([1])
  })
})
