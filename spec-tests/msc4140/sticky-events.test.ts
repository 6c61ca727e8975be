import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject, WireEvent } from '../support/wire.ts'

const unstable = 'org.matrix.msc4354.sticky_duration_ms'
const names = [unstable, 'sticky_duration_ms']
const minute = 60_000
const hour = 60 * minute

let server: TestServer
let alice: Client
let bob: Client
let room: string
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  bob = await server.user('bob')
  room = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(room)
})
afterAll(() => server.stop())

const delay = 'org.matrix.msc4140.delay'
const sendPath = () => alice.roomPath(room, 'send', 'm.test', alice.nextTransactionId())
const statePath = () => alice.roomPath(room, 'state', 'm.test', alice.nextTransactionId())
const futurePath = () =>
  `/_matrix/client/v3/rooms/${room}/state_future/m.test/${alice.nextTransactionId()}`
const newestPath = () => alice.roomPath(room, 'delayed_event', 'm.test', alice.nextTransactionId())

const put = (path: string, query: JsonObject, body: JsonObject = { n: 1 }) =>
  alice.request('PUT', path, { query, body })

async function latest(client = bob): Promise<WireEvent & JsonObject> {
  const [event] = (await client.messages(room, { dir: 'b', limit: 1 })).chunk
  if (!event) throw new Error('the room is empty')
  return event
}

/** Every way to send, at once or later, with the time that passes until it is sent. */
const ways: Record<string, (query: JsonObject) => Promise<unknown>> = {
  'PUT /send': query => put(sendPath(), query),
  'PUT /state': query => put(statePath(), query),
  'PUT /send with a delay': query => put(sendPath(), { ...query, [delay]: minute }),
  'PUT /state with a delay': query => put(statePath(), { ...query, [delay]: minute }),
  'PUT /send of an event that expires': query =>
    put(sendPath(), query, { n: 1, 'm.will_expire': 60 }),
  'PUT /send with a future_timeout': query =>
    put(sendPath(), { ...query, future_timeout: minute }, { n: 1 }),
  'PUT /state_future': query => put(futurePath(), { ...query, future_timeout: minute }),
  'PUT /send/{eventType}/{txnId}/future': query =>
    put(`${sendPath()}/future`, query, {
      'm.timeout': 60,
      'm.send_now': { n: 0 },
      'm.send_on_timeout': { n: 1 },
    }),
  'PUT /delayed_event': query => put(newestPath(), query, { delay_ms: minute, content: { n: 1 } }),
}

describe.each(names)('%s', name => {
  test.each(Object.keys(ways))('%s: the event is sticky from when it is sent', async way => {
    await ways[way]?.({ [name]: 5 * minute })
    if (/delay|future|expires/.test(way)) {
      await server.restart()
      await server.advance(minute)
    }
    for (const client of [alice, bob]) {
      const event = await latest(client)
      expect(event).toMatchObject({
        sticky: { duration_ms: 5 * minute },
        msc4354_sticky: { duration_ms: 5 * minute },
        content: { n: 1 },
        unsigned: {
          sticky_duration_remaining_ms: 5 * minute,
          msc4354_sticky_duration_ttl_ms: 5 * minute,
        },
      })
      const { chunk } = await client.messages(room, { dir: 'b', limit: 1 })
      expect(await client.event(room, event.event_id)).toEqual(chunk[0])
    }
  })

  test.each(['', '-1', '1.5', 'long', String(hour + 1)])(
    '"%s": 400 M_INVALID_PARAM',
    async value => {
      const before = await server.rowCounts()
      for (const path of [sendPath(), statePath(), newestPath()]) {
        const body = { delay_ms: minute, content: {} }
        const { status, body: refused } = await put(path, { [name]: value }, body)
        expect([status, refused.errcode]).toEqual([400, 'M_INVALID_PARAM'])
      }
      expect(await server.rowCounts()).toEqual(before)
    },
  )
})

test('two different durations: 400 M_INVALID_PARAM', async () => {
  const { status, body } = await put(sendPath(), { [unstable]: 1, sticky_duration_ms: 2 })
  expect([status, body.errcode]).toEqual([400, 'M_INVALID_PARAM'])
})

test.each([0, hour])('%d ms are allowed', async durationMs => {
  await put(sendPath(), { [unstable]: durationMs })
  expect((await latest()).msc4354_sticky).toEqual({ duration_ms: durationMs })
})

test('when its time is over, nothing remains of it', async () => {
  await put(sendPath(), { [unstable]: minute })
  await server.advance(minute - 1)
  expect((await latest()).unsigned?.sticky_duration_remaining_ms).toBe(1)
  await server.advance(1)
  const { unsigned, sticky } = await latest()
  expect(Object.keys(unsigned ?? {}).filter(key => /sticky/.test(key))).toEqual([])
  expect(sticky).toEqual({ duration_ms: minute })
})

test('an event that was redacted is not sticky any more', async () => {
  const { body } = await put(sendPath(), { [unstable]: hour })
  await alice.redact(room, String(body.event_id))
  const event = await bob.event(room, String(body.event_id))
  expect(event.unsigned?.redacted_because).toBeDefined()
  expect(
    JSON.stringify({ ...event, unsigned: { ...event.unsigned, redacted_because: {} } }),
  ).not.toContain('sticky')
})

test('state that is set again to the same is sent again if it is to be sticky', async () => {
  const path = statePath()
  const first = await put(path, { [unstable]: hour })
  const second = await put(path, { [unstable]: hour })
  const third = await put(path, {})
  expect(second.body.event_id).not.toBe(first.body.event_id)
  expect(third.body.event_id).toBe(second.body.event_id)
})

test('an event that is not sticky has nothing of it', async () => {
  await put(sendPath(), {})
  expect(JSON.stringify(await latest())).not.toContain('sticky')
})
