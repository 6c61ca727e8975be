import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

let server: TestServer
let alice: Client
let bob: Client
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  bob = await server.user('bob')
})
afterAll(() => server.stop())

describe('PUT /_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}', () => {
  test('TestSendAndFetchMessage: a message is found from the sync token before it', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    const { next_batch } = await alice.sync()
    const eventId = await alice.say(room, 'hello')
    const page = await alice.messages(room, { dir: 'f', from: next_batch })
    expect(page.chunk).toMatchObject([
      { event_id: eventId, type: 'm.room.message', content: { msgtype: 'm.text', body: 'hello' } },
    ])
  })

  test('TestSendMessageWithTxn: the same transaction id is the same event', async () => {
    const room = await alice.createRoom()
    const { next_batch } = await alice.sync()
    const content = { msgtype: 'm.text', body: 'test' }
    const first = await alice.send(room, 'm.room.message', content, 'lorem')
    const again = await alice.send(room, 'm.room.message', content, 'lorem')
    expect(again).toBe(first)
    const page = await alice.messages(room, { dir: 'f', from: next_batch })
    expect(page.chunk.map(event => event.event_id)).toEqual([first])
  })

  test('the sender finds the transaction id on the event, others do not', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    const eventId = await alice.send(room, 'm.room.message', { body: 'hello' }, 'ipsum')
    const seenBy = async (user: Client) => {
      const { rooms } = await user.sync()
      return rooms.join?.[room]?.timeline.events.find(event => event.event_id === eventId)
    }
    expect((await seenBy(alice))?.unsigned?.transaction_id).toBe('ipsum')
    const seenByBob = await seenBy(bob)
    expect(seenByBob?.content).toEqual({ body: 'hello' })
    expect(seenByBob?.unsigned).not.toHaveProperty('transaction_id')
  })

  test('who is not in the room may not send', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    const { next_batch } = await alice.sync()
    await expect(bob.say(room, 'hello')).rejects.toMatchObject({
      status: 403,
      errcode: 'M_FORBIDDEN',
    })
    expect((await alice.messages(room, { dir: 'f', from: next_batch })).chunk).toEqual([])
  })
})

describe('PUT /rooms/{roomId}/send/{eventType}/{txnId}: many at the same moment', () => {
  const ofStatus = (error: { status: number; errcode: string }) => [error.status, error.errcode]

  test('who is refused harms nobody beside them', async () => {
    const [room, other] = [await alice.createRoom(), await alice.createRoom()]
    const { next_batch } = await alice.sync()
    const bodies = ['one', 'two', 'three', 'four']
    const refusals = [
      bob.say(room, 'from outside'),
      alice.say('!nowhere:hs1', 'to nobody'),
      alice.send(room, 'm.room.message', { body: 'x'.repeat(70_000) }),
      alice.send(room, 'm.room.message', { body: 1.5 }),
      alice.send(other, 'm.room.power_levels', { body: 'no state' }),
    ].map(request => request.then(() => undefined, ofStatus))
    const sent = bodies.map(body => alice.say(room, body))
    const sentToOther = bodies.map(body => alice.say(other, body))
    expect(await Promise.all(refusals)).toEqual([
      [403, 'M_FORBIDDEN'],
      [403, 'M_FORBIDDEN'],
      [413, 'M_TOO_LARGE'],
      [400, 'M_BAD_JSON'],
      undefined,
    ])
    for (const [roomId, requests] of [
      [room, sent],
      [other, sentToOther],
    ] as const) {
      const eventIds = await Promise.all(requests)
      const { chunk } = await alice.messages(roomId, { dir: 'f', from: next_batch })
      const messages = chunk.filter(event => event.type === 'm.room.message')
      expect(messages.map(event => event.event_id).sort()).toEqual(eventIds.sort())
      expect(messages.map(event => event.content.body).sort()).toEqual([...bodies].sort())
    }
  })

  test('a request that is made twice among others is one event, and both hear of it', async () => {
    const room = await alice.createRoom()
    const { next_batch } = await alice.sync()
    const send = (n: number) => alice.send(room, 'm.room.message', { body: `${n}` }, `twice-${n}`)
    const eventIds = await Promise.all([0, 1, 2, 3, 2, 1, 0, 4].map(send))
    expect(eventIds.slice(4, 7)).toEqual([eventIds[2], eventIds[1], eventIds[0]])
    const { chunk } = await alice.messages(room, { dir: 'f', from: next_batch })
    expect(chunk.map(event => event.event_id).sort()).toEqual([...new Set(eventIds)].sort())
  })

  test('messages and state from many make one line: each follows the one before it', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    const users = [alice, ...(await Promise.all(['b', 'c', 'd'].map(name => server.user(name))))]
    for (const user of users.slice(1)) await user.join(room)
    const write = async (user: Client, device: number) => {
      for (let i = 0; i < 10; i++) {
        const content = { membership: 'join', displayname: `${device} ${i}` }
        if (i % 3 === 0) await user.setState(room, 'm.room.member', user.userId, content)
        else await user.say(room, `${i}`)
      }
    }
    await Promise.all(users.flatMap(user => [write(user, 1), write(user, 2)]))
    const timeline = { limit: 100 }
    const asStored = { event_format: 'federation', room: { rooms: [room], timeline } }
    const sync = (filter: JsonObject) => alice.sync({ filter: JSON.stringify(filter) })
    const seen = (await sync({ ...asStored, event_format: 'client' })).rooms.join?.[room]
    const stored = (await sync(asStored)).rooms.join?.[room]
    const ids = seen?.timeline.events.map(event => event.event_id) ?? []
    const pdus = (stored?.timeline.events ?? []) as unknown as { prev_events: string[] }[]
    expect(ids.length).toBeGreaterThan(80)
    expect(pdus.slice(1).map(pdu => pdu.prev_events)).toEqual(ids.slice(0, -1).map(id => [id]))
  })
})
