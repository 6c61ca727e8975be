import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

/** A push gateway that notes what it is told, and answers as it is told. */
class Gateway {
  readonly told: JsonObject[] = []
  status = 200
  rejected: string[] = []
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(): Promise<Gateway> {
    const gateway: Gateway = new Gateway(
      createServer(async (request, response) => {
        const parts: Buffer[] = []
        for await (const part of request) parts.push(part as Buffer)
        const body = JSON.parse(Buffer.concat(parts).toString()) as JsonObject
        gateway.told.push({ path: request.url, ...body.notification })
        response.writeHead(gateway.status, { 'Content-Type': 'application/json' })
        response.end(JSON.stringify({ rejected: gateway.rejected }))
      }),
    )
    await new Promise<void>(resolve => gateway.#server.listen(0, '127.0.0.1', resolve))
    return gateway
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo
    return `http://127.0.0.1:${port}/_matrix/push/v1/notify`
  }

  /** What came since the last look. */
  async take(): Promise<JsonObject[]> {
    await server.idle()
    return this.told.splice(0)
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }
}

let server: TestServer
let gateway: Gateway
let alice: Client
beforeAll(async () => {
  server = await startServer()
  gateway = await Gateway.start()
  alice = await server.user('alice')
})
afterAll(async () => {
  await server.stop()
  await gateway.stop()
})

const v3 = '/_matrix/client/v3'
const pusher = (change: JsonObject = {}): JsonObject => ({
  app_id: 'org.example.app',
  pushkey: 'the-key',
  kind: 'http',
  app_display_name: 'App',
  device_display_name: 'Phone',
  lang: 'en',
  data: { url: gateway.url, brand: 'x' },
  ...change,
})
const setPusher = (who: Client, change: JsonObject = {}) =>
  who.ok('POST', `${v3}/pushers/set`, { body: pusher(change) })
const pushers = async (who: Client) => (await who.ok('GET', `${v3}/pushers`)).pushers

/** A user with a pusher of their own, in a room with alice. */
async function pushedUser(change: JsonObject = {}): Promise<{ bob: Client; room: string }> {
  const bob = await server.user('bob')
  const room = await alice.createRoom({ preset: 'public_chat', name: 'The room' })
  await bob.join(room)
  await setPusher(bob, { pushkey: `key of ${bob.userId}`, ...change })
  return { bob, room }
}

const rulePath = (kind: string, id: string) =>
  `${v3}/pushrules/global/${kind}/${encodeURIComponent(id)}`
const ignore = (who: Client, ignored: JsonObject) =>
  who.ok('PUT', `${v3}/user/${who.userId}/account_data/m.ignored_user_list`, {
    body: { ignored_users: ignored },
  })

describe('POST /pushers/set', () => {
  test('a pusher is set, listed, written over, and removed', async () => {
    const bob = await server.user('bob')
    await setPusher(bob)
    await setPusher(bob, { profile_tag: 'work', lang: 'de' })
    expect(await pushers(bob)).toEqual([pusher({ profile_tag: 'work', lang: 'de' })])
    await bob.ok('POST', `${v3}/pushers/set`, {
      body: { app_id: 'org.example.app', pushkey: 'the-key', kind: null },
    })
    expect(await pushers(bob)).toEqual([])
  })

  test('a pushkey has one user, unless `append` says that it may have several', async () => {
    const [bob, charlie] = [await server.user('bob'), await server.user('charlie')]
    await setPusher(bob)
    await setPusher(charlie, { append: true })
    expect([await pushers(bob), await pushers(charlie)]).toMatchObject([[{}], [{}]])
    await setPusher(charlie)
    expect([await pushers(bob), await pushers(charlie)]).toMatchObject([[], [{}]])
  })

  test('of users who set one pushkey at once, one has it, whether they had it before or not', async () => {
    const users = await Promise.all([1, 2, 3, 4].map(() => server.user('dora')))
    for (const [round, append] of [false, true, false, true, false, true].entries()) {
      const pushkey = `key of round ${round}`
      if (append) await Promise.all(users.map(user => setPusher(user, { pushkey, append })))
      await Promise.all(users.map(user => setPusher(user, { pushkey })))
      const all = (await Promise.all(users.map(pushers))).flat()
      expect(all.filter(one => one.pushkey === pushkey)).toHaveLength(1)
    }
  })

  test('TestChangePasswordPushers: those of other sessions go, one’s own stays', async () => {
    const bob = await server.user('bob')
    const phone = bob.sibling()
    await phone.login()
    const data = { url: 'https://dummy.url/_matrix/push/v1/notify' }
    await setPusher(bob, { pushkey: 'laptop', data })
    await setPusher(phone, { pushkey: 'phone', data })
    expect(await pushers(bob)).toHaveLength(2)
    const auth = {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: bob.userId },
      password: bob.password,
    }
    await bob.ok('POST', `${v3}/account/password`, { body: { new_password: 'new', auth } })
    expect(await pushers(bob)).toMatchObject([{ pushkey: 'laptop' }])
    await bob.ok('POST', `${v3}/logout`)
  })

  test.each([
    [{ kind: 'email' }, 'M_INVALID_PARAM'],
    [{ kind: undefined }, 'M_MISSING_PARAM'],
    [{ data: {} }, 'M_INVALID_PARAM'],
    [{ data: { url: 'https://example.org/notify' } }, 'M_INVALID_PARAM'],
    [{ data: { url: 'ftp://example.org/_matrix/push/v1/notify' } }, 'M_INVALID_PARAM'],
    [{ data: { url: 'https://a:b@example.org/_matrix/push/v1/notify' } }, 'M_INVALID_PARAM'],
    [{ data: 'x' }, 'M_BAD_JSON'],
    [{ lang: undefined }, 'M_MISSING_PARAM'],
    [{ app_id: 'x'.repeat(65) }, 'M_INVALID_PARAM'],
    [{ pushkey: 'x'.repeat(513) }, 'M_INVALID_PARAM'],
  ])('%j is refused', async (change, errcode) => {
    const before = await server.rowCounts()
    const refused = await refusal(setPusher(alice, change as JsonObject))
    expect(refused).toMatchObject({ status: 400, errcode })
    expect(await server.rowCounts()).toEqual(before)
  })
})

