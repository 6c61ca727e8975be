import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject, WireEvent } from '../support/wire.ts'

let server: TestServer
let alice: Client
let bob: Client
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  bob = await server.user('bob')
})
afterAll(() => server.stop())

const v1 = (room: string, ...parts: string[]) =>
  alice.roomPath(room, ...parts).replace('/v3/', '/v1/')
const ids = (events: WireEvent[]) => events.map(event => event.event_id)

function related(room: string, eventId: string, query: JsonObject = {}, ...kind: string[]) {
  return alice.ok('GET', v1(room, 'relations', eventId, ...kind), { query })
}

function relate(user: Client, room: string, parent: string, relType: string, extra = {}) {
  return user.send(room, 'm.room.message', {
    msgtype: 'm.text',
    body: relType,
    'm.relates_to': { event_id: parent, rel_type: relType },
    ...extra,
  })
}
const reply = (user: Client, room: string, root: string, body = 'reply') =>
  relate(user, room, root, 'm.thread', { body })
const edit = (user: Client, room: string, original: string, body: string) =>
  relate(user, room, original, 'm.replace', {
    body: `* ${body}`,
    'm.new_content': { msgtype: 'm.text', body },
  })
const react = (user: Client, room: string, eventId: string, key: string) =>
  user.send(room, 'm.reaction', {
    'm.relates_to': { event_id: eventId, rel_type: 'm.annotation', key },
  })

async function publicRoom(): Promise<string> {
  const room = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(room)
  return room
}

describe('GET /_matrix/client/v1/rooms/{roomId}/relations/{eventId}', () => {
  test('TestRelations: all children, those of one relation, those of one type', async () => {
    const room = await publicRoom()
    const root = await alice.say(room, 'root')
    const inThread = await reply(alice, room, root)
    const dummy = await alice.send(room, 'm.dummy', {
      'm.relates_to': { event_id: root, rel_type: 'm.thread' },
    })
    const edited = await edit(alice, room, root, 'edited root')
    await alice.say(room, 'has nothing to do with it')
    expect(ids((await related(room, root)).chunk)).toEqual([edited, dummy, inThread])
    expect(ids((await related(room, root, {}, 'm.thread')).chunk)).toEqual([dummy, inThread])
    const { chunk } = await related(room, root, {}, 'm.thread', 'm.room.message')
    expect(ids(chunk)).toEqual([inThread])
    expect(chunk[0]).toMatchObject({ room_id: room, content: { body: 'reply' } })
  })

  test('TestRelationsPagination: newest first, or with dir=f oldest first', async () => {
    const room = await publicRoom()
    const root = await alice.say(room, 'root')
    const sent: string[] = []
    for (let i = 0; i < 10; i++) sent.push(await reply(alice, room, root, `reply ${i}`))
    const walk = async (query: JsonObject) => {
      const pages: string[][] = []
      let from: string | undefined
      do {
        const page: JsonObject = await related(room, root, { ...query, from })
        expect(page.prev_batch).toBe(from)
        pages.push(ids(page.chunk))
        from = page.next_batch
      } while (from !== undefined)
      return pages
    }
    const backwards = [...sent].reverse()
    expect(await walk({ limit: 4 })).toEqual([
      backwards.slice(0, 4),
      backwards.slice(4, 8),
      backwards.slice(8),
    ])
    expect(await walk({ limit: 5, dir: 'f' })).toEqual([sent.slice(0, 5), sent.slice(5)])
  })

  test('TestRelationsPaginationSync: `from` and `to` may be tokens of /sync', async () => {
    const room = await publicRoom()
    const root = await alice.say(room, 'root')
    const before = [await reply(alice, room, root), await reply(alice, room, root)]
    const { next_batch: token } = await alice.sync()
    const after = [await reply(alice, room, root), await reply(alice, room, root)]
    const since = await related(room, root, { dir: 'f', from: token, limit: 1 })
    expect(ids(since.chunk)).toEqual([after[0]])
    const rest = await related(room, root, { dir: 'f', from: since.next_batch })
    expect(ids(rest.chunk)).toEqual([after[1]])
    expect(ids((await related(room, root, { dir: 'f', to: token })).chunk)).toEqual(before)
    expect(ids((await related(room, root, { to: token })).chunk)).toEqual([...after].reverse())
  })

  test('recurse: what relates to what relates to it, down to the third level', async () => {
    const room = await publicRoom()
    const root = await alice.say(room, 'root')
    const first = await reply(alice, room, root)
    const second = await edit(alice, room, first, 'edited')
    const third = await react(bob, room, second, '1')
    const fourth = await react(bob, room, third, '2')
    const direct = await related(room, root)
    expect(ids(direct.chunk)).toEqual([first])
    expect(direct).not.toHaveProperty('recursion_depth')
    const deep = await related(room, root, { recurse: true })
    expect(ids(deep.chunk)).toEqual([third, second, first])
    expect(deep.recursion_depth).toBe(3)
    expect(ids((await related(room, second, { recurse: true })).chunk)).toEqual([fourth, third])
    // The filter is for what is shown, and not for what is passed on the way.
    const reactions = await related(room, root, { recurse: true }, 'm.annotation')
    expect(ids(reactions.chunk)).toEqual([third])
  })

  test('a child that is redacted relates to nothing any more', async () => {
    const room = await publicRoom()
    const root = await alice.say(room, 'root')
    await alice.redact(room, await reply(alice, room, root))
    expect((await related(room, root)).chunk).toEqual([])
  })

  test('an event of another room is no child, and none is found under an unknown one', async () => {
    const room = await publicRoom()
    const root = await alice.say(room, 'root')
    await reply(alice, await publicRoom(), root)
    expect((await related(room, root)).chunk).toEqual([])
    expect((await alice.event(room, root)).unsigned).not.toHaveProperty('m.relations')
    const { status, errcode } = await refusal(related(room, '$unknown'))
    expect({ status, errcode }).toEqual({ status: 404, errcode: 'M_NOT_FOUND' })
  })
})

