import { type Answer, type Client, delayedEvents } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'

const hour = 3_600_000
const stable = '/_matrix/client/v1/delayed_events'

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
afterEach(async () => {
  for (const user of [alice, bob]) {
    for (const { delay_id } of await user.scheduled()) await user.manage(delay_id, 'cancel')
  }
})
afterAll(() => server.stop())

const act = (delayId: string, action: string, user = bob, token?: string | null) =>
  user.request('POST', `${stable}/${delayId}/${action}`, token === undefined ? {} : { token })
const actByBody = (delayId: string, action: string, user = bob, token?: string | null) =>
  user.request('POST', `${stable}/${delayId}`, {
    body: { action },
    ...(token === undefined ? {} : { token }),
  })
const ways: [string, typeof act][] = [
  ['/{action}', act],
  [', the action in the body', actByBody],
]

const refusalOf = ({ status, body }: Answer) => ({ status, errcode: body.errcode })

/** How Bob's delayed events come to their end. He may not name the room. */
const states: Record<string, () => Promise<string>> = {
  scheduled: () => bob.delay(room, hour, 'm.test', { n: 1 }),
  'sent when due': async () => {
    const delayId = await bob.delay(room, 1_000, 'm.test', { n: 1 })
    await server.advance(1_000)
    return delayId
  },
  'sent on request': async () => {
    const delayId = await bob.delay(room, hour, 'm.test', { n: 1 })
    await bob.manage(delayId, 'send')
    return delayId
  },
  cancelled: async () => {
    const delayId = await bob.delay(room, hour, 'm.test', { n: 1 })
    await bob.manage(delayId, 'cancel')
    return delayId
  },
  'cancelled by a state update': async () => {
    const delayId = await bob.delayState(room, hour, 'm.room.topic', '', { topic: 'Bob' })
    await alice.setState(room, 'm.room.topic', '', { topic: delayId })
    return delayId
  },
  failed: async () => {
    const delayId = await bob.delayState(room, 1_000, 'm.room.name', '', { name: 'Bob' })
    await server.advance(1_000)
    return delayId
  },
}
const make = (state: string) => states[state]?.() ?? Promise.reject(new Error(state))

describe('POST /_matrix/client/v1/delayed_events/{delay_id}: the action of its owner', () => {
  test.each([
    ['scheduled', 'send', 200, 200],
    ['scheduled', 'cancel', 200, 200],
    ['scheduled', 'restart', 200, 200],
    ['sent when due', 'send', 200, 200],
    ['sent when due', 'cancel', 409, 404],
    ['sent when due', 'restart', 409, 404],
    ['sent on request', 'send', 200, 200],
    ['sent on request', 'cancel', 409, 404],
    ['sent on request', 'restart', 409, 404],
    ['cancelled', 'send', 409, 404],
    ['cancelled', 'cancel', 200, 200],
    ['cancelled', 'restart', 409, 404],
    ['cancelled by a state update', 'send', 409, 404],
    ['cancelled by a state update', 'cancel', 200, 200],
    ['cancelled by a state update', 'restart', 409, 404],
    ['failed', 'send', 409, 404],
    ['failed', 'cancel', 200, 404],
    ['failed', 'restart', 409, 404],
  ])('%s: %s is %i in the path, %i in the body', async (state, action, inPath, inBody) => {
    const errcodes: Record<number, string> = { 404: 'M_NOT_FOUND', 409: 'M_UNKNOWN' }
    for (const [way, status] of [
      [act, inPath],
      [actByBody, inBody],
    ] as const) {
      const delayId = await make(state)
      const before = await bob.ok('GET', `${stable}/${delayId}`)
      const answer = await way(delayId, action)
      expect(refusalOf(answer)).toEqual({ status, errcode: errcodes[status] })
      if (status === 200) expect(answer.body).toEqual({})
      if (state === 'scheduled') continue
      expect(await bob.ok('GET', `${stable}/${delayId}`)).toEqual(before)
    }
  })
})