describe('POST /_matrix/push/v1/notify', () => {
  test('an event that notifies is pushed, with what the gateway shows', async () => {
    const { bob, room } = await pushedUser()
    const event = await alice.say(room, `Hello ${bob.userId}`)
    expect(await gateway.take()).toEqual([
      {
        path: '/_matrix/push/v1/notify',
        event_id: event,
        room_id: room,
        type: 'm.room.message',
        sender: alice.userId,
        room_name: 'The room',
        content: { msgtype: 'm.text', body: `Hello ${bob.userId}` },
        counts: { unread: 1 },
        prio: 'high',
        devices: [
          {
            app_id: 'org.example.app',
            pushkey: `key of ${bob.userId}`,
            pushkey_ts: server.now() / 1000,
            data: { brand: 'x' },
            tweaks: { sound: 'default', highlight: true },
          },
        ],
      },
    ])
  })

  test('what does not notify is not pushed; what does, in order', async () => {
    const { bob, room } = await pushedUser()
    const charlie = await server.user('charlie')
    await charlie.join(room)
    const events: string[] = []
    for (let number = 0; number < 5; number++) {
      await bob.say(room, 'my own')
      events.push(await alice.say(room, String(number)))
      await alice.send(room, 'm.reaction', {})
      events.push(await alice.say(room, 'again'))
    }
    const told = await gateway.take()
    expect(told.map(push => push.event_id)).toEqual(events)
    // Who writes has read what was there before.
    expect(told.at(-1)).toMatchObject({ prio: 'low', counts: { unread: 2 } })
  })

  test('an invite is pushed, and nothing else of a room that one is not in', async () => {
    const { bob } = await pushedUser()
    const room = await alice.createRoom()
    await alice.say(room, 'secret')
    await alice.invite(room, bob.userId)
    await alice.say(room, 'still secret')
    const told = await gateway.take()
    expect(told).toMatchObject([{ room_id: room, type: 'm.room.member', user_is_target: true }])
  })

  test('whoever is in the room, or invited, is told, and nobody else, however many have pushers', async () => {
    const people: Client[] = []
    for (let i = 0; i < 10; i++) {
      const { bob } = await pushedUser()
      people.push(bob)
    }
    const [first = alice, second = alice, third = alice] = people
    const small = await alice.createRoom({ preset: 'public_chat' })
    const large = await alice.createRoom({ preset: 'public_chat' })
    for (let i = 0; i < 40; i++) await (await server.user('charlie')).join(large)
    for (const room of [small, large]) {
      await first.join(room)
      await second.join(room)
      await alice.invite(room, third.userId)
    }
    await third.join(large)
    await second.leave(large)
    await gateway.take()
    for (const [room, told] of [
      [small, [first, second]],
      [large, [first, third]],
    ] as const) {
      const eventId = await alice.say(room, 'hello')
      const pushed = (await gateway.take()).map(({ event_id, devices }) => [
        event_id,
        devices[0].pushkey,
      ])
      const expected = told.map(who => [eventId, `key of ${who.userId}`])
      expect(pushed.sort()).toEqual(expected.sort())
    }
  })

  test('`format: event_id_only` says nothing of what was said', async () => {
    const data = { url: gateway.url, format: 'event_id_only' }
    const { room } = await pushedUser({ data })
    const event = await alice.say(room, 'secret')
    const [push] = await gateway.take()
    expect(push).toMatchObject({ event_id: event, room_id: room, counts: { unread: 1 } })
    expect(Object.keys(push ?? {}).sort()).toEqual(
      ['counts', 'devices', 'event_id', 'path', 'prio', 'room_id'].sort(),
    )
  })

  test('a gateway that fails is asked again later and later, and gets all in order', async () => {
    const { room } = await pushedUser()
    gateway.status = 502
    const events = [await alice.say(room, 'one')]
    expect(await gateway.take()).toHaveLength(1)
    events.push(await alice.say(room, 'two'))
    expect(await gateway.take()).toEqual([])
    await server.advance(999)
    expect(await gateway.take()).toEqual([])
    await server.advance(1)
    expect(await gateway.take()).toMatchObject([{ event_id: events[0] }])
    await server.advance(1_999)
    expect(await gateway.take()).toEqual([])
    gateway.status = 200
    await server.advance(1)
    expect((await gateway.take()).map(push => push.event_id)).toEqual(events)
  })

  test('after a restart it goes on where it was', async () => {
    const { room } = await pushedUser()
    await alice.say(room, 'delivered')
    expect(await gateway.take()).toHaveLength(1)
    gateway.status = 500
    const missed = [await alice.say(room, 'one'), await alice.say(room, 'two')]
    expect(await gateway.take()).toHaveLength(1)
    gateway.status = 200
    await server.restart()
    expect((await gateway.take()).map(push => push.event_id)).toEqual(missed)
    await server.restart()
    expect(await gateway.take()).toEqual([])
  })

  test.each<[string, () => Promise<void>]>([
    ['a restart', () => server.restart()],
    [
      'a crash, but for an hour',
      async () => {
        await server.advance(3_600_000)
        await server.crash()
      },
    ],
  ])('what does not notify is not looked at again after %s', async (_, startAnew) => {
    const { bob, room } = await pushedUser()
    const path = `${rulePath('override', '.m.rule.master')}/enabled`
    await bob.ok('PUT', path, { body: { enabled: true } })
    await server.enlarge(room, { messages: 3_000 })
    await alice.say(room, 'after all that')
    expect(await gateway.take()).toEqual([])
    const statements = await server.statements(startAnew)
    // Everybody who has a pusher looks once, at a hundred events: for his alone it would be thirty times.
    const readings = statements.filter(text => text.includes('AS wanted (room_id, after, up_to)'))
    expect(readings.length).toBeLessThan(30)
  })

  type Step = (bob: Client, room: string) => Promise<unknown>
  test.each<[string, Step, Step]>([
    [
      'a room had been muted',
      (bob, room) => bob.ok('PUT', rulePath('room', room), { body: { actions: [] } }),
      (bob, room) => bob.ok('DELETE', rulePath('room', room)),
    ],
    ['a user had been ignored', bob => ignore(bob, { [alice.userId]: {} }), bob => ignore(bob, {})],
  ])('nor is anything pushed later that was said while %s', async (_, hush, unhush) => {
    const { bob, room } = await pushedUser()
    await hush(bob, room)
    await alice.say(room, 'unheard')
    expect(await gateway.take()).toEqual([])
    await unhush(bob, room)
    await server.restart()
    expect(await gateway.take()).toEqual([])
    const heard = await alice.say(room, 'heard')
    expect((await gateway.take()).map(push => push.event_id)).toEqual([heard])
  })

  test('nor an invite that was made while its like were ignored (MSC4155)', async () => {
    const { bob } = await pushedUser()
    const type = 'org.matrix.msc4155.invite_permission_config'
    const configure = (body: JsonObject) =>
      bob.ok('PUT', `${v3}/user/${bob.userId}/account_data/${type}`, { body })
    await configure({ ignored_users: [alice.userId] })
    await alice.createRoom({ invite: [bob.userId] })
    expect(await gateway.take()).toEqual([])
    await configure({})
    await server.restart()
    expect(await gateway.take()).toEqual([])
  })

  test('what could not be delivered for a day is given up', async () => {
    const { room } = await pushedUser()
    gateway.status = 500
    await alice.say(room, 'stale')
    await server.advance(26 * 3_600_000)
    gateway.status = 200
    await gateway.take()
    const event = await alice.say(room, 'fresh')
    await server.advance(3_600_000)
    expect((await gateway.take()).map(push => push.event_id)).toEqual([event])
  })

  test('a rejected pushkey is removed; so is that of a device that is gone', async () => {
    const { bob, room } = await pushedUser()
    gateway.rejected = [`key of ${bob.userId}`]
    await alice.say(room, 'hello')
    expect(await gateway.take()).toHaveLength(1)
    gateway.rejected = []
    expect(await pushers(bob)).toEqual([])
    await setPusher(bob, { pushkey: 'another' })
    await alice.say(room, 'hello')
    expect(await gateway.take()).toMatchObject([{ devices: [{ pushkey: 'another' }] }])
    await bob.ok('POST', `${v3}/logout`)
    await alice.say(room, 'hello')
    expect(await gateway.take()).toEqual([])
  })
})

test('a gateway that only this machine can reach is left alone, unless the config allows it', async () => {
  const careful = await startServer({ config: { push: { allow_private_addresses: false } } })
  try {
    const [eve, frank] = [await careful.user('eve'), await careful.user('frank')]
    const { port } = new URL(gateway.url)
    const hosts = ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]']
    for (const [index, host] of hosts.entries()) {
      const data = { url: `http://${host}:${port}/_matrix/push/v1/notify` }
      await setPusher(eve, { data, pushkey: `key-${index}`, append: true })
    }
    const room = await eve.createRoom({ preset: 'public_chat' })
    await frank.join(room)
    const told = gateway.told.length
    await frank.say(room, 'knock, knock')
    await careful.idle()
    expect(gateway.told.slice(told)).toEqual([])
  } finally {
    await careful.stop()
  }
})
