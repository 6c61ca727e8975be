import { TestAppService } from '../support/app-service.ts'
import type { Client, RequestOptions } from '../support/client.ts'
import { crossSigningSet, deviceKeysOf, makeKey } from '../support/keys.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

const v3 = '/_matrix/client/v3'
const exclusive = { status: 400, body: { errcode: 'M_EXCLUSIVE' } }
const forbidden = { status: 403, body: { errcode: 'M_FORBIDDEN' } }
const enc = encodeURIComponent

let server: TestServer
let irc: TestAppService
let other: TestAppService
let bot: Client
let alice: Client
beforeAll(async () => {
  irc = await TestAppService.start('irc')
  other = await TestAppService.start('other', { url: null })
  server = await startServer({ config: { app_service_config_files: [irc.file, other.file] } })
  bot = server.anonymous()
  bot.userId = '@_irc_bot:hs1'
  bot.token = irc.asToken
  alice = await server.user('alice')
})
afterAll(async () => {
  await server.stop()
  await irc.stop()
  await other.stop()
})
beforeEach(() => {
  irc.answer = () => ({ status: 200 })
})

const registerUser = (username: string, token: string | null = irc.asToken) =>
  bot.request('POST', `${v3}/register`, {
    token,
    body: { type: 'm.login.application_service', username },
  })
const logIn = (user: string, token: string | null = irc.asToken) =>
  bot.request('POST', `${v3}/login`, {
    token,
    body: { type: 'm.login.application_service', identifier: { type: 'm.id.user', user } },
  })
const whoami = (query: RequestOptions['query'] = {}) =>
  bot.request('GET', `${v3}/account/whoami`, { query })
/** Events are acknowledged all the while; else the service would be left alone for a time. */
const exceptForTransactions =
  (answer: { status: number; body?: JsonObject } | undefined): TestAppService['answer'] =>
  ({ path }) =>
    path.includes('/transactions/') ? { status: 200 } : answer
/** Until everything that has happened so far has been told. */
async function untilTold(eventId: string): Promise<void> {
  await irc.until(() => irc.events().some(event => event.event_id === eventId))
}

describe('POST /_matrix/client/v3/register, m.login.application_service', () => {
  test('the service makes users in its namespace, without a password', async () => {
    const { status, body } = await registerUser('_irc_made')
    expect(status).toBe(200)
    expect(body).toMatchObject({ user_id: '@_irc_made:hs1', access_token: expect.any(String) })
    const attempt = bot.request('POST', `${v3}/login`, {
      token: null,
      body: { type: 'm.login.password', user: '_irc_made', password: '' },
    })
    expect(await attempt).toMatchObject(forbidden)
  })

  test('not outside of it, and not in that of another', async () => {
    expect(await registerUser('somebody')).toMatchObject(exclusive)
    expect(await registerUser('_other_somebody')).toMatchObject(exclusive)
  })

  test('nobody else makes users in an exclusive namespace', async () => {
    const body = { auth: { type: 'm.login.dummy' }, username: '_irc_human' }
    expect(await alice.request('POST', `${v3}/register`, { body })).toMatchObject(exclusive)
    const available = `${v3}/register/available`
    const query = { username: '_irc_human' }
    expect(await alice.request('GET', available, { query })).toMatchObject(exclusive)
  })

  test('without the token of a service it is 401', async () => {
    for (const attempt of [registerUser, logIn]) {
      expect(await attempt('_irc_none', null)).toMatchObject({
        status: 401,
        body: { errcode: 'M_MISSING_TOKEN' },
      })
      for (const token of ['made-up', alice.token ?? '']) {
        expect(await attempt('_irc_none', token)).toMatchObject({
          status: 401,
          body: { errcode: 'M_UNKNOWN_TOKEN' },
        })
      }
    }
  })

  test('without a name it is M_MISSING_PARAM, and a name is taken once', async () => {
    const body = { type: 'm.login.application_service' }
    expect((await bot.request('POST', `${v3}/register`, { body })).body.errcode).toBe(
      'M_MISSING_PARAM',
    )
    await registerUser('_irc_once')
    expect((await registerUser('_irc_once')).body.errcode).toBe('M_USER_IN_USE')
  })
})

