import { delayedEvents } from '../support/client.ts'
import { OneOfEach } from '../support/one-of-each.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

const stable = '/_matrix/client/v1/delayed_events'
const hour = 3_600_000

const stableError = { errcode: 'M_CANCELLED_BY_STATE_UPDATE', error: expect.any(String) }
const unstableError = {
  errcode: 'M_UNKNOWN',
  'org.matrix.msc4140.errcode': 'M_CANCELLED_BY_STATE_UPDATE',
  error: expect.any(String),
}
const refusal = { errcode: expect.stringMatching(/^M_/), error: expect.any(String) }
const sent = { event_id: expect.stringMatching(/^\$/) }

describe.each([
  ['/_matrix/client/v1/delayed_events', stable, stableError],
  ['/_matrix/client/unstable/org.matrix.msc4140/delayed_events', delayedEvents, unstableError],
])('%s', (_, base, overtakenError) => {
  let server: TestServer
  let all: OneOfEach
  beforeAll(async () => {
    server = await startServer()
    all = await OneOfEach.make(server)
  })
  afterAll(() => server.stop())

  /** What became of each, latest first, as the drafts of 2024-10 to 2025-10 say it. */
  const became = [
    ['failed', 'cancel', 'error', { error: refusal }],
    ['sent when due', 'send', 'delay', sent],
    ['sent on request', 'send', 'action', sent],
    ['cancelled', 'cancel', 'action', {}],
    ['overtaken', 'cancel', 'error', { error: overtakenError }],
  ] as const

  const finalisedItems = () =>
    became.map(([name, outcome, reason, more], i) => ({
      delayed_event: expect.objectContaining(
        all.item(name, name === 'failed' ? 'm.secret' : 'm.test'),
      ),
      outcome,
      reason,
      ...more,
      origin_server_ts: server.now() - i * 1_000,
    }))

  test('GET …/scheduled: under the key of either draft', async () => {
    const { scheduled, ...others } = await all.get(`${base}/scheduled`)
    expect(scheduled).toEqual([
      {
        ...all.item('scheduled'),
        delay: hour,
        delay_ms: hour,
        running_since: server.now(),
        scheduled_at: server.now(),
        delayed_since_ts: server.now(),
      },
    ])
    expect(others).toEqual({ delayed_events: scheduled })
  })

  test('GET …/finalised: outcome, reason, error, event, latest first', async () => {
    const { finalised, ...others } = await all.get(`${base}/finalised`)
    expect(finalised).toEqual(finalisedItems())
    expect(others).toEqual({ finalised_events: finalised })
    for (const { event_id, delayed_event } of finalised) {
      if (!event_id) continue
      const { unsigned } = await all.alice.event(all.room, event_id)
      expect(unsigned?.delay_id).toBe(delayed_event.delay_id)
    }
  })

  test.each(['', '?status=finalised'])('GET …%s has the same items', async query => {
    expect((await all.get(`${base}${query}`)).finalised).toEqual(finalisedItems())
  })

  test('GET …/terminated: the reason in one word', async () => {
    const words = ['error', 'timeout', 'send', 'canceled', 'error']
    expect(await all.get(`${base}/terminated`)).toEqual({
      terminated_events: finalisedItems().map(({ outcome: _o, reason: _r, ...item }, i) => ({
        ...item,
        termination_reason: words[i],
      })),
    })
  })

  test('a flat item has an error only if it failed', async () => {
    const { delayed_events } = await all.get(`${base}?dir=f`)
    const finalised = Object.fromEntries(
      delayed_events.map((item: JsonObject) => [item.state_key, item.finalised]),
    )
    expect(finalised).toEqual({
      overtaken: { finalised_ts: server.now() - 4_000 },
      cancelled: { finalised_ts: server.now() - 3_000 },
      'sent on request': { finalised_ts: server.now() - 2_000, ...sent },
      'sent when due': { finalised_ts: server.now() - 1_000, ...sent },
      failed: { finalised_ts: server.now(), error: refusal },
      scheduled: undefined,
    })
  })

  test.each(['scheduled', 'finalised', 'terminated'])('…/%s is never an id', async word => {
    const path = `${base}/${word}`
    expect((await all.alice.request('GET', path, { token: null })).status).toBe(401)
    expect((await all.alice.request('POST', `${path}/send`)).body.errcode).toBe('M_NOT_FOUND')
    expect((await all.alice.request('PUT', path, { body: {} })).status).toBe(405)
    expect((await all.alice.request('GET', path, { query: { from: 'x' } })).status).toBe(400)
  })
})

describe('delayed_events.strict_shapes', () => {
  let server: TestServer
  let all: OneOfEach
  beforeAll(async () => {
    server = await startServer({ config: { delayed_events: { strict_shapes: true } } })
    all = await OneOfEach.make(server)
  })
  afterAll(() => server.stop())

  const newest = (name: string) => ({
    ...all.item(name),
    delay_ms: hour,
    delayed_since_ts: expect.any(Number),
  })

  test('a delayed event has the names of the newest text, and no others', async () => {
    expect(await all.get(`${stable}/${all.id('scheduled')}`)).toEqual(newest('scheduled'))
    expect(await all.get(`${stable}/${all.id('cancelled')}`)).toEqual({
      ...newest('cancelled'),
      finalised: { finalised_ts: expect.any(Number) },
    })
  })

  test.each(['', '?status=scheduled', '?status=finalised', '?dir=f&status=sent'])(
    'the list is that of MSC4486: %s',
    async query => {
      const { delayed_events, ...others } = await all.get(`${stable}${query}`)
      expect(others).toEqual({})
      expect(delayed_events.length).toBeGreaterThan(0)
      for (const item of delayed_events) {
        expect(await all.get(`${stable}/${item.delay_id}`)).toEqual(item)
      }
    },
  )

  test('the split lists have the names of their time', async () => {
    expect(await all.get(`${stable}/scheduled`)).toEqual({
      scheduled: [{ ...all.item('scheduled'), delay: hour, running_since: server.now() }],
    })
    const { finalised, ...others } = await all.get(`${stable}/finalised`)
    expect(others).toEqual({})
    expect(finalised.at(-1)).toEqual({
      delayed_event: { ...all.item('overtaken'), delay: hour, running_since: expect.any(Number) },
      outcome: 'cancel',
      reason: 'error',
      error: stableError,
      origin_server_ts: expect.any(Number),
    })
  })

  test('the unstable paths, which deployed clients read, are as they were', async () => {
    expect(Object.keys(await all.get(delayedEvents))).toEqual([
      'delayed_events',
      'scheduled',
      'finalised',
    ])
    expect(await all.get(`${delayedEvents}/${all.id('cancelled')}`)).toMatchObject({
      delay: hour,
      running_since: expect.any(Number),
      finalised_ts: expect.any(Number),
    })
  })
})
