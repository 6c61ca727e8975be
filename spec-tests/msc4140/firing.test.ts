import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject, WireEvent } from '../support/wire.ts'

let server: TestServer
let alice: Client
let bob: Client
let room: string
let levels: JsonObject
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  bob = await server.user('bob')
})
beforeEach(async () => {
  room = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(room)
  levels = await alice.state(room, 'm.room.power_levels')
})
afterAll(() => server.stop())

/** The last `limit` events of the room, oldest first. */
async function latest(client: Client, limit: number): Promise<WireEvent[]> {
  const query = { dir: 'b', limit }
  return (await client.ok('GET', client.roomPath(room, 'messages'), { query })).chunk.reverse()
}

async function contents(limit: number): Promise<JsonObject[]> {
  return (await latest(alice, limit)).map(event => event.content)
}

describe('the moment', () => {
  test.each([1, 2, 900, 60_000, 86_400_000])('a delay of %i ms is never early', async delayMs => {
    await alice.delay(room, delayMs, 'm.test', { delayMs })
    await server.advance(delayMs - 1)
    expect(await contents(1)).not.toEqual([{ delayMs }])
    expect(await alice.scheduled()).toHaveLength(1)
    await server.advance(1)
    expect(await contents(1)).toEqual([{ delayMs }])
    expect(await alice.scheduled()).toEqual([])
  })

  test('origin_server_ts is when the event was sent, and so says the list', async () => {
    const delayId = await alice.delay(room, 5_000, 'm.test', {})
    const sendAt = server.now() + 5_000
    await server.advance(20_000)
    const [event] = await latest(alice, 1)
    expect(event?.origin_server_ts).toBe(sendAt)
    expect((await alice.finalised())[0]).toMatchObject({
      delayed_event: { delay_id: delayId },
      outcome: 'send',
      reason: 'delay',
      event_id: event?.event_id,
      origin_server_ts: sendAt,
    })

    const early = await alice.delay(room, 5_000, 'm.test', {})
    await server.advance(1_000)
    await alice.manage(early, 'send')
    const [sentEarly] = await latest(alice, 1)
    expect(sentEarly?.origin_server_ts).toBe(server.now())
  })

  test('the order is that of the deadlines, then that of scheduling', async () => {
    const other = await alice.createRoom()
    await alice.delay(room, 300, 'm.test', { n: 4 })
    await bob.delay(room, 100, 'm.test', { n: 1 })
    await alice.delayState(room, 200, 'm.test', '', { n: 2 })
    await alice.delay(other, 200, 'm.test', { n: 0 })
    await alice.delay(room, 200, 'm.test', { n: 3 })
    expect((await alice.scheduled()).map(item => item.content.n)).toEqual([2, 0, 3, 4])
    await server.advance(300)
    expect((await contents(4)).map(content => content.n)).toEqual([1, 2, 3, 4])
  })

  test('many that are due at once are all sent, in order', async () => {
    const expected = Array.from({ length: 60 }, (_, n) => ({ n }))
    for (const content of expected) await alice.delay(room, 100_000, 'm.test', content)
    for (const content of expected) await bob.delay(room, 100_000, 'm.test', content)
    await server.advance(1_000_000)
    expect(await contents(120)).toEqual([...expected, ...expected])
    expect(await alice.scheduled()).toEqual([])
  })

  test('two for the same state key are both sent', async () => {
    await alice.delayState(room, 100, 'm.test', '', { n: 1 })
    await alice.delayState(room, 100, 'm.test', '', { n: 2 })
    await server.advance(100)
    expect(await contents(2)).toEqual([{ n: 1 }, { n: 2 }])
    expect(await alice.state(room, 'm.test')).toEqual({ n: 2 })
  })
})