describe('POST /_matrix/client/v3/login, m.login.application_service', () => {
  test('GET /login tells of it', async () => {
    const { flows } = await alice.ok('GET', `${v3}/login`)
    expect(flows).toContainEqual({ type: 'm.login.application_service' })
  })

  test('the service logs its users in', async () => {
    await registerUser('_irc_login')
    const { body } = await logIn('_irc_login')
    const { body: who } = await bot.request('GET', `${v3}/account/whoami`, {
      token: body.access_token,
    })
    expect(who).toMatchObject({ user_id: '@_irc_login:hs1', device_id: body.device_id })
  })

  test('not those of others, and not those who do not exist', async () => {
    expect(await logIn(alice.userId)).toMatchObject(exclusive)
    expect(await logIn('_irc_nobody')).toMatchObject(forbidden)
  })
})

describe('Identity assertion', () => {
  beforeAll(() => registerUser('_irc_virtual'))

  test('without user_id it is the user of sender_localpart, who needs no registration', async () => {
    expect((await whoami()).body).toEqual({ user_id: '@_irc_bot:hs1', is_guest: false })
  })

  test('with user_id it is that user, with device_id that device', async () => {
    const { body } = await logIn('_irc_virtual')
    const user_id = '@_irc_virtual:hs1'
    expect((await whoami({ user_id })).body.user_id).toBe(user_id)
    for (const name of ['device_id', 'org.matrix.msc3202.device_id']) {
      expect((await whoami({ user_id, [name]: body.device_id })).body).toEqual({
        user_id,
        device_id: body.device_id,
        is_guest: false,
      })
      expect(await whoami({ user_id, [name]: 'NONE' })).toMatchObject({
        status: 400,
        body: { errcode: 'M_UNKNOWN_DEVICE' },
      })
    }
  })

  test('MSC4190: the service makes a device of its user, and removes it without a password', async () => {
    const user_id = '@_irc_virtual:hs1'
    const path = `${v3}/devices/BRIDGED`
    const query = { user_id }
    const put = (body: JsonObject) => bot.request('PUT', path, { query, body })
    expect(await put({ display_name: 'IRC' })).toMatchObject({ status: 201, body: {} })
    expect(await put({ display_name: 'IRC' })).toMatchObject({ status: 200, body: {} })
    expect(await put({})).toMatchObject({ status: 200, body: {} })
    expect((await whoami({ user_id, device_id: 'BRIDGED' })).body.device_id).toBe('BRIDGED')
    expect(await bot.ok('GET', path, { query })).toMatchObject({ display_name: 'IRC' })
    await bot.ok('DELETE', path, { query })
    expect((await whoami({ user_id, device_id: 'BRIDGED' })).status).toBe(400)
  })

  test('a device of its user logs out; without one there is no session that could end', async () => {
    await registerUser('_irc_parting')
    const user_id = '@_irc_parting:hs1'
    await bot.ok('PUT', `${v3}/devices/BRIDGED`, { query: { user_id }, body: {} })
    const logOut = (query: RequestOptions['query']) =>
      bot.request('POST', `${v3}/logout`, { query })
    for (const query of [{}, { user_id }]) {
      const answer = { status: 400, body: { errcode: 'M_MISSING_PARAM' } }
      expect(await logOut(query)).toMatchObject(answer)
    }
    expect((await logOut({ user_id, device_id: 'BRIDGED' })).status).toBe(200)
    expect((await whoami({ user_id, device_id: 'BRIDGED' })).status).toBe(400)
  })

  test('the service publishes keys of its user, and replaces them without a password', async () => {
    await registerUser('_irc_encrypted')
    const user = server.anonymous()
    Object.assign(user, { userId: '@_irc_encrypted:hs1', deviceId: 'BRIDGED', token: irc.asToken })
    const query = { user_id: user.userId }
    await bot.ok('PUT', `${v3}/devices/BRIDGED`, { query, body: {} })
    const body = { device_keys: deviceKeysOf(user, makeKey('BRIDGED')) }
    const upload = (more: JsonObject) =>
      bot.request('POST', `${v3}/keys/upload`, { query: { ...query, ...more }, body })
    expect(await upload({ device_id: 'BRIDGED' })).toMatchObject({ status: 200 })
    expect(await upload({})).toMatchObject({ status: 400, body: { errcode: 'M_MISSING_PARAM' } })

    const publish = (keys: JsonObject) =>
      bot.request('POST', `${v3}/keys/device_signing/upload`, { query, body: keys })
    for (let i = 0; i < 2; i++) {
      expect(await publish(crossSigningSet(user.userId).body)).toMatchObject({ status: 200 })
    }
    const { master, body: keys } = crossSigningSet(user.userId)
    await publish(keys)
    const named = `${v3}/devices/${enc(master.publicKey)}`
    expect(await bot.request('PUT', named, { query, body: {} })).toMatchObject(forbidden)
  })

  test('a pusher belongs to a device, which the service has to name', async () => {
    await registerUser('_irc_pushed')
    const query = { user_id: '@_irc_pushed:hs1' }
    await bot.ok('PUT', `${v3}/devices/BRIDGED`, { query, body: {} })
    const body = {
      ...{ app_id: 'irc', pushkey: 'key', kind: 'http', lang: 'en' },
      ...{ app_display_name: 'IRC', device_display_name: 'IRC' },
      data: { url: 'https://push.example/_matrix/push/v1/notify' },
    }
    const set = (more: JsonObject) =>
      bot.request('POST', `${v3}/pushers/set`, { query: { ...query, ...more }, body })
    expect(await set({})).toMatchObject({ status: 400, body: { errcode: 'M_MISSING_PARAM' } })
    expect(await set({ device_id: 'BRIDGED' })).toMatchObject({ status: 200 })
  })

  test('the service closes the account of its user without a password, and no other', async () => {
    await registerUser('_irc_leaving')
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    const query = { user_id: '@_irc_leaving:hs1' }
    await bot.ok('POST', bot.roomPath(roomId, 'join'), { body: {}, query })
    const path = `${v3}/account/deactivate`
    expect(await bot.request('POST', path, { body: {}, query })).toMatchObject({ status: 200 })
    const { membership } = await alice.state(roomId, 'm.room.member', '@_irc_leaving:hs1')
    expect(membership).toBe('leave')
    expect((await logIn('_irc_leaving')).status).toBe(403)
    const others = { body: {}, query: { user_id: alice.userId } }
    expect(await bot.request('POST', path, others)).toMatchObject(forbidden)
    expect(await alice.request('POST', path, { body: {} })).toMatchObject({ status: 401 })
  })

  test('not a user of others, and not one who does not exist', async () => {
    expect(await whoami({ user_id: alice.userId })).toMatchObject(forbidden)
    expect(await whoami({ user_id: '@_irc_nobody:hs1' })).toMatchObject(forbidden)
    expect(await whoami({ user_id: '' })).toMatchObject(forbidden)
  })

  test('for everybody else the parameter means nothing', async () => {
    const query = { user_id: bot.userId }
    const { body } = await alice.request('GET', `${v3}/account/whoami`, { query })
    expect(body.user_id).toBe(alice.userId)
  })

  test('its users join, speak and are seen', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    const query = { user_id: '@_irc_virtual:hs1' }
    await bot.ok('POST', bot.roomPath(room, 'join'), { body: {}, query })
    const send = bot.roomPath(room, 'send', 'm.room.message', 'once')
    const body = { msgtype: 'm.text', body: 'from IRC' }
    const { event_id } = await bot.ok('PUT', send, { body, query })
    expect(await bot.ok('PUT', send, { body, query })).toEqual({ event_id })
    expect(await alice.event(room, event_id)).toMatchObject({ sender: '@_irc_virtual:hs1' })
  })
})

