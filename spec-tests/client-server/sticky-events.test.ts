/**
 * Sticky events reach whoever is in the room, whatever comes after them: in `/sync` and in sliding sync.
 *
 * The tests that begin with a name are Complement's of that name (tests/msc4354).
 *
 * Spec: MSC4354; MSC4480
 */
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject, WireEvent } from '../support/wire.ts'

const minute = 60_000
const extension = 'org.matrix.msc4354.sticky_events'

let server: TestServer
let alice: Client
let bob: Client
let room: string
beforeAll(async () => {
  server = await startServer()
})
beforeEach(async () => {
  alice = await server.user('alice')
  bob = await server.user('bob')
  room = await alice.createRoom({ preset: 'public_chat' })
})
afterAll(() => server.stop())

/** @returns its id; without one, for it is sent later, '' */
async function stick(body: string, query: JsonObject = {}, sender = alice): Promise<string> {
  const path = sender.roomPath(room, 'send', 'm.room.message', sender.nextTransactionId())
  const { event_id = '' } = await sender.ok('PUT', path, {
    body: { msgtype: 'm.text', body },
    query: { 'org.matrix.msc4354.sticky_duration_ms': minute, ...query },
  })
  return String(event_id)
}

async function stickState(content: JsonObject): Promise<void> {
  const query = { sticky_duration_ms: minute }
  await alice.ok('PUT', alice.roomPath(room, 'state', 'm.test', ''), { body: content, query })
}

async function chat(count: number): Promise<void> {
  for (let n = 1; n <= count; n += 1) await alice.say(room, `msg ${n}`)
}

const hideThePast = () =>
  alice.setState(room, 'm.room.history_visibility', '', { history_visibility: 'joined' })

interface Told {
  timeline: WireEvent[]
  sticky: WireEvent[]
}

const bodies = (events: readonly WireEvent[]) =>
  events.map(event => event.content.body ?? event.content.n)

/** What each answer of `/sync` tells of the room, from nothing on. */
function syncing(client: Client, filter: JsonObject = {}) {
  let since: string | undefined
  return async (query: JsonObject = {}): Promise<Told> => {
    const asked = { since, filter: JSON.stringify(filter), ...query }
    const { next_batch, rooms } = await client.sync(asked)
    since = next_batch
    const section = (rooms?.join?.[room] ?? {}) as JsonObject
    // Under both names, or under none.
    expect(section.msc4354_sticky).toEqual(section.sticky)
    return { timeline: section.timeline?.events ?? [], sticky: section.sticky?.events ?? [] }
  }
}

const slidingPath = '/_matrix/client/unstable/org.matrix.simplified_msc3575/sync'
let connections = 0
/** What is to be known of sticky events; without `since` everything. */
const enabled = (since?: string) => ({ enabled: true, ...(since === undefined ? {} : { since }) })
const list = { ranges: [[0, 100]], timeline_limit: 10, required_state: [] }

/** The same for sliding sync, by a client that gives the tokens back. */
function sliding(client: Client, { name = extension, limit = 100, body = {} as JsonObject } = {}) {
  connections += 1
  const connection = { conn_id: String(connections), lists: { all: list } }
  let pos: string | undefined
  let since: string | undefined
  return async (
    query: JsonObject = {},
  ): Promise<Told & { tokens: (string | undefined)[]; roomIds: string[] }> => {
    const answer = await client.ok('POST', slidingPath, {
      body: {
        ...connection,
        ...body,
        extensions: { [name]: { ...enabled(since), limit } },
      },
      query: { pos, ...query },
    })
    pos = String(answer.pos)
    const found = answer.extensions[name]
    since = found.next_batch ?? since
    return {
      timeline: answer.rooms[room]?.timeline ?? [],
      sticky: found.rooms[room]?.events ?? [],
      tokens: [found.next_batch],
      roomIds: Object.keys(found.rooms),
    }
  }
}

const ways = { '/sync': syncing, 'sliding sync': sliding }

