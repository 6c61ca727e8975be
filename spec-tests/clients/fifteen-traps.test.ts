/**
 * Fifteen places where matrix-js-sdk, Element Web, Element Call, lk-jwt-service or matrix-rust-sdk
 * go quietly wrong if a server answers a little otherwise than they expect.
 */
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject, WireEvent } from '../support/wire.ts'

const v3 = '/_matrix/client/v3'
const unstable = '/_matrix/client/unstable'
const delayedEvents = `${unstable}/org.matrix.msc4140/delayed_events`
const callMember = 'org.matrix.msc3401.call.member'

let server: TestServer
let alice: Client
let bob: Client
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  bob = await server.user('bob')
})
afterAll(() => server.stop())

/** A room as Element Call makes it: its body, word by word. */
const elementCallRoom = (creator: string): JsonObject => ({
  visibility: 'private',
  preset: 'public_chat',
  name: 'Stand-up',
  power_level_content_override: {
    invite: 100,
    kick: 100,
    ban: 100,
    redact: 50,
    state_default: 0,
    events_default: 0,
    users_default: 0,
    events: {
      'm.room.power_levels': 100,
      'm.room.history_visibility': 100,
      'm.room.tombstone': 100,
      'm.room.encryption': 100,
      'm.room.name': 50,
      'm.room.message': 0,
      'm.room.encrypted': 50,
      'm.sticker': 50,
      [callMember]: 0,
    },
    users: { [creator]: 100 },
  },
})

/** Alice and Bob in a call room, and the state key of Alice's membership. */
async function aCall(): Promise<{ room: string; key: string }> {
  const room = await alice.createRoom(elementCallRoom(alice.userId))
  await bob.join(room)
  return { room, key: `_${alice.userId}_${alice.deviceId}_m.call` }
}

const isThere = (room: string, key: string) =>
  bob.state(room, callMember, key).then(content => Object.keys(content).length > 0)

test('T1: an unknown path is 404 M_UNRECOGNIZED before any token is looked at', async () => {
  const path = `${unstable}/io.element.msc4195/rtc/livekit/delegate_delayed_leave`
  for (const token of [null, alice.token, 'stale']) {
    for (const body of [undefined, {}]) {
      const answer = await alice.request('POST', path, { token, body })
      expect(answer).toMatchObject({ status: 404, body: { errcode: 'M_UNRECOGNIZED' } })
      expect(answer.headers.get('content-type')).toBe('application/json')
      expect(answer.headers.get('access-control-allow-origin')).toBe('*')
    }
    const wrong = await alice.request('PATCH', `${v3}/sync`, { token })
    expect(wrong).toMatchObject({ status: 405, body: { errcode: 'M_UNRECOGNIZED' } })
  }
})

test('T2: OAuth is not spoken here: 404 and M_UNRECOGNIZED', async () => {
  for (const path of [
    '/_matrix/client/v1/auth_metadata',
    `${unstable}/org.matrix.msc2965/auth_metadata`,
    `${unstable}/org.matrix.msc2965/auth_issuer`,
  ]) {
    const answer = await alice.request('GET', path, { token: null })
    expect(answer).toMatchObject({ status: 404, body: { errcode: 'M_UNRECOGNIZED' } })
  }
})

test('T3: errors are application/json, and nothing after it', async () => {
  const answers = [
    await alice.request('POST', `${v3}/createRoom`, { body: '{' }),
    await alice.request('GET', `${v3}/sync`, { token: null }),
    await alice.request('POST', `${v3}/login`, {
      body: { type: 'm.login.password', password: '' },
    }),
    await alice.request('GET', `${v3}/devices/UNKNOWN`),
    await alice.request('DELETE', `${v3}/sync`),
    await alice.request('POST', `${v3}/createRoom`, { body: { name: 'x'.repeat(70_000) } }),
  ]
  expect(answers.map(({ status }) => status)).toEqual([400, 401, 403, 404, 405, 413])
  for (const { headers, body } of answers) {
    expect(headers.get('content-type')).toBe('application/json')
    expect(body).toMatchObject({ errcode: expect.any(String), error: expect.any(String) })
  }
})

test('T4: /versions names v1.1 to v1.12, each of them', async () => {
  const { versions } = await alice.ok('GET', '/_matrix/client/versions', { token: null })
  const upTo12 = Array.from({ length: 12 }, (_, index) => `v1.${index + 1}`)
  expect(versions).toEqual(expect.arrayContaining(upTo12))
})

