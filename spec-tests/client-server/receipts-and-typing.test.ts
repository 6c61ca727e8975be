import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject, SyncResponse } from '../support/wire.ts'

let server: TestServer
let alice: Client
let bob: Client
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  bob = await server.user('bob')
})
afterAll(() => server.stop())

const enc = encodeURIComponent

async function sharedRoom(): Promise<string> {
  const room = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(room)
  return room
}

const read = (who: Client, room: string, type: string, eventId: string, body: JsonObject = {}) =>
  who.ok('POST', who.roomPath(room, 'receipt', type, eventId), { body })

const type = (who: Client, room: string, body: JsonObject) =>
  who.ok('PUT', who.roomPath(room, 'typing', who.userId), { body })

const ephemeral = (answer: SyncResponse, room: string) =>
  answer.rooms.join?.[room]?.ephemeral.events ?? []

const malformed = { status: 400, errcode: 'M_INVALID_PARAM' }

/** Content of the one event of that type. */
function said(answer: SyncResponse, room: string, eventType: string) {
  return ephemeral(answer, room).find(event => event.type === eventType)?.content
}

describe('TestRoomReceipts: POST /rooms/{roomId}/receipt/{receiptType}/{eventId}', () => {
  test('one’s own receipt is in an initial sync, and has no room_id', async () => {
    const room = await sharedRoom()
    const event = await alice.say(room, 'hello')
    await read(alice, room, 'm.read', event)
    const answer = await alice.sync()
    expect(ephemeral(answer, room)).toEqual([
      {
        type: 'm.receipt',
        content: { [event]: { 'm.read': { [alice.userId]: { ts: server.now() } } } },
      },
    ])
  })

  test('it reaches the others, wakes them, and comes again for the same `since`', async () => {
    const room = await sharedRoom()
    const event = await alice.say(room, 'hello')
    const { next_batch: since } = await alice.sync()
    const waiting = alice.sync({ since, timeout: 10_000 })
    await server.untilWaiting(1)
    await read(bob, room, 'm.read', event)
    const first = await waiting
    expect(said(first, room, 'm.receipt')).toMatchObject({ [event]: { 'm.read': {} } })
    const again = await alice.sync({ since })
    expect(again.rooms).toEqual(first.rooms)
    expect((await alice.sync({ since: first.next_batch })).rooms).toEqual({})
  })

  test('a private one reaches nobody else', async () => {
    const room = await sharedRoom()
    const event = await alice.say(room, 'hello')
    const { next_batch: since } = await alice.sync()
    await read(bob, room, 'm.read.private', event)
    expect((await alice.sync({ since })).rooms).toEqual({})
    expect(said(await bob.sync({ since }), room, 'm.receipt')).toMatchObject({
      [event]: { 'm.read.private': { [bob.userId]: { ts: server.now() } } },
    })
    expect(said(await alice.sync(), room, 'm.receipt')).toBeUndefined()
  })

  test('it never goes back', async () => {
    const room = await sharedRoom()
    const [earlier, later] = [await alice.say(room, '1'), await alice.say(room, '2')]
    await read(bob, room, 'm.read', later)
    const { next_batch: since } = await alice.sync()
    await read(bob, room, 'm.read', earlier)
    expect((await alice.sync({ since })).rooms).toEqual({})
    expect(Object.keys(said(await alice.sync(), room, 'm.receipt') ?? {})).toEqual([later])
  })

  test('it outlives a restart', async () => {
    const room = await sharedRoom()
    const event = await alice.say(room, 'hello')
    await read(bob, room, 'm.read', event)
    await server.restart()
    expect(Object.keys(said(await alice.sync(), room, 'm.receipt') ?? {})).toEqual([event])
  })

  test('TestThreadReceiptsInSyncMSC4102: at one event the unthreaded one is told', async () => {
    const room = await sharedRoom()
    const root = await alice.say(room, 'hello')
    const reply = await alice.send(room, 'm.room.message', {
      body: 'reply',
      'm.relates_to': { rel_type: 'm.thread', event_id: root },
    })
    await read(alice, room, 'm.read', reply, {})
    await read(alice, room, 'm.read', reply, { thread_id: root })
    expect(said(await bob.sync(), room, 'm.receipt')).toEqual({
      [reply]: { 'm.read': { [alice.userId]: { ts: server.now() } } },
    })
  })

  test.each([
    ['an event that is not there', '$nothing', {}, 404, 'M_NOT_FOUND'],
    ['a thread that is no event', undefined, { thread_id: 'x' }, 400, 'M_INVALID_PARAM'],
    ['a thread that is no string', undefined, { thread_id: 1 }, 400, 'M_BAD_JSON'],
  ])('%s is refused', async (_, eventId, body, status, errcode) => {
    const room = await sharedRoom()
    const event = eventId ?? (await alice.say(room, 'hello'))
    const refused = await refusal(read(alice, room, 'm.read', event, body))
    expect(refused).toMatchObject({ status, errcode })
  })

  test('of a thread is at what is in it, at its root, or at what relates to those', async () => {
    const room = await sharedRoom()
    const [root, other] = [await alice.say(room, 'root'), await alice.say(room, 'other')]
    const related = (to: string, relation: JsonObject, more: JsonObject = {}) =>
      alice.send(room, 'm.room.message', {
        body: 'related',
        'm.relates_to': { ...relation, event_id: to },
        ...more,
      })
    const reply = await related(root, { rel_type: 'm.thread' })
    const edit = await related(reply, { rel_type: 'm.replace' }, { 'm.new_content': { body: 'x' } })
    const toRoot = await related(root, { rel_type: 'm.annotation', key: 'x' })
    const redacted = await related(root, { rel_type: 'm.thread' })
    await alice.redact(room, redacted)
    const cases: [event: string, thread: string, isRelated: boolean][] = [
      [root, 'main', true],
      [root, root, true],
      [root, other, false],
      [other, 'main', true],
      [other, other, true],
      [other, root, false],
      [reply, 'main', false],
      [reply, root, true],
      [reply, other, false],
      [edit, 'main', false],
      [edit, root, true],
      [toRoot, 'main', true],
      [toRoot, root, true],
      [toRoot, other, false],
      // Where it was nothing tells any more.
      [redacted, 'main', true],
      [redacted, root, true],
    ]
    const answers: [event: string, thread: string, isRelated: boolean][] = []
    for (const [event, thread] of cases) {
      const path = bob.roomPath(room, 'receipt', 'm.read.private', event)
      const { status, body } = await bob.request('POST', path, { body: { thread_id: thread } })
      if (status !== 200) expect({ status, ...body }).toMatchObject(malformed)
      answers.push([event, thread, status === 200])
    }
    expect(answers).toEqual(cases)
  })

  test('only members have read', async () => {
    const room = await alice.createRoom()
    const event = await alice.say(room, 'hello')
    const refused = await refusal(read(bob, room, 'm.read', event))
    expect(refused).toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
    const unknown = await refusal(read(alice, room, 'm.seen', event))
    expect(unknown).toMatchObject({ status: 400, errcode: 'M_INVALID_PARAM' })
    const threaded = await refusal(read(alice, room, 'm.fully_read', event, { thread_id: 'main' }))
    expect(threaded).toMatchObject({ status: 400, errcode: 'M_INVALID_PARAM' })
  })
})