describe.each(Object.entries(ways))('%s', (_, way) => {
  test.each(['message', 'state'])(
    'TestStickyEvents: a sticky %s event appears in the timeline if there are no gaps',
    async kind => {
      await (kind === 'state' ? stickState({ n: 1 }) : stick('sticky'))
      await chat(1)
      const { timeline, sticky } = await way(alice)()
      expect(bodies(timeline)).toEqual(
        expect.arrayContaining([kind === 'state' ? 1 : 'sticky', 'msg 1']),
      )
      expect(sticky).toEqual([])
    },
  )

  test.each(['message', 'state'])(
    'TestStickyEvents: a sticky %s event appears beside the timeline if there are gaps',
    async kind => {
      await bob.join(room)
      const next = way(bob)
      await next()
      await (kind === 'state' ? stickState({ n: 1 }) : stick('sticky'))
      await chat(12)
      const told = kind === 'state' ? [1] : ['sticky']
      for (const { timeline, sticky } of [await way(bob)(), await next()]) {
        expect(bodies(timeline)).not.toContain(told[0])
        expect(bodies(sticky)).toEqual(told)
        expect(sticky[0]).toMatchObject({
          sender: alice.userId,
          sticky: { duration_ms: minute },
          msc4354_sticky: { duration_ms: minute },
          unsigned: {
            sticky_duration_remaining_ms: minute,
            msc4354_sticky_duration_ttl_ms: minute,
          },
        })
        expect(sticky[0]).not.toHaveProperty('room_id')
      }
      expect((await next()).sticky).toEqual([])
    },
  )

  test('TestUnsignedTTL: how long it will be sticky yet is told in the timeline, too', async () => {
    await stick('sticky')
    await server.advance(1_000)
    const event = (await way(alice)()).timeline.find(one => one.content.body === 'sticky')
    expect(event?.unsigned?.msc4354_sticky_duration_ttl_ms).toBe(minute - 1_000)
  })

  test('TestDelayedStickyEvents: one that is delayed is sticky from when it is sent', async () => {
    await stick('sticky', { 'org.matrix.msc4140.delay': 3_000 })
    const next = way(alice)
    const before = await next()
    expect(bodies([...before.timeline, ...before.sticky])).not.toContain('sticky')
    await server.advance(4_000)
    await chat(12)
    const [event] = (await next()).sticky
    expect(event?.content.body).toBe('sticky')
    expect(event?.unsigned?.sticky_duration_remaining_ms).toBe(minute - 1_000)
  })

  test('TestStickyEventsIgnoreHistoryVisibility: who comes sees it, be the past hidden', async () => {
    await hideThePast()
    const next = way(bob)
    await next()
    await stick('long ago')
    await chat(12)
    await stick('just now')
    await bob.join(room)
    await alice.say(room, 'STOP')
    for (const { timeline, sticky } of [await next(), await way(bob)()]) {
      expect(bodies(sticky)).toEqual(['long ago', 'just now'])
      expect(bodies(timeline)).toContain('STOP')
      expect(bodies(timeline)).not.toContain('msg 12')
    }
    expect((await next()).sticky).toEqual([])
    // And again when they come again, for they have been away.
    await bob.leave(room)
    await stick('meanwhile')
    await next()
    await bob.join(room)
    expect(bodies((await next()).sticky)).toEqual(['long ago', 'just now', 'meanwhile'])
  })

  test('nothing is told of it when its time is over', async () => {
    await bob.join(room)
    const next = way(bob)
    await next()
    await stick('short', { 'org.matrix.msc4354.sticky_duration_ms': minute - 1 })
    await stick('long')
    await chat(12)
    await server.advance(minute - 1)
    for (const one of [next, way(bob)]) expect(bodies((await one()).sticky)).toEqual(['long'])
  })

  test('nothing is told of one that was redacted', async () => {
    await bob.join(room)
    const redacted = await stick('redacted')
    await stick('kept')
    await chat(12)
    await alice.redact(room, redacted)
    expect(bodies((await way(bob)()).sticky)).toEqual(['kept'])
  })

  test('of somebody whom the user ignores, only state', async () => {
    await bob.join(room)
    const ignored = { ignored_users: { [alice.userId]: {} } }
    const path = `/_matrix/client/v3/user/${bob.userId}/account_data/m.ignored_user_list`
    await bob.ok('PUT', path, { body: ignored })
    await stick('unheard')
    await stickState({ n: 1 })
    await stick('heard', {}, bob)
    await chat(12)
    for (let n = 0; n < 12; n += 1) await bob.say(room, `own ${n}`)
    expect(bodies((await way(bob)()).sticky)).toEqual([1, 'heard'])
  })

  test('who has left is told of none, nor who was only invited', async () => {
    const carol = await server.user('carol')
    await bob.join(room)
    await alice.invite(room, carol.userId)
    await stick('sticky')
    await chat(12)
    await bob.leave(room)
    expect((await way(bob)()).sticky).toEqual([])
    expect((await way(carol)()).sticky).toEqual([])
  })

  test('a waiting request is answered by one', async () => {
    await bob.join(room)
    const next = way(bob)
    await next()
    const waiting = next({ timeout: 30_000 })
    await server.untilWaiting(1)
    await stick('sticky')
    expect(bodies((await waiting).timeline)).toEqual(['sticky'])
    const idle = next({ timeout: 30_000 })
    await server.untilWaiting(1)
    await server.advance(30_000)
    expect((await idle).sticky).toEqual([])
  })

  test('a server that has been restarted has forgotten none', async () => {
    await bob.join(room)
    const next = syncing(bob)
    await next()
    await stick('sticky')
    await chat(12)
    await server.restart()
    expect(bodies((await next()).sticky)).toEqual(['sticky'])
    expect(bodies((await way(bob)()).sticky)).toEqual(['sticky'])
  })
})