test('T5: /versions and /login do not mind a stale token', async () => {
  const path = '/_matrix/client/versions'
  const [stale, fresh] = [
    await alice.request('GET', path, { token: 'stale' }),
    await alice.request('GET', path, { token: null }),
  ]
  expect(stale.status).toBe(200)
  expect(stale.body).toEqual(fresh.body)
  const identifier = { type: 'm.id.user', user: alice.userId }
  const login = await alice.request('POST', `${v3}/login`, {
    token: 'stale',
    body: { type: 'm.login.password', identifier, password: alice.password },
  })
  expect(login.status).toBe(200)
  expect((await alice.request('GET', `${v3}/login`, { token: 'stale' })).status).toBe(200)
})

test('T6: a POST with neither body nor content type is normal', async () => {
  const { room, key } = await aCall()
  for (const action of ['restart', 'send', 'cancel']) {
    const delayId = await alice.delayState(room, 8_000, callMember, key, { action })
    const answer = await alice.request('POST', `${delayedEvents}/${delayId}/${action}`)
    expect({ action, status: answer.status, body: answer.body }).toEqual({
      action,
      status: 200,
      body: {},
    })
  }
  expect((await alice.request('POST', alice.roomPath(room, 'leave'))).status).toBe(200)
  expect((await alice.request('POST', alice.roomPath(room, 'forget'))).status).toBe(200)
  expect((await alice.request('POST', `${v3}/join/${room}`)).status).toBe(200)
  const other = alice.sibling()
  await other.login()
  expect((await other.request('POST', `${v3}/logout`)).status).toBe(200)
})

test('T7: restart is 200 while there is something to restart, and 404 M_NOT_FOUND after', async () => {
  const { room, key } = await aCall()
  const schedule = () => alice.delayState(room, 8_000, callMember, key, {})
  const [cancelled, sent, due] = [await schedule(), await schedule(), await schedule()]
  expect((await alice.manage(cancelled, 'restart')).status).toBe(200)
  await alice.manage(cancelled, 'cancel')
  await alice.manage(sent, 'send')
  await server.advance(8_000)
  for (const delayId of [cancelled, sent, due, 'never-was']) {
    for (const token of [null, alice.token]) {
      const path = `${delayedEvents}/${delayId}/restart`
      const answer = await alice.request('POST', path, { token, body: {} })
      expect(answer).toMatchObject({ status: 404, body: { errcode: 'M_NOT_FOUND' } })
    }
  }
})

test("T8: a user's own state event leaves their own delayed event alone", async () => {
  const { room, key } = await aCall()
  const delayId = await alice.delayState(room, 8_000, callMember, key, {})
  await alice.setState(room, callMember, key, { application: 'm.call' })
  expect((await alice.scheduled()).map(({ delay_id }) => delay_id)).toContain(delayId)
  expect((await alice.manage(delayId, 'restart')).status).toBe(200)
  await server.advance(7_999)
  expect(await isThere(room, key)).toBe(true)
  await server.advance(1)
  expect(await isThere(room, key)).toBe(false)
})

test('T9: an hour of delay is not too long, and it is kept to the millisecond', async () => {
  const { room, key } = await aCall()
  await alice.setState(room, callMember, key, { application: 'm.call' })
  await alice.delayState(room, 3_600_000, callMember, key, {})
  await server.advance(3_599_999)
  expect(await isThere(room, key)).toBe(true)
  await server.advance(1)
  expect(await isThere(room, key)).toBe(false)
})

test('T10: delayed events are managed without a token and with one', async () => {
  const { room, key } = await aCall()
  for (const token of [null, alice.token]) {
    await alice.setState(room, callMember, key, { application: 'm.call' })
    const delayId = await alice.delayState(room, 8_000, callMember, key, {})
    const act = (action: string) =>
      alice.request('POST', `${delayedEvents}/${delayId}/${action}`, { token, body: {} })
    await server.advance(7_000)
    expect((await act('restart')).status).toBe(200)
    await server.advance(7_000)
    expect(await isThere(room, key)).toBe(true)
    expect((await act('send')).status).toBe(200)
    expect(await isThere(room, key)).toBe(false)
    const other = await alice.delayState(room, 8_000, callMember, key, {})
    const path = `${delayedEvents}/${other}/cancel`
    expect((await alice.request('POST', path, { token, body: {} })).status).toBe(200)
  }
})

test('T11: device_one_time_keys_count is in every answer of /sync', async () => {
  const room = await alice.createRoom()
  const initial = await alice.sync()
  const empty = await alice.sync({ since: initial.next_batch })
  await alice.say(room, 'news')
  const news = await alice.sync({ since: empty.next_batch, timeout: 30_000 })
  const filtered = await alice.sync({ filter: '{"room":{"rooms":[]}}' })
  for (const answer of [initial, empty, news, filtered]) {
    expect(answer.device_one_time_keys_count).toEqual({ signed_curve25519: expect.any(Number) })
  }
})

