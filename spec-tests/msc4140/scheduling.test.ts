import { type Client, delayedEvents, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

const unstable = 'org.matrix.msc4140.delay'
const hour = 3_600_000
const oneDay = 24 * hour

let server: TestServer
let alice: Client
let bob: Client
let room: string
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  bob = await server.user('bob')
  room = await alice.createRoom({ preset: 'public_chat' })
})
afterEach(async () => {
  for (const { delay_id } of await alice.scheduled()) await alice.manage(delay_id, 'cancel')
})
afterAll(() => server.stop())

/** PUT with exactly this query. */
function put(path: string, query: Record<string, string | number>, body: unknown = {}) {
  return alice.request('PUT', path, { query, body: body as JsonObject })
}

const nowAndLater: Record<string, number>[] = [{}, { [unstable]: hour }]
const sendPath = () => alice.roomPath(room, 'send', 'm.test', alice.nextTransactionId())
const statePath = (stateKey: string) => alice.roomPath(room, 'state', 'm.test', stateKey)

describe('PUT …/send/{eventType}/{txnId} with a delay', () => {
  test('the event is listed as it was submitted, and is not sent', async () => {
    const content = { body: 'später', nested: { list: [1, null, { a: '' }] }, delay: 3 }
    const delayId = await alice.delay(room, hour, 'm.test', content)
    expect(await alice.scheduled()).toEqual([
      {
        delay_id: delayId,
        room_id: room,
        type: 'm.test',
        content,
        delay: hour,
        delay_ms: hour,
        running_since: server.now(),
        scheduled_at: server.now(),
        delayed_since_ts: server.now(),
      },
    ])
    const timeline = (await alice.sync()).rooms.join?.[room]?.timeline.events
    expect(timeline?.map(event => event.type)).not.toContain('m.test')
  })

  test('the answer is the delay_id alone, a segment of a path that nobody can guess', async () => {
    const first = await put(sendPath(), { [unstable]: hour })
    const second = await put(sendPath(), { [unstable]: hour })
    expect(first.status).toBe(200)
    expect(Object.keys(first.body)).toEqual(['delay_id'])
    expect(first.body.delay_id).toMatch(/^[0-9A-Za-z_-]{22,}$/)
    expect(second.body.delay_id).not.toBe(first.body.delay_id)
  })

  test('the same txnId without a body gets the same delay_id, also after a restart', async () => {
    const path = sendPath()
    const first = await put(path, { [unstable]: hour }, { n: 1 })
    const again = { query: { [unstable]: hour } }
    expect(await alice.ok('PUT', path, again)).toEqual(first.body)
    await server.restart()
    expect(await alice.ok('PUT', path, again)).toEqual(first.body)
    expect(await alice.scheduled()).toHaveLength(1)
  })

  test('the same txnId at the same moment schedules once', async () => {
    const path = sendPath()
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => put(path, { [unstable]: hour }, { n: 1 })),
    )
    expect(new Set(answers.map(answer => `${answer.status} ${answer.text}`)).size).toBe(1)
    expect(await alice.scheduled()).toHaveLength(1)
  })
})

describe('PUT …/state/{eventType}/{stateKey} with a delay', () => {
  test.each([
    ['with a state key', 'state/m.test/the%20key', 'the key'],
    ['without a state key', 'state/m.test', ''],
    ['with a trailing slash for the empty state key', 'state/m.test/', ''],
  ])('%s', async (_, path, stateKey) => {
    const answer = await put(`${alice.roomPath(room)}/${path}`, { [unstable]: hour }, { a: 1 })
    expect(answer.status).toBe(200)
    expect(await alice.scheduled()).toEqual([
      expect.objectContaining({
        delay_id: answer.body.delay_id,
        type: 'm.test',
        state_key: stateKey,
        content: { a: 1 },
      }),
    ])
    const refused = await refusal(alice.state(room, 'm.test', stateKey))
    expect(refused.errcode).toBe('M_NOT_FOUND')
  })

  test('r0 is another name of v3', async () => {
    const path = statePath('k').replace('/v3/', '/r0/')
    expect((await put(path, { [unstable]: hour })).status).toBe(200)
    expect(await alice.scheduled()).toHaveLength(1)
  })
})