describe('unsigned.m.relations', () => {
  const relationsOf = async (user: Client, room: string, eventId: string) =>
    (await user.event(room, eventId)).unsigned?.['m.relations']

  test('m.thread: its latest event, how many there are, and whether one took part', async () => {
    const room = await publicRoom()
    const root = await alice.say(room, 'root')
    expect(await relationsOf(alice, room, root)).toBeUndefined()
    await reply(alice, room, root, 'one')
    const latest = await reply(alice, room, root, 'two')
    const thread = (current_user_participated: boolean, count = 2) => ({
      'm.thread': {
        latest_event: expect.objectContaining({ event_id: latest, room_id: room }),
        count,
        current_user_participated,
      },
    })
    expect(await relationsOf(alice, room, root)).toEqual(thread(true))
    expect(await relationsOf(bob, room, root)).toEqual(thread(false))
    const own = await reply(bob, room, root, 'three')
    expect(await relationsOf(bob, room, root)).toMatchObject({
      'm.thread': { latest_event: { event_id: own }, count: 3, current_user_participated: true },
    })
    await bob.redact(room, own)
    expect(await relationsOf(bob, room, root)).toEqual(thread(false))
  })

  test('m.thread: with the last reply redacted there is none', async () => {
    const room = await publicRoom()
    const root = await alice.say(room, 'root')
    await alice.redact(room, await reply(alice, room, root))
    expect(await relationsOf(alice, room, root)).toBeUndefined()
    expect((await alice.ok('GET', v1(room, 'threads'))).chunk).toEqual([])
  })

  test('m.thread: the latest event brings its own edit along', async () => {
    const room = await publicRoom()
    const root = await alice.say(room, 'root')
    const latest = await reply(alice, room, root, 'one')
    const edited = await edit(alice, room, latest, 'another')
    const { 'm.thread': thread } = await relationsOf(alice, room, root)
    expect(thread.latest_event.unsigned['m.relations']).toMatchObject({
      'm.replace': { event_id: edited },
    })
  })

  test('m.replace: the latest edit that is one, whole; the original keeps its content', async () => {
    const room = await publicRoom()
    const original = await alice.say(room, 'original')
    await edit(alice, room, original, 'first')
    const second = await edit(alice, room, original, 'second')
    await edit(bob, room, original, 'not his to edit')
    await relate(alice, room, original, 'm.replace')
    await alice.send(room, 'm.other', {
      'm.new_content': {},
      'm.relates_to': { event_id: original, rel_type: 'm.replace' },
    })
    const event = await bob.event(room, original)
    expect(event.content.body).toBe('original')
    expect(event.unsigned?.['m.relations']).toEqual({
      'm.replace': expect.objectContaining({
        event_id: second,
        content: expect.objectContaining({
          'm.new_content': { msgtype: 'm.text', body: 'second' },
        }),
      }),
    })
    // An edit of an edit is none.
    await edit(alice, room, second, 'third')
    expect(await relationsOf(bob, room, second)).toBeUndefined()
    await alice.redact(room, second)
    expect(await relationsOf(bob, room, original)).toMatchObject({
      'm.replace': { content: { 'm.new_content': { body: 'first' } } },
    })
    await alice.redact(room, original)
    expect(await relationsOf(bob, room, original)).toBeUndefined()
  })

  test('m.reference: who refers to it', async () => {
    const room = await publicRoom()
    const poll = await alice.say(room, 'poll')
    const answers = [await relate(bob, room, poll, 'm.reference')]
    answers.push(await relate(alice, room, poll, 'm.reference'))
    expect(await relationsOf(bob, room, poll)).toEqual({
      'm.reference': { chunk: answers.map(event_id => ({ event_id })) },
    })
  })

  test('is there on every path that shows the event', async () => {
    const room = await publicRoom()
    const root = await alice.say(room, 'root')
    const inThread = await reply(alice, room, root)
    const search = {
      search_categories: { room_events: { search_term: 'root', filter: { rooms: [room] } } },
    }
    const { timeline } = (await alice.sync()).rooms.join?.[room] ?? { timeline: { events: [] } }
    const shown: Record<string, WireEvent[]> = {
      messages: (await alice.messages(room, { dir: 'b' })).chunk,
      context: (await alice.ok('GET', alice.roomPath(room, 'context', inThread))).events_before,
      'event of the context': [
        (await alice.ok('GET', alice.roomPath(room, 'context', root))).event,
      ],
      threads: (await alice.ok('GET', v1(room, 'threads'))).chunk,
      sync: timeline.events,
      search: (
        await alice.ok('POST', '/_matrix/client/v3/search', { body: search })
      ).search_categories.room_events.results.map((found: JsonObject) => found.result),
    }
    for (const [path, events] of Object.entries(shown)) {
      const event = events.find(one => one.event_id === root)
      const thread = event?.unsigned?.['m.relations']?.['m.thread']
      expect([path, thread?.latest_event.event_id]).toEqual([path, inThread])
      expect(thread.latest_event.room_id).toBe(path === 'sync' ? undefined : room)
    }
  })
})

