import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { WireEvent } from '../support/wire.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.stop())

const first = { msgtype: 'm.text', body: 'first' }
const second = { msgtype: 'm.text', body: 'second' }

/** The messages of a room, oldest first, as this client sees them in an initial sync. */
async function messages(client: Client, roomId: string): Promise<WireEvent[]> {
  const { rooms } = await client.sync()
  const events = rooms.join?.[roomId]?.timeline.events ?? []
  return events.filter(event => event.type === 'm.room.message')
}

async function sameDevice(client: Client): Promise<Client> {
  const again = client.sibling()
  await again.login({ device_id: client.deviceId })
  return again
}

async function otherDevice(client: Client): Promise<Client> {
  const other = client.sibling()
  await other.login()
  return other
}

describe('unsigned.transaction_id: for the device that sent the event', () => {
  test('TestTxnInEvent: GET /rooms/{roomId}/event/{eventId} has it', async () => {
    const alice = await server.user('alice')
    const room = await alice.createRoom()
    const eventId = await alice.send(room, 'm.room.message', first, 'abcdefg')
    const event = await alice.ok('GET', alice.roomPath(room, 'event', eventId))
    expect(event.unsigned.transaction_id).toBe('abcdefg')
  })

  test('TestTxnScopeOnLocalEcho: /sync has it, also after the device logged in again', async () => {
    const alice = await server.user('alice')
    const room = await alice.createRoom()
    const eventId = await alice.send(room, 'm.room.message', first, 'abdefgh')
    const echo = [{ event_id: eventId, unsigned: { transaction_id: 'abdefgh' } }]
    expect(await messages(alice, room)).toMatchObject(echo)
    expect(await messages(await sameDevice(alice), room)).toMatchObject(echo)
  })

  test('another device of the user, and another user, do not get it', async () => {
    const [alice, bob] = [await server.user('alice'), await server.user('bob')]
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    const eventId = await alice.send(room, 'm.room.message', first, 'hidden')
    for (const client of [await otherDevice(alice), bob]) {
      const [event] = await messages(client, room)
      expect(event?.event_id).toBe(eventId)
      expect(event?.unsigned).not.toHaveProperty('transaction_id')
    }
  })
})