describe('power levels and membership are judged when the event is sent', () => {
  const topic = { topic: 'Sand' }
  const withBob = (level: number) => ({
    ...levels,
    users: { ...levels.users, [bob.userId]: level },
  })

  test('too little power when scheduled, enough when sent', async () => {
    await bob.delayState(room, 1_000, 'm.room.topic', '', topic)
    await alice.setState(room, 'm.room.power_levels', '', withBob(50))
    await server.advance(1_000)
    expect(await alice.state(room, 'm.room.topic')).toEqual(topic)
  })

  test('enough power when scheduled, too little when sent', async () => {
    await alice.setState(room, 'm.room.power_levels', '', withBob(50))
    await bob.delayState(room, 1_000, 'm.room.topic', '', topic)
    await alice.setState(room, 'm.room.power_levels', '', levels)
    await server.advance(1_000)
    const path = alice.roomPath(room, 'state', 'm.room.topic')
    expect((await alice.request('GET', path)).status).toBe(404)
    expect(await bob.scheduled()).toEqual([])
    expect((await bob.finalised())[0]).toMatchObject({
      delayed_event: { content: topic },
      outcome: 'cancel',
      reason: 'error',
      error: { errcode: 'M_FORBIDDEN' },
    })
  })

  test('joined when scheduled, gone when sent', async () => {
    await bob.delay(room, 1_000, 'm.test', { n: 1 })
    await bob.leave(room)
    await server.advance(1_000)
    expect(await contents(1)).toEqual([{ membership: 'leave' }])
    expect((await bob.finalised())[0]?.error?.errcode).toBe('M_FORBIDDEN')
  })

  test('outside when scheduled, joined when sent', async () => {
    const charlie = await server.user('charlie')
    await charlie.delay(room, 1_000, 'm.test', { n: 1 })
    await charlie.join(room)
    await server.advance(1_000)
    expect(await latest(alice, 1)).toMatchObject([{ sender: charlie.userId, content: { n: 1 } }])
  })

  test('one that is refused does not hold up the next', async () => {
    await bob.delayState(room, 1_000, 'm.room.name', '', { name: 'Bob' })
    await bob.delay(room, 1_000, 'm.test', { n: 2 })
    await server.advance(1_000)
    expect(await contents(1)).toEqual([{ n: 2 }])
  })
})

describe('every kind of event', () => {
  test('a membership: a leave', async () => {
    await bob.delayState(room, 1_000, 'm.room.member', bob.userId, { membership: 'leave' })
    const { next_batch: since } = await bob.sync()
    await server.advance(1_000)
    expect(Object.keys((await bob.sync({ since })).rooms.leave ?? {})).toEqual([room])
    const path = alice.roomPath(room, 'joined_members')
    expect(Object.keys((await alice.ok('GET', path)).joined)).toEqual([alice.userId])
  })

  test('a membership: an invite reaches who is invited', async () => {
    const charlie = await server.user('charlie')
    const { next_batch: since } = await charlie.sync()
    await alice.delayState(room, 1_000, 'm.room.member', charlie.userId, { membership: 'invite' })
    await server.advance(1_000)
    expect(Object.keys((await charlie.sync({ since })).rooms.invite ?? {})).toEqual([room])
  })

  test('MSC4155: an invite that its user has come to block is refused', async () => {
    const charlie = await server.user('charlie')
    const invite = { membership: 'invite' }
    const delayId = await alice.delayState(room, 1_000, 'm.room.member', charlie.userId, invite)
    const early = await alice.delayState(room, 9_000, 'm.room.member', charlie.userId, invite)
    const type = 'org.matrix.msc4155.invite_permission_config'
    const user = encodeURIComponent(charlie.userId)
    const path = `/_matrix/client/v3/user/${user}/account_data/${type}`
    await charlie.ok('PUT', path, { body: { enabled: true, blocked_users: [alice.userId] } })
    await server.advance(1_000)
    const errcode = 'ORG.MATRIX.MSC4155.M_INVITE_BLOCKED'
    expect((await alice.finalised())[0]).toMatchObject({
      delayed_event: { delay_id: delayId },
      error: { errcode },
    })
    const { status, body } = await alice.manage(early, 'send')
    expect({ status, errcode: body.errcode }).toEqual({ status: 403, errcode })
    expect((await charlie.sync()).rooms.invite?.[room]).toBeUndefined()
  })

  test('power levels, and what comes after is judged by them', async () => {
    const strict = { ...levels, events_default: 50 }
    await alice.delayState(room, 1_000, 'm.room.power_levels', '', strict)
    await bob.delay(room, 999, 'm.test', { n: 'before' })
    await bob.delay(room, 1_001, 'm.test', { n: 'after' })
    await server.advance(2_000)
    expect(await contents(2)).toEqual([{ n: 'before' }, strict])
  })

  test('a redaction empties its event, and not before', async () => {
    const eventId = await bob.say(room, 'regret')
    await alice.delay(room, 1_000, 'm.room.redaction', { redacts: eventId, reason: 'why not' })
    const path = bob.roomPath(room, 'event', eventId)
    await server.advance(999)
    expect((await bob.ok('GET', path)).content).toMatchObject({ body: 'regret' })
    await server.advance(1)
    expect((await bob.ok('GET', path)).content).toEqual({})
    expect((await bob.ok('GET', path)).unsigned.redacted_because).toMatchObject({
      type: 'm.room.redaction',
      sender: alice.userId,
    })
  })

  test('a redaction that its sender may not make fails', async () => {
    const eventId = await alice.say(room, 'mine')
    await bob.delay(room, 1_000, 'm.room.redaction', { redacts: eventId })
    await server.advance(1_000)
    const path = bob.roomPath(room, 'event', eventId)
    expect((await bob.ok('GET', path)).content).toMatchObject({ body: 'mine' })
    expect((await bob.finalised())[0]?.error?.errcode).toBe('M_FORBIDDEN')
  })

  test('a canonical alias that leads nowhere is refused, as it would be without a delay', async () => {
    const content = { alias: '#nowhere:hs1' }
    await alice.delayState(room, 1_000, 'm.room.canonical_alias', '', content)
    await server.advance(1_000)
    const path = alice.roomPath(room, 'state', 'm.room.canonical_alias')
    expect((await alice.request('GET', path)).status).toBe(404)
    expect((await alice.finalised())[0]?.error?.errcode).toBe('M_BAD_ALIAS')
  })
})