describe('GET /_matrix/client/v1/rooms/{roomId}/threads', () => {
  const threads = async (user: Client, room: string, query: JsonObject = {}) => {
    const page = await user.ok('GET', v1(room, 'threads'), { query })
    const roots = page.chunk.map((event: WireEvent) => [
      event.event_id,
      event.unsigned?.['m.relations']?.['m.thread'].latest_event.event_id,
    ])
    return { roots, next: page.next_batch }
  }

  test('TestThreadsEndpoint: those with the latest replies first', async () => {
    const room = await publicRoom()
    const [first, second] = [await alice.say(room, 'Thread 1'), await alice.say(room, 'Thread 2')]
    const firstReply = await reply(alice, room, first)
    const secondReply = await reply(alice, room, second)
    const order = [
      [second, secondReply],
      [first, firstReply],
    ]
    expect((await threads(alice, room)).roots).toEqual(order)
    const last = await reply(alice, room, first)
    expect((await threads(alice, room)).roots).toEqual([
      [first, last],
      [second, secondReply],
    ])
  })

  test('include=participated: those that one started or replied to; in pages', async () => {
    const room = await publicRoom()
    const roots: string[] = []
    for (const name of ['none', 'replied', 'started', 'both']) {
      const isBobs = name === 'started' || name === 'both'
      const root = await (isBobs ? bob : alice).say(room, name)
      const replies = name === 'replied' || name === 'both'
      await reply(replies ? bob : alice, room, root)
      roots.unshift(root)
    }
    const walk = async (query: JsonObject) => {
      const seen: string[] = []
      let from: string | undefined
      do {
        const page = await threads(bob, room, { ...query, from })
        seen.push(...page.roots.map(([root]: string[]) => root))
        from = page.next
      } while (from !== undefined)
      return seen
    }
    expect(await walk({ limit: 3 })).toEqual(roots)
    expect(await walk({ limit: 1, include: 'participated' })).toEqual(roots.slice(0, 3))
  })

  test('who has left sees the threads as they were', async () => {
    const room = await publicRoom()
    const [first, second] = [await alice.say(room, 'Thread 1'), await alice.say(room, 'Thread 2')]
    const known = await reply(alice, room, first)
    const knownToo = await reply(alice, room, second)
    await bob.leave(room)
    await reply(alice, room, first)
    expect((await threads(bob, room)).roots).toEqual([
      [second, knownToo],
      [first, known],
    ])
    const { unsigned } = await bob.event(room, first)
    expect(unsigned?.['m.relations']['m.thread'].count).toBe(1)
  })

  test.each([{ limit: 0 }, { include: 'some' }, { from: 'nonsense' }])('%j is 400', async query => {
    const room = await publicRoom()
    const { status, errcode } = await refusal(threads(alice, room, query))
    expect({ status, errcode }).toEqual({ status: 400, errcode: 'M_INVALID_PARAM' })
  })
})