describe('TestRoomReadMarkers: POST /rooms/{roomId}/read_markers', () => {
  test('m.read is a receipt, m.fully_read is account data of the room', async () => {
    const room = await sharedRoom()
    const event = await alice.say(room, 'hello')
    const body = { 'm.read': event, 'm.fully_read': event, 'm.read.private': event }
    await alice.ok('POST', alice.roomPath(room, 'read_markers'), { body })
    const answer = await alice.sync()
    expect(answer.rooms.join?.[room]?.account_data.events).toContainEqual({
      type: 'm.fully_read',
      content: { event_id: event },
    })
    expect(said(answer, room, 'm.receipt')).toMatchObject({
      [event]: { 'm.read': {}, 'm.read.private': {} },
    })
  })

  test('one that is refused keeps none of them', async () => {
    const room = await sharedRoom()
    const event = await alice.say(room, 'hello')
    const { next_batch: since } = await alice.sync()
    const body = { 'm.fully_read': event, 'm.read': '$nothing' }
    const refused = alice.ok('POST', alice.roomPath(room, 'read_markers'), { body })
    expect(await refusal(refused)).toMatchObject({ status: 404, errcode: 'M_NOT_FOUND' })
    expect((await alice.sync({ since })).rooms).toEqual({})
  })
})