describe('the delay', () => {
  const bad = ['', '1.5', 'abc', '-1', '0', '00', '1e3', '+5', ' 5']
  test.each(
    bad.flatMap(value => [
      [value, unstable],
      [value, 'delay'],
    ]),
  )('%j as %s is 400 M_INVALID_PARAM, and nothing is sent or scheduled', async (value, name) => {
    for (const path of [sendPath(), statePath('bad')]) {
      const { status, body } = await put(path, { [name]: value })
      expect({ status, errcode: body.errcode }).toEqual({ status: 400, errcode: 'M_INVALID_PARAM' })
    }
    expect(await alice.scheduled()).toEqual([])
    expect((await refusal(alice.state(room, 'm.test', 'bad'))).status).toBe(404)
  })

  test('of a parameter that is repeated, the first value counts', async () => {
    const path = `${sendPath()}?${unstable}=${hour}&${unstable}=oops`
    expect((await put(path, {})).status).toBe(200)
    expect((await alice.scheduled())[0]?.delay_ms).toBe(hour)
  })

  test('as long as the server allows is accepted', async () => {
    await alice.delay(room, oneDay, 'm.test', {})
    expect(await alice.scheduled()).toHaveLength(1)
  })

  test('over-long, it names the maximum in the words that matrix-js-sdk looks for', async () => {
    for (const path of [sendPath(), statePath('k')]) {
      for (const delay of [oneDay + 1, '99999999999999999999', '9'.repeat(400)]) {
        const { status, body } = await put(path, { [unstable]: delay })
        expect(status).toBe(400)
        expect(body).toEqual({
          errcode: 'M_UNKNOWN',
          error: expect.any(String),
          'org.matrix.msc4140.errcode': 'M_MAX_DELAY_EXCEEDED',
          'org.matrix.msc4140.max_delay': oneDay,
        })
      }
    }
  })

  test('by its stable name, over-long, it is M_MAX_DELAY_EXCEEDED', async () => {
    const { status, body } = await put(sendPath(), { delay: oneDay + 1 })
    expect(status).toBe(400)
    expect(body).toMatchObject({ errcode: 'M_MAX_DELAY_EXCEEDED', max_delay: oneDay })
  })

  test('by its stable name, it is never ignored', async () => {
    for (const path of [sendPath(), statePath('stable')]) {
      const { status, body } = await put(path, { delay: hour })
      expect(status).toBe(200)
      expect(Object.keys(body)).toEqual(['delay_id'])
    }
    expect(await alice.scheduled()).toHaveLength(2)
    expect((await refusal(alice.state(room, 'm.test', 'stable'))).status).toBe(404)
  })

  test('under both names counts if they agree, and is refused if they do not', async () => {
    expect((await put(sendPath(), { delay: hour, [unstable]: hour })).status).toBe(200)
    const { status, body } = await put(sendPath(), { delay: hour, [unstable]: hour + 1 })
    expect({ status, errcode: body.errcode }).toEqual({ status: 400, errcode: 'M_INVALID_PARAM' })
    expect(await alice.scheduled()).toHaveLength(1)
  })
})

