import { type Client, delayedEvents } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'

const hour = 3_600_000
const day = 24 * hour
const sevenDays = 7 * day

let server: TestServer
let alice: Client
let room: string
afterEach(() => server.stop())

async function start(delayed_events = {}, more = {}): Promise<void> {
  server = await startServer({ config: { delayed_events, ...more } })
  alice = await server.user('alice')
  room = await alice.createRoom()
}

/** Schedule and cancel. @returns its id */
async function finalise(client = alice, where = room): Promise<string> {
  const delayId = await client.delay(where, hour, 'm.test', {})
  await client.manage(delayId, 'cancel')
  return delayId
}

const status = async (delayId: string) =>
  (await alice.request('GET', `${delayedEvents}/${delayId}`)).status

/** The ids of all pages of what is over. */
async function listed(client = alice): Promise<string[]> {
  const ids: string[] = []
  let from: string | undefined
  do {
    const query = { status: 'finalised', from }
    const { finalised, next_batch } = await client.ok('GET', delayedEvents, { query })
    for (const { delayed_event } of finalised) ids.push(delayed_event.delay_id)
    from = next_batch
  } while (from !== undefined)
  return ids
}

test('what is over is kept for seven days, and then forgotten', async () => {
  await start()
  const old = await finalise()
  const sent = await alice.delay(room, hour, 'm.test', { body: 'stays' })
  const waiting = await alice.delay(room, day, 'm.test', {})
  await server.advance(hour)
  await server.restart(sevenDays - 2 * hour)
  expect(await listed()).toEqual([waiting, sent, old])
  expect((await alice.manage(old, 'cancel')).status).toBe(200)

  await server.advance(3 * hour)
  expect(await status(old)).toBe(404)
  expect((await alice.manage(old, 'cancel')).status).toBe(404)
  expect(await listed()).toEqual([waiting])
  // The event is not the record of its delay.
  const { chunk } = await alice.messages(room, { dir: 'b' })
  expect(chunk.find(({ content }) => content.body === 'stays')?.unsigned?.delay_id).toBe(sent)
})

test('what is scheduled is never forgotten, however long it waits', async () => {
  await start({ finalised_kept_per_user: 1, finalised_kept_ms: 1 })
  const ids = [
    await alice.delay(room, day, 'm.test', {}),
    await alice.delay(room, day, 'm.test', {}),
  ]
  await server.advance(3 * hour)
  expect((await alice.scheduled()).map(item => item.delay_id)).toEqual(ids)
})

test('a user keeps the latest of them, another user has a number of their own', async () => {
  await start({ finalised_kept_per_user: 3 })
  const bob = await server.user('bob')
  const bobsRoom = await bob.createRoom()
  const bobs = [await finalise(bob, bobsRoom), await finalise(bob, bobsRoom)]
  const ids: string[] = []
  for (let i = 0; i < 5; i++) {
    ids.unshift(await finalise())
    if (i % 2 === 0) await server.advance(1)
  }
  const waiting = await alice.delay(room, day, 'm.test', {})
  await server.advance(hour)
  expect(await listed()).toEqual(ids.slice(0, 3))
  expect(await listed(bob)).toEqual(bobs.reverse())
  expect(await status(waiting)).toBe(200)

  // Also those that come between two looks.
  ids.unshift(await finalise(), await finalise())
  await server.advance(2 * hour)
  expect(new Set(await listed())).toEqual(new Set(ids.slice(0, 3)))
})

test('the first look after a start finds what was left over', async () => {
  await start({ finalised_kept_per_user: 3 })
  const ids: string[] = []
  for (let i = 0; i < 5; i++) ids.unshift(await finalise())
  await server.restart(day)
  await server.advance(2 * 60_000)
  expect(await listed()).toEqual(ids.slice(0, 3))
})

test('more than a batch is removed in one go', async () => {
  await start(
    { max_scheduled_per_user: 130, finalised_kept_per_user: 1 },
    { transaction_ids_kept_ms: hour },
  )
  await Promise.all(Array.from({ length: 130 }, () => alice.delay(room, day, 'm.test', {})))
  const ids = (await alice.scheduled()).map(item => String(item.delay_id))
  await Promise.all(ids.map(id => alice.manage(id, 'cancel')))
  const before = await server.rowCounts()
  expect([before.delayed_events, before.transaction_ids]).toEqual([130, 130])
  await server.advance(3 * hour)
  const after = await server.rowCounts()
  expect([after.delayed_events, after.transaction_ids]).toEqual([1, 0])
})

const say = (txnId: string) =>
  alice.ok('PUT', alice.roomPath(room, 'send', 'm.test', txnId), { body: {} })

test('a request is repeated without effect for a while, and its id is free after that', async () => {
  await start({}, { transaction_ids_kept_ms: 3 * hour })
  const { event_id } = await say('x')
  await server.advance(2 * hour)
  expect(await say('x')).toEqual({ event_id })
  await server.advance(3 * hour)
  expect((await say('x')).event_id).not.toBe(event_id)
  expect((await server.rowCounts()).transaction_ids).toBe(1)
})

test('0 sets no limit', async () => {
  await start({ finalised_kept_ms: 0, finalised_kept_per_user: 0 }, { transaction_ids_kept_ms: 0 })
  const ids: string[] = []
  for (let i = 0; i < 3; i++) ids.unshift(await finalise())
  const { event_id } = await say('x')
  await server.restart(5 * sevenDays)
  await server.advance(2 * hour)
  expect(await listed()).toEqual(ids)
  expect(await say('x')).toEqual({ event_id })
})