describe('/sync', () => {
  test('what the filter keeps out of the timeline is told beside it', async () => {
    await bob.join(room)
    const next = syncing(bob, { room: { timeline: { types: ['m.none'] } } })
    await next()
    const waiting = next({ timeout: 30_000 })
    await server.untilWaiting(1)
    await chat(1)
    await stick('sticky')
    const { timeline, sticky } = await waiting
    expect([timeline, bodies(sticky)]).toEqual([[], ['sticky']])
    expect((await next()).sticky).toEqual([])
  })

  test('a room that was left tells none with the departure', async () => {
    await bob.join(room)
    const { next_batch: since } = await bob.sync()
    await stick('sticky')
    await chat(12)
    await bob.leave(room)
    const { rooms } = await bob.sync({ since })
    const left = rooms?.leave?.[room]
    expect(left).toBeDefined()
    expect(left).not.toHaveProperty('sticky')
  })

  test('a room that the filter leaves out is left out with it', async () => {
    await stick('sticky')
    await chat(12)
    expect((await syncing(alice, { room: { not_rooms: [room] } })()).sticky).toEqual([])
  })

  test('members that are loaded lazily come with what they have made sticky', async () => {
    // Otherwise the room is named after its members, who come for that.
    await alice.setState(room, 'm.room.name', '', { name: 'Garden' })
    await bob.join(room)
    await stick('sticky', {}, bob)
    await chat(12)
    const carol = await server.user('carol')
    await carol.join(room)
    const filter = JSON.stringify({ room: { state: { lazy_load_members: true } } })
    const { rooms } = await carol.sync({ filter })
    const state = rooms?.join?.[room]?.state?.events ?? []
    const members = state.filter(event => event.type === 'm.room.member')
    expect(members.map(event => event.state_key)).toContain(bob.userId)
  })

  test('`event_fields` and `event_format` are heeded', async () => {
    await stick('sticky')
    await chat(12)
    const fields = await syncing(alice, { event_fields: ['content.body'] })()
    expect(fields.sticky).toEqual([{ content: { body: 'sticky' } }])
    const federation = await syncing(alice, { event_format: 'federation' })()
    expect(federation.sticky[0]).toHaveProperty('hashes')
  })

  test('what relates to it is told with it', async () => {
    const parent = await stick('sticky')
    const relation = { rel_type: 'm.reference', event_id: parent }
    const child = await alice.send(room, 'm.test', { 'm.relates_to': relation })
    await chat(12)
    const [event] = (await syncing(alice)()).sticky
    expect(event?.unsigned?.['m.relations']?.['m.reference']?.chunk).toEqual([{ event_id: child }])
  })
})