describe.each(ways)('POST /_matrix/client/v1/delayed_events/{delay_id}%s', (_, way) => {
  test('send sends, cancel cancels, restart gives the full delay again', async () => {
    const [sent, cancelled, restarted] = [
      await make('scheduled'),
      await make('scheduled'),
      await make('scheduled'),
    ]
    await server.advance(1_000)
    await way(sent, 'send')
    await way(cancelled, 'cancel')
    await way(restarted, 'restart')
    const [left] = await bob.scheduled()
    expect(left).toMatchObject({ delay_id: restarted, delayed_since_ts: server.now() })
    expect((await bob.finalised()).slice(0, 2)).toMatchObject([
      { delayed_event: { delay_id: cancelled }, outcome: 'cancel', reason: 'action' },
      { delayed_event: { delay_id: sent }, outcome: 'send', reason: 'action' },
    ])
  })

  test.each(['send', 'cancel', 'restart'])(
    '%s of what is not there, or not yours',
    async action => {
      const delayId = await make('scheduled')
      const notFound = { status: 404, errcode: 'M_NOT_FOUND' }
      expect(refusalOf(await way('hgd_unknown', action))).toEqual(notFound)
      for (const _ of ['unknown to the server', 'remembered']) {
        expect(refusalOf(await way(delayId, action, alice))).toEqual(notFound)
      }
      expect(await bob.scheduled()).toMatchObject([{ delay_id: delayId }])
      const over = await make('sent on request')
      expect(refusalOf(await way(over, action, alice))).toEqual(notFound)
    },
  )

  test('the refusal for what is not yours says nothing more than for what is not there', async () => {
    const delayId = await make('scheduled')
    const unknown = await way('hgd_unknown', 'send', alice)
    expect((await way(delayId, 'send', alice)).text).toBe(unknown.text)
  })

  test.each(['send', 'cancel', 'restart'])('%s needs a token, and a good one', async action => {
    const delayId = await make('scheduled')
    const without = refusalOf(await way(delayId, action, bob, null))
    expect(without).toEqual({ status: 401, errcode: 'M_MISSING_TOKEN' })
    const wrong = refusalOf(await way(delayId, action, bob, 'wrong'))
    expect(wrong).toEqual({ status: 401, errcode: 'M_UNKNOWN_TOKEN' })
    expect(await bob.scheduled()).toMatchObject([{ delay_id: delayId }])
  })

  test('a send that the room refuses is answered so, and stays scheduled', async () => {
    const delayId = await bob.delayState(room, hour, 'm.room.name', '', { name: 'Bob' })
    await server.advance(1_000)
    const before = await bob.scheduled()
    const answer = await way(delayId, 'send')
    expect(refusalOf(answer)).toEqual({ status: 403, errcode: 'M_FORBIDDEN' })
    expect(await bob.scheduled()).toEqual(before)
    const direct = await bob.request('PUT', bob.roomPath(room, 'state', 'm.room.name', ''), {
      body: { name: 'Bob' },
    })
    expect(answer.text).toBe(direct.text)
  })
})

describe('POST /_matrix/client/v1/delayed_events/{delay_id}: what is no action', () => {
  test.each(['oops', 'refresh', 'Send'])('%s in the path: 404 M_UNRECOGNIZED', async action => {
    const delayId = await make('scheduled')
    for (const token of [undefined, null, 'wrong']) {
      const unrecognized = { status: 404, errcode: 'M_UNRECOGNIZED' }
      expect(refusalOf(await act(delayId, action, bob, token))).toEqual(unrecognized)
    }
  })

  test.each([
    ['no body', undefined, 'M_NOT_JSON'],
    ['no action', {}, 'M_MISSING_PARAM'],
    ['an unknown action', { action: 'oops' }, 'M_INVALID_PARAM'],
    ['an action that is not a string', { action: 1 }, 'M_BAD_JSON'],
  ])('%s: 400', async (_, body, errcode) => {
    const answer = await bob.request('POST', `${stable}/${await make('scheduled')}`, { body })
    expect(refusalOf(answer)).toEqual({ status: 400, errcode })
  })

  test('refresh in the body is the word of MSC4157 for restart', async () => {
    const delayId = await make('scheduled')
    await server.advance(1_000)
    expect((await actByBody(delayId, 'refresh')).status).toBe(200)
    expect(await bob.scheduled()).toMatchObject([{ delayed_since_ts: server.now() }])
  })

  test.each(['GET', 'PUT', 'DELETE'])('%s: 405 M_UNRECOGNIZED', async method => {
    const answer = await bob.request(method, `${stable}/abc/send`)
    expect(refusalOf(answer)).toEqual({ status: 405, errcode: 'M_UNRECOGNIZED' })
  })
})