describe('PUT /_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}: the same request again', () => {
  test('TestTxnIdempotency: the same device, path and transaction ID are one event', async () => {
    const alice = await server.user('alice')
    const [room, otherRoom] = [await alice.createRoom(), await alice.createRoom()]
    const eventId = await alice.send(room, 'm.room.message', first, 'abc')
    expect(await alice.send(room, 'm.room.message', first, 'abc')).toBe(eventId)
    expect(await alice.send(room, 'm.room.message', second, 'abc')).toBe(eventId)
    expect(await messages(alice, room)).toMatchObject([{ event_id: eventId, content: first }])
    expect(await alice.send(otherRoom, 'm.room.message', first, 'abc')).not.toBe(eventId)
  })

  test('another event type is another path', async () => {
    const alice = await server.user('alice')
    const room = await alice.createRoom()
    const eventId = await alice.send(room, 'm.room.message', first, 'abc')
    expect(await alice.send(room, 'com.example.other', first, 'abc')).not.toBe(eventId)
  })

  test('the body of the repetition is not looked at: it may be missing', async () => {
    const alice = await server.user('alice')
    const room = await alice.createRoom()
    const eventId = await alice.send(room, 'm.room.message', first, 'abc')
    const path = alice.roomPath(room, 'send', 'm.room.message', 'abc')
    expect(await alice.ok('PUT', path)).toEqual({ event_id: eventId })
    expect(await alice.ok('PUT', path, { body: 'not JSON' })).toEqual({ event_id: eventId })
  })

  test('a path is the same however it is spelt', async () => {
    const alice = await server.user('alice')
    const room = await alice.createRoom()
    const eventId = await alice.send(room, 'm.room.message', first, 'abc')
    for (const path of [
      `/_matrix/client/v3/rooms/${room}/send/m.room.message/abc`,
      `/_matrix/client/r0/rooms/${room}/send/m%2Eroom%2Emessage/a%62c`,
    ]) {
      expect(await alice.ok('PUT', path, { body: first })).toEqual({ event_id: eventId })
    }
  })

  test('TestTxnIdempotencyScopedToDevice: a new token of the same device changes nothing', async () => {
    const alice = await server.user('alice')
    const room = await alice.createRoom()
    const eventId = await alice.send(room, 'm.room.message', first, 'abcdef')
    const again = await sameDevice(alice)
    expect(again.token).not.toBe(alice.token)
    expect(await again.send(room, 'm.room.message', first, 'abcdef')).toBe(eventId)
  })

  test('another device sends another event', async () => {
    const alice = await server.user('alice')
    const room = await alice.createRoom()
    const eventId = await alice.send(room, 'm.room.message', first, 'abc')
    const other = await otherDevice(alice)
    expect(await other.send(room, 'm.room.message', first, 'abc')).not.toBe(eventId)
  })

  test('TestTxnIdWithRefreshToken: a refreshed token changes nothing', async () => {
    const alice = (await server.user('alice')).sibling()
    const { refresh_token, expires_in_ms } = await alice.login({ refresh_token: true })
    expect(expires_in_ms).toEqual(expect.any(Number))
    const room = await alice.createRoom()
    const eventId = await alice.send(room, 'm.room.message', first, 'abcdef')
    const fresh = await alice.ok('POST', '/_matrix/client/v3/refresh', { body: { refresh_token } })
    expect(fresh.access_token).not.toBe(alice.token)
    expect(fresh.refresh_token).not.toBe(refresh_token)
    alice.token = String(fresh.access_token)
    expect(await messages(alice, room)).toMatchObject([
      { event_id: eventId, unsigned: { transaction_id: 'abcdef' } },
    ])
    expect(await alice.send(room, 'm.room.message', first, 'abcdef')).toBe(eventId)
  })

  test('it is remembered over a restart of the server', async () => {
    const alice = await server.user('alice')
    const room = await alice.createRoom()
    const eventId = await alice.send(room, 'm.room.message', first, 'abc')
    await server.restart()
    // Nothing but what is remembered could answer this.
    const path = alice.roomPath(room, 'send', 'm.room.message', 'abc')
    expect(await alice.ok('PUT', path, { body: 'not JSON' })).toEqual({ event_id: eventId })
    expect(await alice.send(room, 'm.room.message', second, 'abc')).toBe(eventId)
    expect(await messages(alice, room)).toMatchObject([
      { event_id: eventId, unsigned: { transaction_id: 'abc' } },
    ])
  })

  test('at the same moment: one event, and the same answer for all', async () => {
    const alice = await server.user('alice')
    const room = await alice.createRoom()
    const send = () => alice.send(room, 'm.room.message', first, 'abc')
    const eventIds = await Promise.all([send(), send(), send(), send()])
    expect(new Set(eventIds).size).toBe(1)
    expect(await messages(alice, room)).toHaveLength(1)
  })

  test('a request that was refused is not remembered', async () => {
    const alice = await server.user('alice')
    const room = await alice.createRoom()
    const path = alice.roomPath(room, 'send', 'm.room.message', 'abc')
    expect((await alice.request('PUT', path, { body: '{' })).status).toBe(400)
    const eventId = await alice.send(room, 'm.room.message', first, 'abc')
    expect(await messages(alice, room)).toMatchObject([{ event_id: eventId }])
  })

  test('a device that logged out, and its name taken up again, begins anew', async () => {
    const alice = await server.user('alice')
    const room = await alice.createRoom()
    const gone = await otherDevice(alice)
    const eventId = await gone.send(room, 'm.room.message', first, 'abc')
    await gone.ok('POST', '/_matrix/client/v3/logout')
    const namesake = await sameDevice(gone)
    expect(await namesake.send(room, 'm.room.message', first, 'abc')).not.toBe(eventId)
  })
})

describe('the same request again, at the other endpoints with transaction IDs', () => {
  test('PUT /rooms/{roomId}/redact/{eventId}/{txnId} redacts once', async () => {
    const alice = await server.user('alice')
    const room = await alice.createRoom()
    const eventId = await alice.say(room, 'oops')
    const path = alice.roomPath(room, 'redact', eventId, 'abc')
    const redaction = await alice.ok('PUT', path, { body: {} })
    expect(await alice.ok('PUT', path, { body: { reason: 'again' } })).toEqual(redaction)
    const event = await alice.ok('GET', alice.roomPath(room, 'event', redaction.event_id))
    expect(event.unsigned.transaction_id).toBe('abc')
  })

  test('PUT /sendToDevice/{eventType}/{txnId} delivers once', async () => {
    const [alice, bob] = [await server.user('alice'), await server.user('bob')]
    const path = '/_matrix/client/v3/sendToDevice/com.example.test/abc'
    const body = { messages: { [bob.userId]: { [bob.deviceId]: { said: 'once' } } } }
    await alice.ok('PUT', path, { body })
    await alice.ok('PUT', path, { body })
    expect((await bob.sync()).to_device.events).toEqual([
      { type: 'com.example.test', sender: alice.userId, content: { said: 'once' } },
    ])
  })

  test('with a delay: one delayed event, also if the repetition has no body', async () => {
    const alice = await server.user('alice')
    const room = await alice.createRoom()
    const path = alice.roomPath(room, 'send', 'm.room.message', 'abc')
    const query = { 'org.matrix.msc4140.delay': 700 }
    const { delay_id } = await alice.ok('PUT', path, { query, body: first })
    expect(await alice.ok('PUT', path, { query })).toEqual({ delay_id })
    await server.advance(700)
    expect(await messages(alice, room)).toMatchObject([{ content: first }])
  })
})