describe('PUT /_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId} with a relation', () => {
  test('a thread on an event that relates to another is 400', async () => {
    const room = await publicRoom()
    const root = await alice.say(room, 'root')
    const child = await reply(alice, room, root)
    const { status, errcode } = await refusal(reply(alice, room, child))
    expect({ status, errcode }).toEqual({ status: 400, errcode: 'M_UNKNOWN' })
  })

  test("the same reaction again is 400; another, or another's, or after a redaction, is not", async () => {
    const room = await publicRoom()
    const root = await alice.say(room, 'root')
    const first = await react(alice, room, root, '+1')
    const { status, errcode } = await refusal(react(alice, room, root, '+1'))
    expect({ status, errcode }).toEqual({ status: 400, errcode: 'M_DUPLICATE_ANNOTATION' })
    await react(alice, room, root, '-1')
    await react(bob, room, root, '+1')
    await alice.redact(room, first)
    await react(alice, room, root, '+1')
  })
})

describe('TestThreadSubscriptions: …/rooms/{roomId}/thread/{eventId}/subscription (MSC4306)', () => {
  const path = (room: string, root: string) =>
    alice
      .roomPath(room, 'thread', root, 'subscription')
      .replace('/v3/', '/unstable/io.element.msc4306/')
  const subscribe = (room: string, root: string, automatic?: string) =>
    alice.ok('PUT', path(room, root), {
      body: automatic === undefined ? {} : { automatic },
    })
  const unsubscribe = (room: string, root: string) => alice.ok('DELETE', path(room, root))
  const subscription = (room: string, root: string) => alice.ok('GET', path(room, root))
  const expectRefused = async (promise: Promise<unknown>, status: number, errcode: string) => {
    const failed = await refusal(promise)
    expect([failed.status, failed.errcode]).toEqual([status, errcode])
  }
  let room: string
  let root: string
  beforeEach(async () => {
    room = await publicRoom()
    root = await alice.say(room, 'root')
  })

  test('can subscribe to and unsubscribe from a thread', async () => {
    expect(await subscribe(room, root)).toEqual({})
    expect(await subscription(room, root)).toEqual({ automatic: false })
    await server.restart()
    expect(await subscription(room, root)).toEqual({ automatic: false })
    expect(await unsubscribe(room, root)).toEqual({})
    await expectRefused(subscription(room, root), 404, 'M_NOT_FOUND')
  })

  test('cannot use the root, or an event of another thread, as cause of an automatic one', async () => {
    const notInThread = 'IO.ELEMENT.MSC4306.M_NOT_IN_THREAD'
    await expectRefused(subscribe(room, root, root), 400, notInThread)
    const other = await reply(alice, room, await alice.say(room, 'another root'))
    await expectRefused(subscribe(room, root, other), 400, notInThread)
    await expectRefused(subscribe(room, root, '$unknown'), 400, notInThread)
  })

  test('an automatic subscription is overwritten by one by hand, and not the other way', async () => {
    const cause = await reply(bob, room, root)
    await subscribe(room, root, cause)
    expect(await subscription(room, root)).toEqual({ automatic: true })
    await subscribe(room, root)
    expect(await subscription(room, root)).toEqual({ automatic: false })
    await subscribe(room, root, cause)
    expect(await subscription(room, root)).toEqual({ automatic: false })
  })

  test('nor is it when both come at once', async () => {
    const threads: { start: string; cause: string }[] = []
    for (let n = 0; n < 10; n++) {
      const start = await alice.say(room, 'root')
      threads.push({ start, cause: await reply(bob, room, start) })
    }
    await Promise.all(
      threads.flatMap(({ start, cause }) => [
        subscribe(room, start, cause),
        subscribe(room, start),
        subscribe(room, start, cause),
      ]),
    )
    for (const { start } of threads) {
      expect(await subscription(room, start)).toEqual({ automatic: false })
    }
  })

  test('unsubscribing succeeds even with no subscription', async () => {
    expect(await unsubscribe(room, root)).toEqual({})
  })

  test('threads that do not exist, or are hidden, are 404', async () => {
    const hidden = await bob.createRoom()
    const unseen = await bob.say(hidden, 'root')
    for (const [where, what] of [
      [room, '$notathread:example.org'],
      [hidden, unseen],
    ] as const) {
      await expectRefused(subscribe(where, what), 404, 'M_NOT_FOUND')
      await expectRefused(subscription(where, what), 404, 'M_NOT_FOUND')
      await expectRefused(unsubscribe(where, what), 404, 'M_NOT_FOUND')
    }
  })

  test('what came before one unsubscribed is no cause to subscribe again', async () => {
    const first = await reply(bob, room, root)
    await subscribe(room, root, first)
    const second = await reply(bob, room, root)
    await unsubscribe(room, root)
    const third = await reply(bob, room, root)
    const conflict = 'IO.ELEMENT.MSC4306.M_CONFLICTING_UNSUBSCRIPTION'
    for (const cause of [first, second]) {
      await expectRefused(subscribe(room, root, cause), 409, conflict)
      await expectRefused(subscription(room, root), 404, 'M_NOT_FOUND')
    }
    await subscribe(room, root, third)
    expect(await subscription(room, root)).toEqual({ automatic: true })
  })
})