describe('sliding sync', () => {
  test('$LAZY members are those of what is sticky, too, told once unless the client has to forget them', async () => {
    await bob.join(room)
    const carol = await server.user('carol')
    await carol.join(room)
    await stick('first', {}, bob)
    await chat(2)
    const state = [['m.room.member', '$LAZY']]
    const lists = { all: { ...list, timeline_limit: 1, required_state: state } }
    let pos: string | undefined
    const members = async (extensions: JsonObject) => {
      const body = { conn_id: 'lazy', lists, extensions }
      const answer = await carol.ok('POST', slidingPath, { body, query: { pos } })
      pos = String(answer.pos)
      const told: WireEvent[] = answer.rooms[room]?.required_state ?? []
      return told.map(event => event.state_key)
    }
    expect(await members({})).toEqual([alice.userId])
    pos = undefined
    const withSticky = { [extension]: enabled() }
    expect((await members(withSticky)).sort()).toEqual([alice.userId, bob.userId].sort())
    await alice.say(room, 'one more')
    expect(await members(withSticky)).toEqual([])
    await stick('second', {}, bob)
    expect(await members(withSticky)).toEqual([])
    await chat(3)
    expect((await members(withSticky)).sort()).toEqual([alice.userId, bob.userId].sort())
  })

  const asked = (since?: string) => ({
    lists: { all: list },
    extensions: { [extension]: enabled(since) },
  })

  test('MSC4480: also under the name that it will have; no more than asked for', async () => {
    await bob.join(room)
    for (const body of ['one', 'two', 'three']) await stick(body)
    await chat(12)
    const next = sliding(bob, { name: 'sticky_events', limit: 2 })
    expect(bodies((await next()).sticky)).toEqual(['one', 'two'])
    expect(bodies((await next()).sticky)).toEqual(['three'])
    const last = await next()
    expect([last.sticky, last.tokens]).toEqual([[], [undefined]])
  })

  test('who comes to a room is told of all in it, whatever the limit', async () => {
    const next = sliding(bob, { limit: 1 })
    const own = await bob.createRoom()
    const stickThere = (id: string) => {
      const query = { sticky_duration_ms: minute }
      return bob.ok('PUT', bob.roomPath(own, 'send', 'm.test', id), { query, body: {} })
    }
    await stickThere('told')
    await next()
    await stickThere('in the timeline')
    for (const body of ['one', 'two', 'three']) await stick(body)
    await chat(12)
    await bob.join(room)
    const { sticky, roomIds } = await next()
    expect(bodies(sticky)).toEqual(['one', 'two', 'three'])
    // What they have been told of their own room is not told again with it.
    expect(roomIds).toEqual([room])
    expect((await next()).sticky).toEqual([])
  })

  test('who does not give the token back is told again', async () => {
    await stick('sticky')
    await chat(12)
    const first = await alice.ok('POST', slidingPath, { body: asked() })
    const again = { body: asked(), query: { pos: first.pos, timeout: 30_000 } }
    for (const answer of [first, await alice.ok('POST', slidingPath, again)]) {
      expect(bodies(answer.extensions[extension].rooms[room].events)).toEqual(['sticky'])
    }
  })

  test('of rooms that are on a list, in view or not, and of those subscribed to', async () => {
    await stick('sticky')
    await chat(12)
    await alice.createRoom({ name: 'the latest' })
    const inView = { ...list, ranges: [[0, 0]] }
    const listed = sliding(alice, { body: { lists: { all: inView } } })
    const { timeline, sticky } = await listed()
    expect([timeline, bodies(sticky)]).toEqual([[], ['sticky']])
    const filters = { filters: { is_encrypted: true } }
    const none = { lists: { encrypted: { ...list, ...filters } } }
    expect((await sliding(alice, { body: none })()).sticky).toEqual([])
    const subscribed = { ...none, room_subscriptions: { [room]: list } }
    expect(bodies((await sliding(alice, { body: subscribed })()).sticky)).toEqual(['sticky'])
  })

  test('it is told again with a room that is told for the first time: matrix-js-sdk', async () => {
    await stick('sticky')
    await chat(12)
    await alice.createRoom({ name: 'the latest' })
    const body = { lists: { all: { ...list, ranges: [[0, 0]] } } }
    const next = sliding(alice, { body })
    expect(bodies((await next()).sticky)).toEqual(['sticky'])
    expect((await next()).sticky).toEqual([])
    Object.assign(body, { room_subscriptions: { [room]: list } })
    const { timeline, sticky } = await next()
    expect(bodies(timeline)).toContain('msg 12')
    expect(bodies(sticky)).toEqual(['sticky'])
    expect((await next()).sticky).toEqual([])
  })

  test('an answer that was lost is given again', async () => {
    await stick('sticky')
    await chat(12)
    const first = await alice.ok('POST', slidingPath, { body: asked() })
    const { next_batch } = first.extensions[extension]
    await stick('later')
    await chat(12)
    for (let n = 0; n < 2; n += 1) {
      const again = { body: asked(next_batch), query: { pos: first.pos } }
      const { extensions } = await alice.ok('POST', slidingPath, again)
      expect(bodies(extensions[extension].rooms[room].events)).toEqual(['later'])
    }
  })

  test.each<JsonObject>([{ limit: 0 }, { limit: 'many' }, { since: 'nonsense' }, { since: 7 }])(
    '%j: 400 M_INVALID_PARAM or M_BAD_JSON',
    async wrong => {
      const body = {
        lists: { all: list },
        extensions: { [extension]: { enabled: true, ...wrong } },
      }
      const { status, body: refused } = await alice.request('POST', slidingPath, { body })
      expect(status).toBe(400)
      expect(['M_INVALID_PARAM', 'M_BAD_JSON']).toContain(refused.errcode)
    },
  )
})