describe('Timestamp massaging: ?ts=', () => {
  test('a message and a state event have the time that the service gives', async () => {
    const room = await bot.createRoom()
    for (const path of ['send/m.test/1', 'state/m.test/x']) {
      const at = `${bot.roomPath(room)}/${path}`
      const { event_id } = await bot.ok('PUT', at, { body: {}, query: { ts: 1234 } })
      expect((await bot.event(room, event_id)).origin_server_ts).toBe(1234)
    }
  })

  test('jumping to a date goes by it, and by the order of sending where it is the same', async () => {
    const room = await bot.createRoom()
    const path = bot.roomPath(room, 'timestamp_to_event').replace('/v3/', '/v1/')
    const ids: string[] = []
    for (const txnId of ['first', 'second']) {
      const at = bot.roomPath(room, 'send', 'm.test', txnId)
      ids.push((await bot.ok('PUT', at, { body: {}, query: { ts: 1234 } })).event_id)
    }
    const near = async (ts: number, dir: string) =>
      (await bot.ok('GET', path, { query: { ts, dir } })).event_id
    expect([await near(1234, 'f'), await near(1234, 'b')]).toEqual(ids)
    // Older than the room, though it was sent after its last state.
    expect(await near(server.now() - 1, 'b')).toBe(ids[1])
  })

  test('MSC4140: a delayed event has it too, and is sent when it is due', async () => {
    const room = await bot.createRoom()
    const query = { ts: 1234, 'org.matrix.msc4140.delay': 1_000 }
    const put = { delay_ms: 1_000, content: {} }
    await bot.ok('PUT', bot.roomPath(room, 'send', 'm.test', '1'), { body: {}, query })
    await bot.ok('PUT', bot.roomPath(room, 'state', 'm.test', 'x'), { body: {}, query })
    const path = bot.roomPath(room, 'delayed_event', 'm.test', '2')
    await bot.ok('PUT', path, { body: put, query: { ts: 1234 } })
    const times = async () => {
      const { chunk } = await bot.messages(room, { dir: 'b' })
      return chunk.flatMap(event => (event.type === 'm.test' ? event.origin_server_ts : []))
    }
    await server.advance(999)
    expect(await times()).toEqual([])
    await server.advance(1)
    expect(await times()).toEqual([1234, 1234, 1234])
  })

  test("MSC4140's older dialects: what the request sends has it, what follows that has not", async () => {
    const room = await bot.createRoom()
    const send = (n: string, body: JsonObject, query = {}) =>
      bot.ok('PUT', bot.roomPath(room, 'send', 'm.test', n), {
        body: { n, ...body },
        query: { ts: 1234, ...query },
      })
    await send('expiring', { 'm.will_expire': 2 })
    await send('future', {}, { future_timeout: 1_000 })
    const futures = { 'm.timeout': 3, 'm.send_now': { n: 'now' }, 'm.send_on_timeout': { n: 'up' } }
    const path = bot.roomPath(room, 'send', 'm.test', 'futures', 'future')
    await bot.ok('PUT', path, { body: futures, query: { ts: 1234 } })
    const start = server.now()
    await server.advance(3_000)
    const { chunk } = await bot.messages(room, { dir: 'b' })
    const sent = chunk.filter(({ type }) => type === 'm.test').reverse()
    expect(sent.map(event => [event.content.n, event.origin_server_ts])).toEqual([
      ['expiring', 1234],
      ['now', 1234],
      ['future', 1234],
      ['expiring', start + 2_000],
      ['up', start + 3_000],
    ])
  })

  test("MSC4140: a user's ts is not looked at for a delayed event either", async () => {
    const room = await alice.createRoom()
    const path = alice.roomPath(room, 'send', 'm.test', 'later')
    const query = { ts: 'x', 'org.matrix.msc4140.delay': 1_000 }
    await alice.ok('PUT', path, { body: {}, query })
    await server.advance(1_000)
    const [event] = (await alice.messages(room, { dir: 'b', limit: 1 })).chunk
    expect(event).toMatchObject({ type: 'm.test', origin_server_ts: server.now() })
  })

  test.each(['-1', 'x', '1.5', '', '99999999999999999999'])('ts=%s is refused', async ts => {
    const room = await bot.createRoom()
    const path = bot.roomPath(room, 'send', 'm.test', '1')
    expect(await bot.request('PUT', path, { body: {}, query: { ts } })).toMatchObject({
      status: 400,
      body: { errcode: 'M_INVALID_PARAM' },
    })
  })

  test("a user's ts is not looked at", async () => {
    const room = await alice.createRoom()
    const path = alice.roomPath(room, 'send', 'm.test', '1')
    for (const ts of ['1234', 'x']) {
      const { event_id } = await alice.ok('PUT', path, { body: {}, query: { ts } })
      expect((await alice.event(room, event_id)).origin_server_ts).toBe(server.now())
    }
  })
})

