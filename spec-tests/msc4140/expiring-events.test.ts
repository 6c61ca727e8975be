import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

let server: TestServer
let alice: Client
let bob: Client
let room: string
beforeAll(async () => {
  server = await startServer({
    config: {
      rate_limits: { enabled: true, delayed_event_misses: { per_second: 0.1, burst_count: 5 } },
    },
  })
  alice = await server.user('alice')
  bob = await server.user('bob')
})
beforeEach(async () => {
  room = await alice.createRoom({
    preset: 'public_chat',
    power_level_content_override: { state_default: 0 },
  })
  await bob.join(room)
})
afterEach(async () => {
  for (const { delay_id } of await alice.scheduled()) await alice.manage(delay_id, 'cancel')
})
afterAll(() => server.stop())

const key = 'm.will_expire'
const state = (content: JsonObject, by = alice) =>
  by.ok('PUT', by.roomPath(room, 'state', 'm.call', 'k'), { body: content })
const message = (content: JsonObject, txnId = alice.nextTransactionId()) =>
  alice.ok('PUT', alice.roomPath(room, 'send', 'm.test', txnId), { body: content })
const expiration = (method: string, token: unknown) =>
  server.anonymous().request('PUT', `/_matrix/client/v3/expiration/${method}`, {
    body: { expire_refresh_token: token } as JsonObject,
  })
const gist = ({ status, body }: { status: number; body: JsonObject }) => `${status} ${body.errcode}`
/** What bob reads, latest first. */
const contents = async () =>
  (await bob.messages(room, { dir: 'b' })).chunk
    .filter(({ type }) => type === 'm.test' || type === 'm.call')
    .map(({ content }) => content)

describe('PUT …/send/{eventType}/{txnId} with m.will_expire', () => {
  test('is sent as running, and answered with both spellings of its id and a token', async () => {
    const answer = await message({ [key]: 10, body: 'x' })
    expect(answer).toEqual({
      event_id: expect.stringMatching(/^\$/),
      eventId: answer.event_id,
      expire_refresh_token: expect.stringMatching(/^[0-9A-Za-z_-]{22,}$/),
    })
    expect((await bob.event(room, answer.event_id)).content).toEqual({
      [key]: 'running',
      body: 'x',
    })
  })

  test('is followed by its copy that has expired, so many seconds later and not a moment before', async () => {
    const { event_id } = await message({ [key]: 10, body: 'x' })
    await server.advance(9_999)
    expect(await contents()).toHaveLength(1)
    await server.advance(1)
    expect((await contents())[0]).toEqual({
      [key]: 'expired',
      body: 'x',
      'm.relates_to': { event_id, rel_type: 'm.expire.relationship' },
    })
    await server.advance(100_000)
    expect(await contents()).toHaveLength(2)
  })

  test('the same txnId gets the same token, also after a restart, and sends once', async () => {
    const first = await message({ [key]: 10 }, 'again')
    await server.restart()
    expect(await message({ [key]: 10 }, 'again')).toEqual(first)
    expect(await contents()).toHaveLength(1)
    expect(await alice.scheduled()).toHaveLength(1)
  })
})

describe('PUT /expiration/{refresh_method}', () => {
  test('refresh starts the time anew; no access token is asked for', async () => {
    const { expire_refresh_token: token } = await state({ [key]: 10 })
    await server.advance(9_000)
    expect(await expiration('refresh', token)).toMatchObject({ status: 200, body: {} })
    await server.advance(9_999)
    expect(await bob.state(room, 'm.call', 'k')).toEqual({ [key]: 'running' })
    await server.advance(1)
    expect(await bob.state(room, 'm.call', 'k')).toMatchObject({ [key]: 'expired' })
  })

  test('end ends it at once, and the token is dead', async () => {
    const { event_id, expire_refresh_token: token } = await state({ [key]: 10, a: 1 })
    expect((await expiration('end', token)).status).toBe(200)
    expect(await bob.state(room, 'm.call', 'k')).toEqual({
      [key]: 'ended',
      a: 1,
      'm.relates_to': { event_id, rel_type: 'm.expire.relationship' },
    })
    expect(gist(await expiration('end', token))).toBe('410 M_NOT_FOUND')
    expect(gist(await expiration('refresh', token))).toBe('410 M_NOT_FOUND')
    await server.advance(20_000)
    expect(await contents()).toHaveLength(2)
  })

  test('ended through the newest dialect, it has ended, too', async () => {
    await state({ [key]: 10 })
    const [{ delay_id } = {}] = await alice.scheduled()
    expect((await alice.manage(String(delay_id), 'send')).status).toBe(200)
    expect(await bob.state(room, 'm.call', 'k')).toMatchObject({ [key]: 'ended' })
  })

  test('what is no token is refused; guessing at them is made to wait', async () => {
    for (const token of ['', 1, null, 'x'.repeat(300)]) {
      expect((await expiration('refresh', token)).status).toBe(400)
    }
    for (let i = 0; i < 5; i++) {
      expect(gist(await expiration('end', `guess${i}`))).toBe('410 M_NOT_FOUND')
    }
    const { expire_refresh_token: token } = await state({ [key]: 10 })
    const answer = await expiration('end', 'guess')
    expect(gist(answer)).toBe('429 M_LIMIT_EXCEEDED')
    expect(answer.headers.get('retry-after')).toBe('10')
    expect(answer.body.retry_after_ms).toBe(10_000)
    // Whoever knows one is not held up: one media server speaks for everybody.
    expect((await expiration('refresh', token)).status).toBe(200)
    await server.advance(10_000)
    expect(gist(await expiration('end', 'guess'))).toBe('410 M_NOT_FOUND')
  })

  test('an unknown method is 404, and POST is 405', async () => {
    expect(gist(await expiration('stop', 'x'))).toBe('404 M_UNRECOGNIZED')
    const post = await alice.request('POST', '/_matrix/client/v3/expiration/end', { body: {} })
    expect(gist(post)).toBe('405 M_UNRECOGNIZED')
  })
})