describe('whoever is in a room may read what is sticky in it, whatever its history visibility', () => {
  let event: string
  let message: string
  beforeEach(async () => {
    await hideThePast()
    event = await stick('sticky')
    message = await alice.say(room, 'hidden')
    await bob.join(room)
  })

  const statusOf = async (...parts: string[]) =>
    (await bob.request('GET', bob.roomPath(room, ...parts))).status

  test('GET /event and /context, for as long as it is sticky', async () => {
    for (const part of ['event', 'context']) {
      expect(await statusOf(part, event)).toBe(200)
      expect(await statusOf(part, message)).toBe(404)
    }
    await server.advance(minute)
    for (const part of ['event', 'context']) expect(await statusOf(part, event)).toBe(404)
  })

  test('GET /messages: it, and nothing around it', async () => {
    for (const dir of ['b', 'f']) {
      const { chunk } = await bob.messages(room, { dir, limit: 100 })
      const said = chunk.filter(one => one.type === 'm.room.message')
      expect(said.map(one => one.event_id)).toEqual([event])
    }
  })

  test('GET /timestamp_to_event and POST /search find it', async () => {
    const path = `/_matrix/client/v1/rooms/${room}/timestamp_to_event`
    const query = { ts: 0, dir: 'f' }
    const first = await bob.ok('GET', path, { query })
    expect((await bob.event(room, String(first.event_id))).event_id).toBe(first.event_id)
    const room_events = { search_term: 'sticky', filter: { rooms: [room] } }
    const { search_categories } = await bob.ok('POST', '/_matrix/client/v3/search', {
      body: { search_categories: { room_events } },
    })
    const { results } = search_categories.room_events
    expect(results.map((one: JsonObject) => one.result.event_id)).toEqual([event])
  })

  test('GET /relations of it', async () => {
    expect(await statusOf('relations', event)).toBe(404)
    const path = `/_matrix/client/v1/rooms/${room}/relations`
    expect((await bob.request('GET', `${path}/${event}`)).status).toBe(200)
    expect((await bob.request('GET', `${path}/${message}`)).status).toBe(404)
  })

  test('GET /threads: its thread', async () => {
    const related = { rel_type: 'm.thread', event_id: event }
    await alice.send(room, 'm.room.message', { 'm.relates_to': related })
    const path = `/_matrix/client/v1/rooms/${room}/threads`
    const { chunk } = await bob.ok('GET', path)
    expect(chunk.map((one: JsonObject) => one.event_id)).toEqual([event])
  })

  test('but not who has left, nor who never came', async () => {
    const carol = await server.user('carol')
    const path = carol.roomPath(room, 'event', event)
    expect((await carol.request('GET', path)).status).toBe(404)
    await bob.leave(room)
    expect(await statusOf('event', event)).toBe(404)
  })
})

test('GET /versions says so: Element Call keeps its memberships in sticky events then', async () => {
  const { unstable_features } = await alice.ok('GET', '/_matrix/client/versions')
  expect(unstable_features['org.matrix.msc4354']).toBe(true)
})