describe('TestTyping: PUT /rooms/{roomId}/typing/{userId}', () => {
  test('it is told, again for the same `since`, and so is that it stopped', async () => {
    const room = await sharedRoom()
    const { next_batch: since } = await bob.sync()
    await type(alice, room, { typing: true, timeout: 10_000 })
    const typing = { type: 'm.typing', content: { user_ids: [alice.userId] } }
    const first = await bob.sync({ since })
    expect(ephemeral(first, room)).toEqual([typing])
    expect(ephemeral(await bob.sync({ since }), room)).toEqual([typing])
    expect((await bob.sync({ since: first.next_batch })).rooms).toEqual({})
    await type(alice, room, { typing: false })
    const stopped = [{ type: 'm.typing', content: { user_ids: [] } }]
    expect(ephemeral(await bob.sync({ since: first.next_batch }), room)).toEqual(stopped)
    await type(alice, room, { typing: true, timeout: 0 })
  })

  test('it ends by itself, and wakes who waits', async () => {
    const room = await sharedRoom()
    await type(alice, room, { typing: true, timeout: 5_000 })
    expect(said(await bob.sync(), room, 'm.typing')).toEqual({ user_ids: [alice.userId] })
    const { next_batch: since } = await bob.sync()
    await server.advance(4_999)
    expect((await bob.sync({ since })).rooms).toEqual({})
    const waiting = bob.sync({ since, timeout: 30_000 })
    await server.untilWaiting(1)
    await server.advance(1)
    expect(said(await waiting, room, 'm.typing')).toEqual({ user_ids: [] })
    expect(said(await bob.sync(), room, 'm.typing')).toBeUndefined()
  })

  test('whoever was told of it before a restart is told when they say that they stop, once', async () => {
    const room = await sharedRoom()
    await type(alice, room, { typing: true, timeout: 60_000 })
    const { next_batch: since } = await bob.sync()
    await server.restart()
    const waiting = bob.sync({ since, timeout: 30_000, set_presence: 'offline' })
    await server.untilWaiting(1)
    await type(alice, room, { typing: false })
    await server.advance(30_000)
    const told = await waiting
    expect(said(told, room, 'm.typing')).toEqual({ user_ids: [] })
    await type(alice, room, { typing: false })
    expect((await bob.sync({ since: told.next_batch })).rooms).toEqual({})
    expect(said(await bob.sync(), room, 'm.typing')).toBeUndefined()
  })

  test('whoever leaves does not type there any more', async () => {
    const room = await sharedRoom()
    await type(bob, room, { typing: true, timeout: 5_000 })
    await bob.leave(room)
    expect(said(await alice.sync(), room, 'm.typing')).toBeUndefined()
  })

  test.each(['leave', 'kick', 'ban'] as const)(
    'that they do not after a %s is told at once, and holds when they come back',
    async way => {
      const room = await sharedRoom()
      await type(bob, room, { typing: true, timeout: 60_000 })
      const { next_batch: since } = await alice.sync()
      if (way === 'leave') await bob.leave(room)
      else await alice[way](room, bob.userId)
      expect(said(await alice.sync({ since }), room, 'm.typing')).toEqual({ user_ids: [] })
      if (way === 'ban') await alice.unban(room, bob.userId)
      await bob.join(room)
      expect(said(await alice.sync(), room, 'm.typing')).toBeUndefined()
      // A refused departure is none.
      await type(bob, room, { typing: true, timeout: 1_000 })
      await refusal(bob.ban(room, alice.userId))
      expect(said(await alice.sync(), room, 'm.typing')).toEqual({ user_ids: [bob.userId] })
      await server.advance(1_000)
    },
  )

  test('who comes back is told who types, and that nobody does any more', async () => {
    const room = await sharedRoom()
    await type(alice, room, { typing: true, timeout: 5_000 })
    await type(bob, room, { typing: true, timeout: 5_000 })
    const both = [alice.userId, bob.userId]
    expect(said(await bob.sync(), room, 'm.typing')).toEqual({ user_ids: both })
    await bob.leave(room)
    const { next_batch: since } = await bob.sync()
    await bob.join(room)
    expect(said(await bob.sync({ since }), room, 'm.typing')).toEqual({ user_ids: [alice.userId] })
    await bob.leave(room)
    await type(alice, room, { typing: false })
    const { next_batch: later } = await bob.sync()
    await bob.join(room)
    expect(said(await bob.sync({ since: later }), room, 'm.typing')).toEqual({ user_ids: [] })
    // Who begins anew has nothing to be corrected.
    expect(said(await bob.sync(), room, 'm.typing')).toBeUndefined()
  })

  test('TestLeakyTyping: whoever is not in the room hears nothing, and says nothing', async () => {
    const room = await alice.createRoom()
    const { next_batch: since } = await bob.sync()
    await type(alice, room, { typing: true, timeout: 1_000 })
    expect((await bob.sync({ since })).rooms).toEqual({})
    const refused = await refusal(type(bob, room, { typing: true }))
    expect(refused).toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
    const path = bob.roomPath(room, 'typing', alice.userId)
    const other = await refusal(bob.ok('PUT', path, { body: { typing: true } }))
    expect(other).toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
    await server.advance(1_000)
  })
})

