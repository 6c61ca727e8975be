import { type Client, delayedEvents } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject, WireEvent } from '../support/wire.ts'

const eventType = 'com.example.test'

let server: TestServer
let user: Client
let user2: Client
let unauthedClient: Client
let room: string
beforeAll(async () => {
  server = await startServer()
  user = await server.user('user')
  user2 = await server.user('user2')
  unauthedClient = server.anonymous()
  room = await user.createRoom({
    preset: 'public_chat',
    power_level_content_override: { events: { [eventType]: 0 } },
  })
  await user2.join(room)
})
afterAll(() => server.stop())

/** `POST …/delayed_events/{parts…}` with `{}`; without a token unless the client has one. */
function post(client: Client, ...parts: string[]) {
  return client.request('POST', [delayedEvents, ...parts].join('/'), { body: {} })
}

async function expectScheduled(client: Client, count: number): Promise<void> {
  const answer = await client.request('GET', delayedEvents)
  expect(answer.status).toBe(200)
  expect(answer.body.delayed_events).toHaveLength(count)
}

/** As Complement cleans up: with the token. */
async function cancelAll(): Promise<void> {
  for (const { delay_id } of await user.scheduled()) {
    expect((await post(user, delay_id, 'cancel')).status).toBe(200)
  }
  await expectScheduled(user, 0)
}

async function stateStatus(stateKey: string): Promise<number> {
  return (await user.request('GET', user.roomPath(room, 'state', eventType, stateKey))).status
}

async function expectStateAfterHas(stateKey: string): Promise<void> {
  const query = { use_state_after: true, 'org.matrix.msc4222.use_state_after': true }
  const joined = (await user.sync(query)).rooms.join?.[room]
  const stateAfter = joined?.state_after ?? joined?.['org.matrix.msc4222.state_after']
  expect(stateAfter?.events).toContainEqual(
    expect.objectContaining({ type: eventType, state_key: stateKey }),
  )
}

describe('TestDelayedEvents', () => {
  test('delayed events are empty on startup', async () => {
    await expectScheduled(user, 0)
  })

  test('delayed event lookups are authenticated', async () => {
    expect((await unauthedClient.request('GET', delayedEvents)).status).toBe(401)
  })

  describe('delayed message events are sent on timeout', () => {
    let since: string
    const answers: JsonObject[] = []
    const schedule = (i: number, body?: JsonObject) =>
      user.ok('PUT', user.roomPath(room, 'send', eventType, `txn-${i}`), {
        query: { 'org.matrix.msc4140.delay': [700, 800, 900][i] },
        body,
      })

    beforeAll(async () => {
      since = (await user.sync()).next_batch
      for (const i of [0, 1, 2]) answers.push(await schedule(i, { count: i + 1 }))
    })
    afterAll(cancelAll)

    test.each([0, 1, 2])(
      'rerequesting delayed event path with the same txnID should have the same response (#%i)',
      async i => {
        expect(answers[i]?.delay_id).toEqual(expect.any(String))
        expect(await schedule(i)).toEqual(answers[i])
      },
    )

    test('cannot get delayed events of another user', async () => {
      await expectScheduled(user2, 0)
    })

    test('they leave the list and enter the timeline in the order of their time', async () => {
      await expectScheduled(user, 3)
      await server.advance(1_000)
      await expectScheduled(user, 0)
      const { chunk } = await user.ok('GET', user.roomPath(room, 'messages'), {
        query: { dir: 'f', from: since },
      })
      expect(chunk.map((event: WireEvent) => event.content)).toEqual([
        { count: 1 },
        { count: 2 },
        { count: 3 },
      ])
    })
  })

  test('delayed state events are sent on timeout', async () => {
    const stateKey = 'to_send_on_timeout'
    await user.delayState(room, 900, eventType, stateKey, { setter: 'on_timeout' })
    const scheduled = await user.scheduled()
    expect(scheduled.map(item => item.content)).toEqual([{ setter: 'on_timeout' }])
    expect(await stateStatus(stateKey)).toBe(404)
    await server.advance(1_000)
    await expectStateAfterHas(stateKey)
    expect(await user.state(room, eventType, stateKey)).toEqual({ setter: 'on_timeout' })
    await expectScheduled(user, 0)
  })

  test('cannot update a delayed event without an action', async () => {
    const { status, body } = await post(unauthedClient, 'abc')
    expect({ status, errcode: body.errcode }).toEqual({ status: 400, errcode: 'M_MISSING_PARAM' })
  })

  test('cannot update a delayed event with an invalid action', async () => {
    expect((await post(unauthedClient, 'abc', 'oops')).status).toBe(404)
  })

  describe('parallel', () => {
    test.each(['cancel', 'restart', 'send'])(
      'cannot %s a delayed event without a matching delay ID',
      async action => {
        expect((await post(unauthedClient, 'abc', action)).status).toBe(404)
      },
    )
  })

  test('delayed state events can be cancelled', async () => {
    const stateKey = 'to_never_send'
    const delayId = await user.delayState(room, 1_500, eventType, stateKey, { setter: 'none' })
    await server.advance(1_000)
    await expectScheduled(user, 1)
    expect(await stateStatus(stateKey)).toBe(404)
    expect((await post(unauthedClient, delayId, 'cancel')).status).toBe(200)
    await expectScheduled(user, 0)
    await server.advance(1_000)
    expect(await stateStatus(stateKey)).toBe(404)
  })

  test('delayed state events can be sent on request', async () => {
    const stateKey = 'to_send_on_request'
    const delayId = await user.delayState(room, 100_000, eventType, stateKey, { setter: 'on_send' })
    await server.advance(1_000)
    await expectScheduled(user, 1)
    expect(await stateStatus(stateKey)).toBe(404)
    expect((await post(unauthedClient, delayId, 'send')).status).toBe(200)
    await expectStateAfterHas(stateKey)
    expect(await user.state(room, eventType, stateKey)).toEqual({ setter: 'on_send' })
    await expectScheduled(user, 0)
  })

  test('delayed state events can be restarted', async () => {
    const stateKey = 'to_send_on_restarted_timeout'
    const content = { setter: 'on_timeout' }
    const delayId = await user.delayState(room, 1_500, eventType, stateKey, content)
    await server.advance(1_000)
    await expectScheduled(user, 1)
    expect(await stateStatus(stateKey)).toBe(404)
    expect((await post(unauthedClient, delayId, 'restart')).status).toBe(200)
    await server.advance(1_000)
    await expectScheduled(user, 1)
    expect(await stateStatus(stateKey)).toBe(404)
    await server.advance(1_000)
    await expectStateAfterHas(stateKey)
    expect(await user.state(room, eventType, stateKey)).toEqual(content)
    await expectScheduled(user, 0)
  })

  test('delayed state events are kept on server restart', async () => {
    const delays = [900, 9_900, 19_900, 29_900, 39_900]
    for (const [i, delayMs] of delays.entries()) {
      await user.delayState(room, delayMs, eventType, String(i + 1), {})
    }
    await expectScheduled(user, 5)
    // Complement's own arithmetic wants at least two of the five sent by now.
    await server.restart(10_000)
    await expectScheduled(user, 3)
    await expectStateAfterHas('1')
    await expectStateAfterHas('2')
    await server.advance(10_000)
    await expectScheduled(user, 2)
    await expectStateAfterHas('3')
    await cancelAll()
  })
})