describe('a newer state event of the same key', () => {
  test.each([
    ['of the owner', () => alice],
    ['of another user', () => bob],
  ])('%s stops the time and kills the token', async (_, by) => {
    const { expire_refresh_token: token } = await state({ [key]: 10 })
    await state({ a: 1 }, by())
    expect(gist(await expiration('refresh', token))).toBe('410 M_NOT_FOUND')
    await server.advance(20_000)
    expect(await bob.state(room, 'm.call', 'k')).toEqual({ a: 1 })
  })

  test('that expires itself, to the letter the same, has a time of its own', async () => {
    await state({ [key]: 10 })
    await server.advance(9_000)
    const second = await state({ [key]: 10 })
    await server.advance(9_999)
    expect(await bob.state(room, 'm.call', 'k')).toEqual({ [key]: 'running' })
    await server.advance(1)
    expect(await bob.state(room, 'm.call', 'k')).toMatchObject({
      [key]: 'expired',
      'm.relates_to': { event_id: second.event_id },
    })
    expect(await contents()).toHaveLength(3)
  })
})

describe('a redaction of the event', () => {
  const secret = { [key]: 60, body: 'secret' }

  test.each([
    ['its sender', () => alice],
    ['a moderator', () => bob],
  ])('by %s: what was in it does not come back when it would expire', async (_, by) => {
    const levels = await alice.state(room, 'm.room.power_levels', '')
    const users = { ...levels.users, [bob.userId]: 50 }
    await alice.setState(room, 'm.room.power_levels', '', { ...levels, users })
    const events = [await message(secret), await state(secret)]
    for (const { event_id } of events) await by().redact(room, event_id)
    expect(await alice.scheduled()).toEqual([])
    for (const { expire_refresh_token: token } of events) {
      expect(gist(await expiration('end', token))).toBe('410 M_NOT_FOUND')
    }
    await server.advance(60_000)
    expect(await contents()).toEqual([{}, {}])
    expect(await bob.state(room, 'm.call', 'k')).toEqual({})
  })

  test('that is delayed itself, before the event expires and after it', async () => {
    const { event_id } = await message(secret)
    const other = await message({ ...secret, [key]: 10 })
    for (const redacts of [event_id, other.event_id]) {
      await alice.delay(room, 30_000, 'm.room.redaction', { redacts })
    }
    await server.advance(60_000)
    expect(await contents()).toEqual([
      { [key]: 'expired', body: 'secret', 'm.relates_to': expect.anything() },
      {},
      {},
    ])
  })
})

describe('what is refused, and sends nothing', () => {
  test.each([0, -1, 1.5, 9e15, '10', 'soon', true, [], {}])('m.will_expire: %j', async value => {
    for (const path of [
      ['send', 'm.test', alice.nextTransactionId()],
      ['state', 'm.call', 'k'],
    ]) {
      const answer = await alice.request('PUT', alice.roomPath(room, ...path), {
        body: { [key]: value },
      })
      expect(gist(answer)).toMatch(/^400 M_(INVALID_PARAM|BAD_JSON)$/)
    }
    expect(await contents()).toEqual([])
  })

  test('a time longer than the server allows', async () => {
    const path = alice.roomPath(room, 'send', 'm.test', alice.nextTransactionId())
    const answer = await alice.request('PUT', path, { body: { [key]: 86_401 } })
    expect(answer.status).toBe(400)
    expect(answer.body).toMatchObject({
      errcode: 'M_FUTURE_MAX_TIMEOUT_EXCEEDED',
      timeout_duration: 86_400_000,
    })
    expect(await contents()).toEqual([])
  })

  test('the words of what has happened are content like any other', async () => {
    for (const word of ['running', 'expired', 'ended']) await message({ [key]: word })
    expect(await contents()).toHaveLength(3)
    expect(await alice.scheduled()).toEqual([])
  })
})
