import { TestAppService } from '../support/app-service.ts'
import { type Client, delayedEvents, refusal } from '../support/client.ts'
import { OneOfEach } from '../support/one-of-each.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

const hour = 3_600_000
const draft = 'org.matrix.msc4140.finalised_events'
const msc4309 = 'org.matrix.msc4140.finalised_delayed_events'
const filterNames = ['finalised_events', 'delayed_events_finalised', draft, msc4309]

type Asked = Parameters<Client['sync']>[0]

/** What a sync tells of what is over; undefined: nothing at all. */
async function told(user: Client, asked: Asked = {}): Promise<JsonObject[] | undefined> {
  const body = (await user.sync(asked)) as unknown as JsonObject
  expect(body[draft]).toEqual(body[msc4309])
  return body[msc4309]
}
const idsIn = (items: JsonObject[] | undefined) => items?.map(item => item.delayed_event.delay_id)
const since = async (user: Client) => (await user.sync()).next_batch
const filterOf = (name: string, value: unknown) => JSON.stringify({ [name]: value })

describe('GET /_matrix/client/v3/sync: what has become of delayed events', () => {
  let server: TestServer
  let alice: Client
  let bob: Client
  let room: string
  beforeAll(async () => {
    server = await startServer()
  })
  afterAll(() => server.stop())
  beforeEach(async () => {
    alice = await server.user('alice')
    bob = await server.user('bob')
    room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
  })

  test('without since all of it, in the order in which it was decided, as the list has it', async () => {
    const all = await OneOfEach.make(server)
    const { finalised } = await all.alice.ok('GET', `${delayedEvents}/finalised`)
    expect(finalised).toHaveLength(5)
    expect(await told(all.alice)).toEqual([...finalised].reverse())
  })

  test.each<[string, 'send' | 'cancel', (delayId: string) => Promise<unknown>]>([
    ['sent when due', 'send', () => server.advance(hour)],
    ['sent on request', 'send', id => alice.manage(id, 'send')],
    ['cancelled', 'cancel', id => alice.manage(id, 'cancel')],
    ['overtaken by a state update', 'cancel', () => bob.setState(room, 'm.test', 'x', {})],
    [
      'refused when due',
      'cancel',
      async () => {
        await alice.leave(room)
        await server.advance(hour)
      },
    ],
  ])('what was %s is told once, to its user', async (_, outcome, decide) => {
    await alice.setState(room, 'm.room.power_levels', '', {
      ...(await alice.state(room, 'm.room.power_levels')),
      events: { 'm.test': 0 },
    })
    const delayId = await alice.delayState(room, hour, 'm.test', 'x', { n: 1 })
    const [before, ofBob] = [await since(alice), await since(bob)]
    expect(await told(alice, { since: before })).toBeUndefined()
    await decide(delayId)
    const after = await since(alice)
    const item = { outcome, delayed_event: { delay_id: delayId, content: { n: 1 } } }
    expect(await told(alice, { since: before })).toMatchObject([item])
    expect(await told(alice, { since: after })).toBeUndefined()
    expect(await told(bob, { since: ofBob })).toBeUndefined()
    expect(await told(bob)).toBeUndefined()
  })

  test('what is scheduled, or restarted, is not', async () => {
    const before = await since(alice)
    await alice.manage(await alice.delay(room, hour, 'm.test', {}), 'restart')
    expect(await told(alice, { since: before })).toBeUndefined()
    expect(await told(alice)).toBeUndefined()
  })

  test('with the event that it has become, in one answer', async () => {
    await alice.delay(room, 5_000, 'm.test', { n: 1 })
    const before = await since(alice)
    const waiting = alice.sync({ since: before, timeout: 30_000 })
    await server.untilWaiting(1)
    await server.advance(5_000)
    const body = (await waiting) as unknown as JsonObject
    const [event] = body.rooms.join[room].timeline.events
    expect(event).toMatchObject({ type: 'm.test', content: { n: 1 } })
    expect(body[msc4309]).toMatchObject([{ event_id: event.event_id, reason: 'delay' }])
  })

  test('a long poll of another device ends with it', async () => {
    const other = alice.sibling()
    await other.login()
    const delayId = await alice.delay(room, hour, 'm.test', {})
    const waiting = told(other, { since: await since(other), timeout: 30_000 })
    await server.untilWaiting(1)
    await alice.manage(delayId, 'cancel')
    expect(idsIn(await waiting)).toEqual([delayId])
  })

  test('what fell due together is told together, and what was decided later is told later', async () => {
    const ids: string[] = []
    for (let n = 0; n < 3; n++) ids.push(await alice.delay(room, hour - n, 'm.test', { n }))
    const last = await alice.delay(room, 2 * hour, 'm.test', {})
    const before = await since(alice)
    await server.advance(hour)
    const between = await since(alice)
    await server.advance(hour)
    expect(idsIn(await told(alice, { since: before }))).toEqual([...ids.reverse(), last])
    expect(idsIn(await told(alice, { since: between }))).toEqual([last])
  })

  test('of a group that of which one was sent, and the others are not', async () => {
    for (const future_timeout of [1_000, 2_000]) {
      const path = alice.roomPath(room, 'send', 'm.test', alice.nextTransactionId())
      const query = { future_group_id: `of ${alice.userId}`, future_timeout }
      await alice.ok('PUT', path, { query, body: { future_timeout } })
    }
    const before = await since(alice)
    await server.advance(1_000)
    expect(await told(alice, { since: before })).toMatchObject([
      { outcome: 'send', reason: 'delay', delayed_event: { content: { future_timeout: 1_000 } } },
      {
        outcome: 'cancel',
        reason: 'action',
        delayed_event: { content: { future_timeout: 2_000 } },
      },
    ])
  })

  test('a token from before a restart is told what came after it', async () => {
    const [first, second] = [
      await alice.delay(room, hour, 'm.test', {}),
      await alice.delay(room, 2 * hour, 'm.test', {}),
    ]
    await alice.manage(first, 'cancel')
    const before = await since(alice)
    await server.restart(2 * hour)
    expect(idsIn(await told(alice, { since: before }))).toEqual([second])
  })

  test('what waits behind many messages to the device waits with them', async () => {
    const delayId = await alice.delay(room, hour, 'm.test', {})
    const before = await since(alice)
    const messages = { [alice.userId]: { [alice.deviceId]: {} } }
    for (let n = 0; n < 101; n++) {
      await alice.ok('PUT', `/_matrix/client/v3/sendToDevice/m.test/${n}`, { body: { messages } })
    }
    await alice.manage(delayId, 'cancel')
    const first = (await alice.sync({ since: before })) as unknown as JsonObject
    expect(first.to_device.events).toHaveLength(100)
    expect(first).not.toHaveProperty([msc4309])
    expect(idsIn(await told(alice, { since: first.next_batch }))).toEqual([delayId])
  })

  test.each(filterNames)('the filter says no by `%s`, and nobody is woken', async name => {
    const delayId = await alice.delay(room, hour, 'm.test', {})
    const before = await since(alice)
    const filter = filterOf(name, false)
    const waiting = told(alice, { since: before, filter, timeout: 30_000 })
    await server.untilWaiting(1)
    await alice.manage(delayId, 'cancel')
    await server.idle()
    expect(server.waiting()).toBe(1)
    await server.advance(30_000)
    expect(await waiting).toBeUndefined()
    expect(await told(alice, { filter })).toBeUndefined()
    expect(idsIn(await told(alice, { filter: filterOf(name, true) }))).toEqual([delayId])
    for (const value of ['no', 0, []]) {
      const error = await refusal(alice.sync({ filter: filterOf(name, value) }))
      expect(error).toMatchObject({ status: 400, errcode: 'M_BAD_JSON' })
    }
  })

  test('nobody is told of what is kept no longer', async () => {
    const before = await since(alice)
    await alice.manage(await alice.delay(room, hour, 'm.test', {}), 'cancel')
    await server.advance(8 * 24 * hour)
    await server.idle()
    expect(await told(alice, { since: before })).toBeUndefined()
  })
})