describe('what is checked when scheduling', () => {
  test.each([
    ['send', '!nowhere:hs1', 'send/m.test/1'],
    ['state', '!nowhere:hs1', 'state/m.test/k'],
  ])('an unknown room is 404 M_NOT_FOUND (%s)', async (_, roomId, rest) => {
    const path = `${alice.roomPath(roomId)}/${rest}`
    const { status, body } = await put(path, { [unstable]: hour })
    expect({ status, errcode: body.errcode }).toEqual({ status: 404, errcode: 'M_NOT_FOUND' })
  })

  test('an event that is too large for any room is 413 M_TOO_LARGE', async () => {
    for (const path of [sendPath(), statePath('k')]) {
      const { status, body } = await put(path, { [unstable]: hour }, { body: 'x'.repeat(65_536) })
      expect({ status, errcode: body.errcode }).toEqual({ status: 413, errcode: 'M_TOO_LARGE' })
    }
    expect(await alice.scheduled()).toEqual([])
  })

  describe('the largest that can be scheduled can be sent, whatever the room has become', () => {
    interface Kind {
      version?: string
      query?: Record<string, number>
      path?: string
      content?: JsonObject
      /** How much less than at once may be scheduled. */
      keptBack?: number
      /** What happens before it is due. */
      meanwhile?: (roomId: string) => Promise<unknown>
    }
    const invite = { membership: 'invite' }
    const kinds: Record<string, Kind> = {
      message: {},
      'state event': { path: 'state/m.test/key' },
      'sticky event': { query: { 'org.matrix.msc4354.sticky_duration_ms': 3_600_000 } },
      'message in a room of version 1': { version: '1' },
      'message in a room of version 12': { version: '12' },
      'redaction in a room of version 10': {
        version: '10',
        path: 'send/m.room.redaction',
        content: { redacts: `$${'a'.repeat(43)}` },
      },
      // Then it has to cite the membership that was there before.
      'second invite': {
        path: 'state/m.room.member/{bob}',
        content: invite,
        async meanwhile(roomId) {
          await alice.ok('POST', alice.roomPath(roomId, 'invite'), {
            body: { user_id: bob.userId },
          })
          await alice.ok('POST', alice.roomPath(roomId, 'kick'), { body: { user_id: bob.userId } })
        },
      },
      // Then it has to name, and to cite, who lets them in.
      'join to a room that has become restricted': {
        path: 'state/m.room.member/{alice}',
        content: { membership: 'join' },
        keptBack: 500,
        async meanwhile(roomId) {
          await alice.invite(roomId, bob.userId)
          await bob.join(roomId)
          await alice.setState(roomId, 'm.room.join_rules', '', {
            join_rule: 'restricted',
            allow: [{ type: 'm.room_membership', room_id: room }],
          })
          await alice.leave(roomId)
        },
      },
      'message after many others': {
        async meanwhile(roomId) {
          for (let i = 0; i < 12; i++) await alice.say(roomId, 'one more')
        },
      },
    }

    test.each(Object.keys(kinds))('%s', async name => {
      const { version, query, path, content, keptBack = 100, meanwhile } = kinds[name] ?? {}
      const roomId = await alice.createRoom(version === undefined ? {} : { room_version: version })
      const last = path?.startsWith('state') ? '' : `/${alice.nextTransactionId()}`
      const first = (path ?? 'send/m.test')
        .replace('{alice}', encodeURIComponent(alice.userId))
        .replace('{bob}', encodeURIComponent(bob.userId))
      const url = () =>
        `${alice.roomPath(roomId)}/${first}${last && `${last}${alice.nextTransactionId()}`}`
      const body = (length: number) => ({ ...content, reason: 'x'.repeat(length) })
      const schedule = async (length: number) => {
        const answer = await put(url(), { ...query, [unstable]: 1_000 }, body(length))
        if (answer.status !== 200) {
          expect([answer.status, answer.body.errcode]).toEqual([413, 'M_TOO_LARGE'])
          return undefined
        }
        return answer.body.delay_id as string
      }
      let [fits, isTooLarge] = [60_000, 65_536]
      while (isTooLarge - fits > 1) {
        const middle = Math.floor((fits + isTooLarge) / 2)
        const delayId = await schedule(middle)
        if (delayId === undefined) isTooLarge = middle
        else {
          await alice.manage(delayId, 'cancel')
          fits = middle
        }
      }
      // No more is kept back than the length of two numbers, and of what it may have to cite.
      const atOnce = await put(url(), query ?? {}, body(fits + keptBack))
      expect([atOnce.status, atOnce.body.errcode]).toEqual([413, 'M_TOO_LARGE'])
      expect(await schedule(fits)).toBeDefined()
      await meanwhile?.(roomId)
      await server.advance(1_000)
      const [latest] = await alice.finalised()
      expect(latest).toMatchObject({ delayed_event: { room_id: roomId }, outcome: 'send' })
    })
  })

  test('content that no room may hold is 400 M_BAD_JSON', async () => {
    const { status, body } = await put(sendPath(), { [unstable]: hour }, { n: 1.5 })
    expect({ status, errcode: body.errcode }).toEqual({ status: 400, errcode: 'M_BAD_JSON' })
  })

  test.each<[string, string, JsonObject, string]>([
    ['a membership without a membership', '@bob:hs1', {}, 'M_BAD_JSON'],
    ['a membership that is no string', '@bob:hs1', { membership: 1 }, 'M_BAD_JSON'],
    ['a membership of what is no user', 'bob', { membership: 'invite' }, 'M_INVALID_PARAM'],
  ])('%s is refused as it is without a delay, with 400', async (_, key, content, errcode) => {
    const path = alice.roomPath(room, 'state', 'm.room.member', key)
    const before = await server.rowCounts()
    for (const query of nowAndLater) {
      const { status, body } = await put(path, query, content)
      expect({ status, errcode: body.errcode }).toEqual({ status: 400, errcode })
    }
    expect(await server.rowCounts()).toEqual(before)
  })

  test('MSC3757: so is a state key that begins like a user ID and is none', async () => {
    const owned = await alice.createRoom({ room_version: 'org.matrix.msc3757.11' })
    for (const query of nowAndLater) {
      const { status, body } = await put(alice.roomPath(owned, 'state', 'm.test', '@x'), query)
      expect({ status, errcode: body.errcode }).toEqual({ status: 400, errcode: 'M_BAD_JSON' })
    }
  })

  test.each([
    ['no body', undefined, 'M_NOT_JSON'],
    ['half a body', '{"a":', 'M_NOT_JSON'],
    ['a body that is not an object', '[]', 'M_BAD_JSON'],
  ])('%s is 400 %s', async (_, body, errcode) => {
    const query = { [unstable]: hour }
    const answer = await alice.request('PUT', sendPath(), { query, body })
    expect({ status: answer.status, errcode: answer.body.errcode }).toEqual({
      status: 400,
      errcode,
    })
  })

  test('who is not in the room may schedule, and is refused when the time has come', async () => {
    const delayId = await bob.delay(room, 1_000, 'm.test', { n: 1 })
    expect(await bob.scheduled()).toHaveLength(1)
    await server.advance(1_000)
    expect(await bob.scheduled()).toEqual([])
    expect(await bob.finalised()).toEqual([
      {
        delayed_event: expect.objectContaining({ delay_id: delayId, content: { n: 1 } }),
        outcome: 'cancel',
        reason: 'error',
        error: { errcode: 'M_FORBIDDEN', error: expect.any(String) },
        origin_server_ts: server.now(),
      },
    ])
  })

  test('the order: token, input, length of the delay, room, content', async () => {
    const query = { [unstable]: oneDay + 1 }
    const unknownRoom = alice.roomPath('!nowhere:hs1', 'send', 'm.test', '7')
    const huge = { body: 'x'.repeat(65_536) }
    const errcode = async (options: object, path = unknownRoom) =>
      (await alice.request('PUT', path, options)).body.errcode

    expect(await errcode({ query: { [unstable]: 'x' }, body: '{', token: null })).toBe(
      'M_MISSING_TOKEN',
    )
    expect(await errcode({ query: { [unstable]: 'x' }, body: '{', token: 'wrong' })).toBe(
      'M_UNKNOWN_TOKEN',
    )
    expect(await errcode({ query, body: '{' })).toBe('M_NOT_JSON')
    expect(await errcode({ query, body: huge })).toBe('M_UNKNOWN')
    expect(await errcode({ query: { [unstable]: 1 }, body: huge })).toBe('M_NOT_FOUND')
    expect(await errcode({ query: { [unstable]: 1 }, body: huge }, sendPath())).toBe('M_TOO_LARGE')
  })
})

describe('GET /_matrix/client/versions and /v3/capabilities', () => {
  test('say that delayed events are supported, and how long and how many they may be', async () => {
    const versions = await alice.ok('GET', '/_matrix/client/versions')
    expect(versions.unstable_features['org.matrix.msc4140']).toBe(true)
    const { capabilities } = await alice.ok('GET', '/_matrix/client/v3/capabilities')
    const expected = { max_delay_ms: oneDay, max_scheduled: 100 }
    expect(capabilities['org.matrix.msc4140.delayed_events']).toEqual(expected)
    expect(capabilities['m.delayed_events']).toEqual(expected)
  })
})

test('the list is for its owner alone, and wants a good token', async () => {
  await alice.delay(room, hour, 'm.test', {})
  expect(await bob.scheduled()).toEqual([])
  expect((await bob.finalised()).map(item => item.delayed_event.content)).not.toContainEqual({})
  for (const [token, errcode] of [
    [null, 'M_MISSING_TOKEN'],
    ['wrong', 'M_UNKNOWN_TOKEN'],
  ] as const) {
    const { status, body } = await alice.request('GET', delayedEvents, { token })
    expect({ status, errcode: body.errcode }).toEqual({ status: 401, errcode })
  }
})
