/** The clock over HTTP, in the hands of a test in any language. */
import type { Answer, Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

const lab = '/_hourglass/lab/v1'

let server: TestServer
let alice: Client
let bob: Client
let room: string
beforeAll(async () => {
  server = await startServer({ config: { lab: true } })
  alice = await server.user('alice')
  bob = await server.user('bob')
  room = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(room)
})
afterAll(() => server.stop())
// What one test has set going concerns no other.
afterEach(() => post('clock/freeze'))

const post = (path: string, body?: JsonObject): Promise<Answer> =>
  server.anonymous().request('POST', `${lab}/${path}`, { body })
const clock = async () => (await server.anonymous().ok('GET', `${lab}/clock`)) as { now: number }
const move = async (path: string, body?: JsonObject) => {
  const answer = await post(path, body)
  expect(answer.status).toBe(200)
  return answer.body as { now: number; fired: JsonObject[]; is_idle?: boolean }
}
const delay = (text: string, delayMs: number) =>
  alice.delay(room, delayMs, 'm.room.message', { msgtype: 'm.text', body: text })

describe('GET clock', () => {
  test('says what time it is and that it stands still', async () => {
    const answer = await server.anonymous().ok('GET', `${lab}/clock`)
    expect(answer).toEqual({ now: server.now(), speed: 0 })
  })
})

describe('POST clock/advance', () => {
  test('says what fired: when, where, and as which event', async () => {
    const before = await clock()
    const first = await delay('first', 8_000)
    const { now, fired } = await move('clock/advance', { ms: 8_000 })
    expect(now).toBe(before.now + 8_000)
    const { chunk } = await bob.messages(room, { dir: 'b', limit: 1 })
    expect(fired).toEqual([
      {
        delay_id: first,
        user_id: alice.userId,
        room_id: room,
        type: 'm.room.message',
        outcome: 'sent',
        cause: 'delay',
        send_at: now,
        finalised_ts: now,
        event_id: chunk[0]?.event_id,
      },
    ])
  })

  test('a millisecond less, and nothing has fired', async () => {
    await delay('second', 5_000)
    expect((await move('clock/advance', { ms: 4_999 })).fired).toEqual([])
    expect((await move('clock/advance', { ms: 1 })).fired).toHaveLength(1)
    expect((await move('clock/advance', { ms: 1 })).fired).toEqual([])
  })

  test('each fires at its own moment, in order, whatever the order of scheduling', async () => {
    const { now } = await clock()
    const ids = [await delay('c', 3_000), await delay('a', 1_000), await delay('b', 1_000)]
    const { fired } = await move('clock/advance', { ms: 10_000 })
    expect(fired.map(one => one.delay_id)).toEqual([ids[1], ids[2], ids[0]])
    expect(fired.map(one => one.finalised_ts)).toEqual([now + 1_000, now + 1_000, now + 3_000])
  })

  test('what was refused is there with the reason', async () => {
    await bob.ok('PUT', `/_matrix/client/v3/rooms/${room}/state/m.room.topic/`, {
      query: { 'org.matrix.msc4140.delay': 2_000 },
      body: { topic: 'not his to say' },
    })
    const { fired } = await move('clock/advance', { ms: 2_000 })
    expect(fired).toMatchObject([
      { type: 'm.room.topic', state_key: '', outcome: 'failed', error: { errcode: 'M_FORBIDDEN' } },
    ])
    expect(fired[0]).not.toHaveProperty('event_id')
  })

  test('what retention forgets on the same way was told', async () => {
    const id = await delay('soon forgotten', 1_000)
    const { fired } = await move('clock/advance', { ms: 8 * 86_400_000 })
    expect(fired.map(one => one.delay_id)).toEqual([id])
    expect(await bob.finalised()).toEqual([])
  })

  test('a long poll that it wakes has been answered when it returns', async () => {
    await delay('wake up', 1_000)
    const { next_batch: since } = await bob.sync()
    const poll = bob.sync({ since, timeout: 30_000 })
    await server.untilWaiting(1)
    await move('clock/advance', { ms: 1_000 })
    expect(server.waiting()).toBe(0)
    expect((await poll).rooms?.join?.[room]?.timeline.events).toHaveLength(1)
  })

  test('a long poll whose time is up is answered', async () => {
    const { next_batch: since } = await bob.sync()
    const poll = bob.sync({ since, timeout: 30_000 })
    await server.untilWaiting(1)
    await move('clock/advance', { ms: 30_000 })
    expect((await poll).rooms?.join ?? {}).toEqual({})
  })

  test('two at once run one after the other', async () => {
    const { now } = await clock()
    await Promise.all([delay('one', 1_000), delay('two', 2_000), delay('three', 3_000)])
    const moves = await Promise.all([
      move('clock/advance', { ms: 1_500 }),
      move('clock/advance', { ms: 1_500 }),
    ])
    expect(moves.map(one => one.now).sort()).toEqual([now + 1_500, now + 3_000])
    expect(moves.flatMap(one => one.fired)).toHaveLength(3)
  })

  test.each<[string, JsonObject, string]>([
    ['a negative time', { ms: -1 }, 'M_INVALID_PARAM'],
    ['half a millisecond', { ms: 0.5 }, 'M_BAD_JSON'],
    ['no time', {}, 'M_MISSING_PARAM'],
    ['text', { ms: '8000' }, 'M_BAD_JSON'],
    ['more than a year', { ms: 1e15 }, 'M_INVALID_PARAM'],
  ])('%s is refused, and nothing moves', async (_, body, errcode) => {
    const before = await clock()
    expect(await post('clock/advance', body)).toMatchObject({ status: 400, body: { errcode } })
    expect(await clock()).toEqual(before)
  })
})

describe('POST clock/set', () => {
  test('moves time on to a moment, and says what fired', async () => {
    const { now } = await clock()
    await delay('at last', 60_000)
    const moved = await move('clock/set', { now: now + 60_000 })
    expect(moved).toMatchObject({ now: now + 60_000, fired: [{ outcome: 'sent' }] })
  })

  test.each([
    ['back', -1],
    ['further than a year', 400 * 86_400_000],
  ])('%s it does not go', async (_, ms) => {
    const before = await clock()
    expect(await post('clock/set', { now: before.now + ms })).toMatchObject({
      status: 400,
      body: { errcode: 'M_INVALID_PARAM' },
    })
    expect(await clock()).toEqual(before)
  })
})

describe('POST clock/advance-until-idle', () => {
  test('goes as far as the last delayed event, and no further', async () => {
    const { now } = await clock()
    await Promise.all([delay('one', 10_000), delay('two', 3_600_000)])
    const moved = await move('clock/advance-until-idle')
    expect(moved).toMatchObject({ now: now + 3_600_000, is_idle: true })
    expect(moved.fired).toHaveLength(2)
    expect(await alice.scheduled()).toEqual([])
  })

  test('not further than it is told, and says so', async () => {
    const { now } = await clock()
    await delay('too far', 10_000)
    const moved = await move('clock/advance-until-idle', { max_ms: 9_999 })
    expect(moved).toMatchObject({ now: now + 9_999, fired: [], is_idle: false })
    expect(await move('clock/advance-until-idle')).toMatchObject({ fired: [{}], is_idle: true })
  })

  test('not as far as null', async () => {
    const before = await clock()
    await delay('stays', 10_000)
    const refused = await post('clock/advance-until-idle', { max_ms: null })
    expect(refused).toMatchObject({ status: 400, body: { errcode: 'M_BAD_JSON' } })
    expect(await clock()).toEqual(before)
    await move('clock/advance-until-idle')
  })

  test('also of a clock that runs it tells of all that fired on the way', async () => {
    // Of the machine's time 18 s, at that speed: none fires before we ask.
    const inFiveHours = 18_000_000
    const ids = []
    for (let s = 0; s < 20; s++) ids.push(await delay('on the way', inFiveHours + s * 1_000))
    await post('clock/run', { speed: 1_000 })
    const { fired, is_idle: isIdle } = await move('clock/advance-until-idle')
    expect([fired.map(one => one.delay_id), isIdle]).toEqual([ids, true])
  })

  test('with nothing scheduled, time stands', async () => {
    const { now } = await clock()
    expect(await move('clock/advance-until-idle')).toMatchObject({ now, fired: [], is_idle: true })
  })
})

describe('POST clock/run', () => {
  test('time passes by itself, as fast as asked for, until it is frozen', async () => {
    const { now } = await clock()
    await delay('by itself', 60_000)
    expect((await post('clock/run', { speed: 1_000 })).body).toMatchObject({ speed: 1_000 })
    let { next_batch: since, rooms } = await bob.sync()
    while (!JSON.stringify(rooms ?? {}).includes('by itself')) {
      ;({ next_batch: since, rooms } = await bob.sync({ since, timeout: 600_000 }))
    }
    const frozen = (await post('clock/freeze')).body as { now: number }
    expect(frozen).toMatchObject({ speed: 0 })
    expect(frozen.now).toBeGreaterThanOrEqual(now + 60_000)
    expect(await clock()).toEqual(frozen)
  })

  test('while it runs it can be moved on, and then runs again', async () => {
    const { now } = (await post('clock/run')).body as { now: number }
    await delay('on the way', 3_600_000)
    const moved = await move('clock/advance', { ms: 3_600_000 + 60_000 })
    expect(moved).toMatchObject({ speed: 1, fired: [{ outcome: 'sent' }] })
    expect(moved.now).toBeGreaterThanOrEqual(now + 3_600_000)
  })

  test.each<[JsonObject, string]>([
    [{ speed: 0 }, 'M_INVALID_PARAM'],
    [{ speed: -1 }, 'M_INVALID_PARAM'],
    [{ speed: 'fast' }, 'M_BAD_JSON'],
    [{ speed: null }, 'M_BAD_JSON'],
  ])('not at the speed of %j', async (body, errcode) => {
    expect(await post('clock/run', body)).toMatchObject({ status: 400, body: { errcode } })
    expect((await clock()) as JsonObject).toMatchObject({ speed: 0 })
  })
})

describe('the door', () => {
  test.each(['clock', 'clock/advance', 'nothing'])(
    'without the option lab there is no %s',
    async path => {
      const plain = await startServer()
      try {
        for (const method of ['GET', 'POST']) {
          const answer = await plain.anonymous().request(method, `${lab}/${path}`)
          expect(answer).toMatchObject({ status: 404, body: { errcode: 'M_UNRECOGNIZED' } })
        }
      } finally {
        await plain.stop()
      }
    },
  )

  test('with a token, every request must bear it', async () => {
    const guarded = await startServer({
      config: { lab: true, lab_token: 'let me in', host: '0.0.0.0' },
    })
    try {
      const { port } = new URL(guarded.baseUrl)
      const ask = async (headers: Record<string, string>) => {
        const answer = await fetch(`http://127.0.0.1:${port}${lab}/clock/advance`, {
          method: 'POST',
          headers,
          body: '{"ms":1}',
        })
        return [answer.status, ((await answer.json()) as JsonObject).errcode]
      }
      const { now } = { now: guarded.now() }
      expect(await ask({})).toEqual([401, 'M_MISSING_TOKEN'])
      expect(await ask({ Authorization: 'Bearer wrong' })).toEqual([401, 'M_UNKNOWN_TOKEN'])
      const user = await guarded.user('alice').catch(() => undefined)
      expect(await ask({ Authorization: `Bearer ${user?.token ?? 'x'}` })).toEqual([
        401,
        'M_UNKNOWN_TOKEN',
      ])
      expect(guarded.now()).toBe(now)
    } finally {
      await guarded.stop()
    }
  })

  test('an address that can be reached from elsewhere needs a token', async () => {
    await expect(startServer({ config: { lab: true, host: '0.0.0.0' } })).rejects.toThrow(
      'set lab_token',
    )
  })
})