describe.each<[string, JsonObject, string[]]>([
  ['strict_shapes: true', { strict_shapes: true }, [msc4309]],
  ['finalised_on_sync: false', { finalised_on_sync: false }, []],
])('delayed_events.%s', (_, delayed_events, expected) => {
  test('the members of /sync', async () => {
    const server = await startServer({ config: { delayed_events } })
    const alice = await server.user('alice')
    const room = await alice.createRoom()
    await alice.manage(await alice.delay(room, hour, 'm.test', {}), 'cancel')
    const names = Object.keys(await alice.sync()).filter(name => name.includes('finalised'))
    expect(names).toEqual(expected)
    await server.stop()
  })
})

describe('PUT /_matrix/app/v1/transactions/{txnId}', () => {
  let service: TestAppService
  let server: TestServer
  let bot: Client
  beforeAll(async () => {
    service = await TestAppService.start('irc')
    server = await startServer({ config: { app_service_config_files: [service.file] } })
    bot = server.anonymous()
    bot.userId = '@_irc_bot:hs1'
    bot.token = service.asToken
  })
  afterAll(async () => {
    await server.stop()
    await service.stop()
  })

  /** A repeated transaction counts once. */
  const heard = (): JsonObject[] => {
    const told = service.heard.filter(({ path }) => path.includes('/transactions/'))
    const byPath = new Map(told.map(({ path, body }) => [path, body]))
    return [...byPath.values()].flatMap(body => body[msc4309] ?? [])
  }

  test('a service is told what has become of those of its users, and of no others', async () => {
    const alice = await server.user('alice')
    const rooms = [await bot.createRoom(), await alice.createRoom()] as const
    await alice.manage(await alice.delay(rooms[1], hour, 'm.test', {}), 'cancel')
    const cancelled = await bot.delay(rooms[0], hour, 'm.test', {})
    const due = await bot.delay(rooms[0], hour, 'm.test', { n: 1 })
    await bot.manage(cancelled, 'cancel')
    await server.advance(hour)
    await service.until(() => heard().length >= 2)
    expect(heard()).toMatchObject([
      { delayed_event: { delay_id: cancelled }, outcome: 'cancel', reason: 'action' },
      { delayed_event: { delay_id: due, content: { n: 1 } }, outcome: 'send', reason: 'delay' },
    ])
    const sent = service.events().find(event => event.type === 'm.test')
    expect(heard()[1]?.event_id).toBe(sent?.event_id)
  })

  test('in pieces, if there are many; each once', async () => {
    const room = await bot.createRoom()
    const before = heard().length
    // What happens until it answers again is told at once, as far as that goes.
    service.answer = () => ({ status: 500 })
    const cancelled: string[] = []
    const due: string[] = []
    for (let n = 0; n < 160; n++) {
      const delayId = await bot.delay(room, hour, 'm.test', { n })
      if (n % 8 === 0) due.push(delayId)
      else cancelled.push(delayId)
      if (n % 8 !== 0) await bot.manage(delayId, 'cancel')
    }
    service.answer = () => ({ status: 200 })
    await server.advance(hour)
    await service.until(() => heard().length >= before + 160)
    expect(idsIn(heard().slice(before))).toEqual([...cancelled, ...due])
  })
})