describe('GET /_matrix/client/v1/delayed_events', () => {
  test('is the list of what is scheduled, as under the unstable name', async () => {
    const later = await bob.delay(room, 2 * hour, 'm.test', { n: 2 })
    const sooner = await bob.delay(room, hour, 'm.test', { n: 1 })
    const { delayed_events } = await bob.ok('GET', stable)
    expect(delayed_events).toMatchObject([
      { delay_id: sooner, delay_ms: hour, content: { n: 1 } },
      { delay_id: later, delay_ms: 2 * hour, content: { n: 2 } },
    ])
    expect((await bob.ok('GET', delayedEvents)).delayed_events).toEqual(delayed_events)
    expect((await alice.ok('GET', stable)).delayed_events).toEqual([])
  })

  test('without a token: 401 M_MISSING_TOKEN', async () => {
    const answer = await bob.request('GET', stable, { token: null })
    expect(refusalOf(answer)).toEqual({ status: 401, errcode: 'M_MISSING_TOKEN' })
  })
})

describe.each([stable, delayedEvents])('GET %s/{delay_id}', base => {
  const lookUp = (delayId: string) => bob.ok('GET', `${base}/${delayId}`)

  test('scheduled: under the names of every generation, and no finalised', async () => {
    const delayId = await bob.delayState(room, hour, 'm.test', 'k', { n: 1 })
    expect(await lookUp(delayId)).toEqual({
      delay_id: delayId,
      room_id: room,
      type: 'm.test',
      state_key: 'k',
      content: { n: 1 },
      delay: hour,
      delay_ms: hour,
      running_since: server.now(),
      scheduled_at: server.now(),
      delayed_since_ts: server.now(),
    })
    expect(await lookUp(await make('scheduled'))).not.toHaveProperty('state_key')
  })

  test.each(['sent when due', 'sent on request'])('%s: the event, flat and nested', async state => {
    const item = await lookUp(await make(state))
    const event = await bob.event(room, item.event_id)
    expect(event).toMatchObject({ sender: bob.userId, content: { n: 1 } })
    const finalised = { finalised_ts: server.now(), event_id: event.event_id }
    expect(item.finalised).toEqual(finalised)
    expect(item).toMatchObject(finalised)
    expect(item).not.toHaveProperty('error')
    const isEarly = item.finalised_ts < item.scheduled_at + item.delay_ms
    expect(isEarly).toBe(state === 'sent on request')
  })

  test.each(['cancelled', 'cancelled by a state update'])('%s: only when', async state => {
    const item = await lookUp(await make(state))
    expect(item.finalised).toEqual({ finalised_ts: server.now() })
    expect(item.finalised_ts).toBe(server.now())
    expect(item).not.toHaveProperty('event_id')
    expect(item).not.toHaveProperty('error')
  })

  test('failed: the error', async () => {
    const item = await lookUp(await make('failed'))
    const error = { errcode: 'M_FORBIDDEN', error: expect.any(String) }
    expect(item.finalised).toEqual({ finalised_ts: server.now(), error })
    expect(item).toMatchObject({ finalised_ts: server.now(), error })
    expect(item).not.toHaveProperty('event_id')
  })

  test('unknown, or of another user: 404 M_NOT_FOUND', async () => {
    const notFound = { status: 404, errcode: 'M_NOT_FOUND' }
    const unknown = await alice.request('GET', `${base}/hgd_unknown`)
    expect(refusalOf(unknown)).toEqual(notFound)
    for (const state of ['scheduled', 'cancelled']) {
      const foreign = await alice.request('GET', `${base}/${await make(state)}`)
      expect(foreign.status).toBe(404)
      expect(foreign.text).toBe(unknown.text)
    }
  })

  test('without a token: 401, even with a good id', async () => {
    const path = `${base}/${await make('scheduled')}`
    const without = refusalOf(await bob.request('GET', path, { token: null }))
    expect(without).toEqual({ status: 401, errcode: 'M_MISSING_TOKEN' })
  })
})