describe('unsigned.delay_id', () => {
  type Reader = (client: Client, event: WireEvent) => Promise<WireEvent[]>
  const sync = async (client: Client) => {
    const query = { use_state_after: true, 'org.matrix.msc4222.use_state_after': true }
    return (await client.sync(query)).rooms.join?.[room]
  }
  const readers: Record<string, Reader> = {
    'the timeline of /sync': async client => (await sync(client))?.timeline.events ?? [],
    'state_after of /sync': async client => {
      const joined = await sync(client)
      return (joined?.state_after ?? joined?.['org.matrix.msc4222.state_after'])?.events ?? []
    },
    '/messages': client => latest(client, 20),
    '/event': async (client, event) => {
      const found = await client.ok('GET', client.roomPath(room, 'event', event.event_id))
      return [found as WireEvent]
    },
    '/context': async (client, event) => {
      const found = await client.ok('GET', client.roomPath(room, 'context', event.event_id))
      return [found.event]
    },
    'the surroundings and the state of /context': async (client, event) => {
      const [last] = await latest(client, 1)
      const path = client.roomPath(room, 'context', last?.event_id ?? '')
      const { events_before, state } = await client.ok('GET', path)
      const isIt = ({ event_id }: WireEvent) => event_id === event.event_id
      return [events_before.find(isIt), state.find(isIt)]
    },
    '/state': async client => (await client.ok('GET', client.roomPath(room, 'state'))) as never,
    '/state/{type}/{key}?format=event': async client => {
      const path = client.roomPath(room, 'state', 'm.room.member', alice.userId)
      return [(await client.ok('GET', path, { query: { format: 'event' } })) as WireEvent]
    },
    '/members': async client => (await client.ok('GET', client.roomPath(room, 'members'))).chunk,
  }

  test.each(Object.keys(readers))('%s has it for the sender alone', async reader => {
    const content = { membership: 'join', displayname: 'Alice in the sand' }
    const delayId = await alice.delayState(room, 1_000, 'm.room.member', alice.userId, content)
    await server.advance(1_000)
    const [event] = await latest(alice, 1)
    if (!event) throw new Error('the room is empty')
    await alice.say(room, 'and one more')

    const seenBy = async (client: Client) => {
      const events = (await readers[reader]?.(client, event)) ?? []
      const seen = events.filter(({ event_id }) => event_id === event.event_id)
      expect(seen.length).toBeGreaterThan(0)
      return seen
    }
    for (const { unsigned } of await seenBy(alice)) {
      expect(unsigned).toMatchObject({
        delay_id: delayId,
        'org.matrix.msc4140.delay_id': delayId,
      })
      expect(unsigned).not.toHaveProperty('transaction_id')
    }
    for (const { unsigned } of await seenBy(bob)) {
      expect(JSON.stringify(unsigned)).not.toContain('delay_id')
    }
  })

  test('a message has it, also on another device of the sender, and no transaction_id', async () => {
    const delayId = await alice.delay(room, 1_000, 'm.test', { n: 1 }, 'my-transaction')
    await server.advance(1_000)
    const phone = alice.sibling()
    await phone.login()
    for (const client of [alice, phone]) {
      const [event] = await latest(client, 1)
      expect(event?.unsigned).toEqual({
        age: 0,
        membership: 'join',
        delay_id: delayId,
        'org.matrix.msc4140.delay_id': delayId,
      })
    }
  })

  test('redacted_because has it for who redacted', async () => {
    const eventId = await bob.say(room, 'regret')
    const delayId = await alice.delay(room, 1_000, 'm.room.redaction', { redacts: eventId })
    await server.advance(1_000)
    const path = bob.roomPath(room, 'event', eventId)
    const { redacted_because: seenByAlice } = (await alice.ok('GET', path)).unsigned
    expect(seenByAlice.unsigned).toEqual({
      delay_id: delayId,
      'org.matrix.msc4140.delay_id': delayId,
    })
    const { redacted_because: seenByBob } = (await bob.ok('GET', path)).unsigned
    expect(JSON.stringify(seenByBob)).not.toContain('delay_id')
  })

  test('an event that was not delayed has none', async () => {
    await alice.say(room, 'now')
    expect(JSON.stringify(await latest(alice, 20))).not.toContain('delay_id')
  })
})