describe('Aliases of an exclusive namespace', () => {
  const put = (client: Client, alias: string, room: string) =>
    client.request('PUT', `${v3}/directory/room/${enc(alias)}`, { body: { room_id: room } })
  const remove = (client: Client, alias: string) =>
    client.request('DELETE', `${v3}/directory/room/${enc(alias)}`)

  test('the service makes and removes them; nobody else does', async () => {
    const [theirs, hers] = [await bot.createRoom(), await alice.createRoom()]
    expect(await put(alice, '#_irc_channel:hs1', hers)).toMatchObject(exclusive)
    expect((await put(bot, '#_irc_channel:hs1', theirs)).status).toBe(200)
    expect(await remove(alice, '#_irc_channel:hs1')).toMatchObject(exclusive)
    expect((await remove(bot, '#_irc_channel:hs1')).status).toBe(200)
  })

  test('the service makes none outside of its own', async () => {
    const room = await bot.createRoom()
    for (const alias of ['#plain:hs1', '#_other_channel:hs1']) {
      expect(await put(bot, alias, room)).toMatchObject(exclusive)
    }
  })

  test('POST /createRoom knows it too, and makes no room', async () => {
    const create = (client: Client, name: string) =>
      client.request('POST', `${v3}/createRoom`, { body: { room_alias_name: name } })
    expect(await create(alice, '_irc_new')).toMatchObject(exclusive)
    expect((await create(bot, '_irc_new')).status).toBe(200)
  })
})

