import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'

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