test('T12: the state after the timeline comes under the name it was asked by', async () => {
  const names = ['state', 'state_after', 'org.matrix.msc4222.state_after'] as const
  const asked = [{}, { use_state_after: true }, { 'org.matrix.msc4222.use_state_after': true }]
  const [room, left] = [await alice.createRoom(), await alice.createRoom()]
  const { next_batch } = await alice.sync()
  const topic = await alice.setState(room, 'm.room.topic', '', { topic: 'new' })
  await alice.leave(left)
  const { next_batch: later } = await alice.sync()
  await alice.say(room, 'no state')
  for (const [index, query] of asked.entries()) {
    const answer = await alice.sync({ ...query, since: next_batch })
    const name = names[index] ?? 'state'
    for (const section of [answer.rooms.join?.[room], answer.rooms.leave?.[left]]) {
      expect(Object.keys(section ?? {}).filter(key => /state/.test(key))).toEqual([name])
    }
    const state: WireEvent[] = answer.rooms.join?.[room]?.[name]?.events ?? []
    expect(state.map(({ event_id }) => event_id)).toEqual(name === 'state' ? [] : [topic])
    const empty = (await alice.sync({ ...query, since: later })).rooms.join?.[room]
    expect(empty?.[name]).toEqual({ events: [] })
  }
})

describe('T13: the creator in the power levels that Element Call sends', () => {
  test('the default room version is 11 and takes them', async () => {
    const room = await alice.createRoom(elementCallRoom(alice.userId))
    expect((await alice.state(room, 'm.room.create')).room_version).toBe('11')
    const levels = await alice.state(room, 'm.room.power_levels')
    expect(levels).toMatchObject(elementCallRoom(alice.userId).power_level_content_override)
    await bob.join(room)
    await bob.setState(room, callMember, `_${bob.userId}_${bob.deviceId}_m.call`, { joined: true })
  })

  test('room version 12 refuses them with 400, and there is no room', async () => {
    const path = `${v3}/joined_rooms`
    const before = await alice.ok('GET', path)
    const answer = await alice.request('POST', `${v3}/createRoom`, {
      body: { ...elementCallRoom(alice.userId), room_version: '12' },
    })
    expect(answer.status).toBe(400)
    expect(await alice.ok('GET', path)).toEqual(before)
  })

  test('room version 12 takes the same without the creator', async () => {
    const body = elementCallRoom(alice.userId)
    body.power_level_content_override.users = {}
    const room = await alice.createRoom({ ...body, room_version: '12' })
    expect((await alice.state(room, 'm.room.power_levels')).users).toEqual({})
  })
})

test('T14: rtc_transports is a list, also where there is none', async () => {
  for (const path of [
    `${unstable}/org.matrix.msc4143/rtc/transports`,
    '/_matrix/client/v1/rtc/transports',
  ]) {
    expect(await alice.ok('GET', path)).toEqual({ rtc_transports: [] })
  }
})

describe('T15: what clients wait for comes down /sync, and goes when it is acknowledged', () => {
  test('a message to a device comes until a since acknowledges it', async () => {
    const { next_batch: before } = await bob.sync()
    const body = { messages: { [bob.userId]: { [bob.deviceId]: { key: 'secret' } } } }
    const path = `${v3}/sendToDevice/io.element.call.encryption_keys/1`
    await alice.ok('PUT', path, { body })
    const message = {
      type: 'io.element.call.encryption_keys',
      sender: alice.userId,
      content: { key: 'secret' },
    }
    const first = await bob.sync({ since: before })
    expect(first.to_device.events).toEqual([message])
    expect((await bob.sync({ since: before })).to_device.events).toEqual([message])
    const next = await bob.sync({ since: first.next_batch })
    expect(next.to_device.events).toEqual([])
    expect((await bob.sync({ since: before })).to_device.events).toEqual([])
    expect((await bob.sync()).to_device.events).toEqual([])
  })

  test('account data, of the user and of a room, comes back', async () => {
    const room = await alice.createRoom()
    const { next_batch } = await alice.sync()
    const user = `${v3}/user/${alice.userId}`
    await alice.ok('PUT', `${user}/account_data/m.direct`, { body: { a: 1 } })
    await alice.ok('PUT', `${user}/rooms/${room}/account_data/m.tag`, { body: { b: 2 } })
    const answer = await alice.sync({ since: next_batch })
    expect(answer.account_data.events).toEqual([{ type: 'm.direct', content: { a: 1 } }])
    expect(answer.rooms.join?.[room]?.account_data.events).toEqual([
      { type: 'm.tag', content: { b: 2 } },
    ])
  })

  test('a room that was created comes, to a request that was waiting already', async () => {
    const { next_batch } = await alice.sync()
    const waiting = alice.sync({ since: next_batch, timeout: 30_000 })
    await server.untilWaiting(1)
    const room = await alice.createRoom(elementCallRoom(alice.userId))
    const { rooms } = await waiting
    expect(rooms.join?.[room]?.timeline.events[0]?.type).toBe('m.room.create')
  })
})