describe('Querying', () => {
  const alias = '#_irc_asked:hs1'

  test('an unknown alias is asked for, and what the service makes is found', async () => {
    irc.answer = async ({ path }) => {
      if (path === `/_matrix/app/v1/rooms/${enc(alias)}`) {
        await bot.createRoom({ preset: 'public_chat', room_alias_name: '_irc_asked' })
      }
      return { status: 200 }
    }
    const room = await alice.join(alias)
    expect(irc.heard.find(({ path }) => path.includes('/rooms/'))).toMatchObject({
      method: 'GET',
      authorization: `Bearer ${irc.hsToken}`,
    })
    const asked = irc.heard.length
    const found = await alice.ok('GET', `${v3}/directory/room/${enc(alias)}`)
    expect(found.room_id).toBe(room)
    const further = irc.heard.slice(asked).filter(({ path }) => path.includes('/rooms/'))
    expect(further).toEqual([])
  })

  test('what the service does not know is 404; if it cannot be reached, 408', async () => {
    const path = `${v3}/directory/room/${enc('#_irc_unknown:hs1')}`
    irc.answer = exceptForTransactions({ status: 404 })
    expect(await alice.request('GET', path)).toMatchObject({
      status: 404,
      body: { errcode: 'M_NOT_FOUND' },
    })
    irc.answer = exceptForTransactions(undefined)
    expect((await alice.request('GET', path)).status).toBe(408)
  })

  test('a user who is to be invited is asked for', async () => {
    irc.answer = async ({ path }) => {
      if (path.startsWith('/_matrix/app/v1/users/')) await registerUser('_irc_invited')
      return { status: 200 }
    }
    const room = await alice.createRoom()
    await alice.invite(room, '@_irc_invited:hs1')
    expect((await whoami({ user_id: '@_irc_invited:hs1' })).status).toBe(200)
  })
})