describe('filters for what is said in passing', () => {
  test('`room.ephemeral` lets through what it names, and counts come all the same', async () => {
    const room = await sharedRoom()
    const event = await alice.say(room, 'hello')
    const { next_batch: since } = await bob.sync()
    await read(bob, room, 'm.read', event)
    await type(alice, room, { typing: true, timeout: 1_000 })
    const only = async (ephemeralFilter: JsonObject) => {
      const filter = JSON.stringify({ room: { ephemeral: ephemeralFilter } })
      return bob.sync({ since, filter })
    }
    expect(ephemeral(await only({ types: ['m.typing'] }), room)).toMatchObject([
      { type: 'm.typing' },
    ])
    expect(ephemeral(await only({ not_types: ['m.typing'] }), room)).toMatchObject([
      { type: 'm.receipt' },
    ])
    expect(ephemeral(await only({ limit: 1 }), room)).toHaveLength(1)
    const none = await only({ not_rooms: [room] })
    expect(ephemeral(none, room)).toEqual([])
    expect(none.rooms.join?.[room]).toMatchObject({
      unread_notifications: { notification_count: 0, highlight_count: 0 },
    })
    await server.advance(1_000)
  })
})

describe('PUT /user/{userId}/rooms/{roomId}/tags/{tag}', () => {
  const tags = (room: string, tag = '') =>
    `/_matrix/client/v3/user/${enc(alice.userId)}/rooms/${enc(room)}/tags${tag && `/${enc(tag)}`}`

  test('tags are set, listed, told as m.tag, and taken off', async () => {
    const room = await sharedRoom()
    expect(await alice.ok('GET', tags(room))).toEqual({ tags: {} })
    const { next_batch: since } = await alice.sync()
    await Promise.all([
      alice.ok('PUT', tags(room, 'm.favourite'), { body: { order: 0.5 } }),
      alice.ok('PUT', tags(room, 'u.a/b'), { body: {} }),
    ])
    const both = { tags: { 'm.favourite': { order: 0.5 }, 'u.a/b': {} } }
    expect(await alice.ok('GET', tags(room))).toEqual(both)
    const { rooms } = await alice.sync({ since })
    expect(rooms.join?.[room]?.account_data.events).toEqual([{ type: 'm.tag', content: both }])
    await alice.ok('DELETE', tags(room, 'u.a/b'))
    expect(await alice.ok('GET', tags(room))).toEqual({ tags: { 'm.favourite': { order: 0.5 } } })
  })

  test('they are one’s own, and their order lies between 0 and 1', async () => {
    const room = await sharedRoom()
    const others = await refusal(bob.ok('PUT', tags(room, 'm.favourite'), { body: {} }))
    expect(others).toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
    const far = await refusal(alice.ok('PUT', tags(room, 'm.favourite'), { body: { order: 2 } }))
    expect(far).toMatchObject({ status: 400, errcode: 'M_INVALID_PARAM' })
  })
})