describe('POST /_matrix/client/v1/appservice/{appserviceId}/ping', () => {
  const ping = (id: string, client = bot, token?: string) =>
    client.request('POST', `/_matrix/client/v1/appservice/${id}/ping`, {
      body: { transaction_id: 'meow' },
      ...(token === undefined ? {} : { token }),
    })

  test('the service hears it, and hears how long it took', async () => {
    expect(await ping('irc')).toMatchObject({ status: 200, body: { duration_ms: 0 } })
    expect(irc.heard.find(({ path }) => path.endsWith('/ping'))).toEqual({
      method: 'POST',
      path: '/_matrix/app/v1/ping',
      authorization: `Bearer ${irc.hsToken}`,
      body: { transaction_id: 'meow' },
    })
  })

  test('what went wrong is told', async () => {
    irc.answer = exceptForTransactions({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
    expect(await ping('irc')).toMatchObject({
      status: 502,
      body: { errcode: 'M_BAD_STATUS', status: 403, body: '{"errcode":"M_FORBIDDEN"}' },
    })
    irc.answer = exceptForTransactions(undefined)
    expect(await ping('irc')).toMatchObject({
      status: 502,
      body: { errcode: 'M_CONNECTION_FAILED' },
    })
  })

  test('only the service itself may ask, and only if it has a url', async () => {
    expect(await ping('irc', alice)).toMatchObject(forbidden)
    expect(await ping('other')).toMatchObject(forbidden)
    expect(await ping('other', bot, other.asToken)).toMatchObject({
      status: 400,
      body: { errcode: 'M_URL_NOT_SET' },
    })
  })
})

describe('Pushing events: PUT /_matrix/app/v1/transactions/{txnId}', () => {
  const heardOf = (room: string) => irc.events().filter(({ room_id }) => room_id === room)
  const bodies = (room: string) =>
    heardOf(room)
      .filter(({ type }) => type === 'm.room.message')
      .map(({ content }) => content.body)
  async function roomWithBot(): Promise<string> {
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bot.join(room)
    return room
  }

  test('events of a room that its user is in arrive, in the form that clients know', async () => {
    const room = await roomWithBot()
    const eventId = await alice.say(room, 'hello')
    await untilTold(eventId)
    expect(heardOf(room).at(-1)).toEqual({
      event_id: eventId,
      room_id: room,
      type: 'm.room.message',
      sender: alice.userId,
      content: { msgtype: 'm.text', body: 'hello' },
      origin_server_ts: server.now(),
      unsigned: { age: 0 },
    })
    expect(irc.heard.at(-1)).toMatchObject({
      method: 'PUT',
      authorization: `Bearer ${irc.hsToken}`,
    })
  })

  test('MSC4140: what its users sent with a delay has the delay_id, what others sent has not', async () => {
    const room = await roomWithBot()
    await alice.delay(room, 1_000, 'm.test', { by: 'alice' })
    const delayId = await bot.delay(room, 1_000, 'm.test', { by: 'bot' })
    await server.advance(1_000)
    await untilTold(await alice.say(room, 'that was all'))
    const seen = heardOf(room).filter(({ type }) => type === 'm.test')
    expect(seen.map(({ content, unsigned }) => [content.by, unsigned])).toEqual([
      ['alice', { age: expect.any(Number) }],
      [
        'bot',
        {
          age: expect.any(Number),
          delay_id: delayId,
          'org.matrix.msc4140.delay_id': delayId,
        },
      ],
    ])
  })

  test('nothing of a room that it has nothing to do with, or that its user has left', async () => {
    const [hers, shared] = [await alice.createRoom(), await roomWithBot()]
    await alice.say(hers, 'secret')
    await bot.leave(shared)
    await alice.say(shared, 'gone')
    await untilTold(await alice.say(await roomWithBot(), 'last'))
    expect(heardOf(hers)).toEqual([])
    expect(bodies(shared)).toEqual([])
    expect(heardOf(shared).at(-1)).toMatchObject({ content: { membership: 'leave' } })
  })

  test('an invite of its user arrives, and so do rooms with an alias of its own', async () => {
    const room = await alice.createRoom()
    await alice.invite(room, bot.userId)
    const aliased = await bot.createRoom({
      preset: 'public_chat',
      room_alias_name: '_irc_followed',
      power_level_content_override: { users: { [bot.userId]: 100, [alice.userId]: 100 } },
    })
    await alice.join(aliased)
    await bot.leave(aliased)
    await untilTold(await alice.say(aliased, 'still followed'))
    expect(heardOf(room)).toMatchObject([{ type: 'm.room.member', state_key: bot.userId }])
    expect(bodies(aliased)).toEqual(['still followed'])
  })

  test('what is not acknowledged is sent again, the same, before anything else', async () => {
    const room = await roomWithBot()
    await untilTold(await alice.say(room, 'acknowledged'))
    irc.answer = () => ({ status: 500 })
    const before = irc.transactions().length
    await alice.say(room, 'first')
    await irc.until(() => irc.transactions().length > before)
    await alice.say(room, 'second')
    // The clock moves only once the failure has been noticed.
    for (let attempt = 2; attempt <= 4; attempt++) {
      await server.untilWaiting(1)
      await server.advance(1_000 * 2 ** (attempt - 2) - 1)
      expect(irc.transactions()).toHaveLength(before + attempt - 1)
      await server.advance(1)
      await irc.until(() => irc.transactions().length === before + attempt)
    }
    const [first, ...again] = irc.transactions().slice(before)
    for (const repetition of again) expect(repetition).toEqual(first)
    irc.answer = () => ({ status: 200 })
    await server.untilWaiting(1)
    await server.advance(8_000)
    await irc.until(() => bodies(room).includes('second'))
    expect(bodies(room)).toEqual(['acknowledged', 'first', 'second'])
  })

  test('nothing is lost, doubled or moved by a restart', async () => {
    const room = await roomWithBot()
    irc.answer = () => undefined
    const before = irc.transactions().length
    await alice.say(room, '1')
    await irc.until(() => irc.transactions().length > before)
    await alice.say(room, '2')
    await server.restart(60_000)
    await alice.say(room, '3')
    await server.untilWaiting(1)
    irc.answer = () => ({ status: 200 })
    await server.restart()
    await untilTold(await alice.say(room, '4'))
    expect(bodies(room)).toEqual(['1', '2', '3', '4'])
    const eventIds = irc.events().map(({ event_id }) => event_id)
    expect(new Set(eventIds).size).toBe(eventIds.length)
  })

  test('many who speak at once are all heard, in the order of the stream', async () => {
    const rooms = await Promise.all([roomWithBot(), roomWithBot(), roomWithBot(), roomWithBot()])
    const count = 25
    await Promise.all(
      rooms.map(async (room, index) => {
        const speaker = await server.user('bob')
        await speaker.join(room)
        for (let n = 0; n < count; n++) await speaker.say(room, `${index}:${n}`)
      }),
    )
    const everything = () => rooms.flatMap(room => bodies(room))
    await irc.until(() => everything().length >= rooms.length * count)
    for (const [index, room] of rooms.entries()) {
      expect(bodies(room)).toEqual(Array.from({ length: count }, (_, n) => `${index}:${n}`))
    }
  })

  test('a service that only knows the paths of the drafts is told there', async () => {
    const room = await roomWithBot()
    irc.answer = ({ path }) => ({ status: path.startsWith('/_matrix/app/v1/') ? 404 : 200 })
    const older = () => irc.heard.filter(({ path }) => path.startsWith('/transactions/'))
    const eventId = await alice.say(room, 'to the old path')
    await irc.until(() =>
      older().some(({ body }) => body.events.some((e: JsonObject) => e.event_id === eventId)),
    )
  })
})
