/**
 * What gives no more in a larger room reads no more there. Rows are counted, not milliseconds: those
 * that the database visits, whatever it then throws away.
 */
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

/** A room, before and after it grew. */
interface Room {
  id: string
  owner: Client
  reader: Client
  /** A member who has never read anything. */
  sleeper: Client
}

const [callMember, callKey] = ['org.matrix.msc3401.call.member', '_@owner:hs1_DEVICE']
const v3 = '/_matrix/client/v3'
const lazy = JSON.stringify({ room: { state: { lazy_load_members: true } } })
const lazyPage = JSON.stringify({ lazy_load_members: true })

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.stop())

async function makeRoom(options: JsonObject = {}): Promise<Room> {
  const [owner, reader] = [await server.user('owner'), await server.user('reader')]
  const sleeper = await server.user('sleeper')
  const id = await owner.createRoom({ preset: 'public_chat', name: 'The room', ...options })
  await owner.say(id, 'the sand has run out')
  await sleeper.join(id)
  await reader.join(id)
  await owner.setState(id, callMember, callKey, { application: 'm.call' })
  await reader.say(id, 'the hourglass is turned')
  return { id, owner, reader, sleeper }
}

const related = (event_id: string, rel_type: string) => ({
  msgtype: 'm.text',
  body: 'I do',
  'm.relates_to': { rel_type, event_id },
})

/** What everybody is to hear of (MSC4354), and then more than a timeline holds. */
async function stick({ id, owner }: Room): Promise<void> {
  const path = owner.roomPath(id, 'send', 'm.test', owner.nextTransactionId())
  await owner.ok('PUT', path, { query: { sticky_duration_ms: 3_600_000 }, body: {} })
  for (let n = 0; n < 11; n += 1) await owner.say(id, 'and more')
}

const sliding = (client: Client, extensions: JsonObject = {}) => {
  const path = '/_matrix/client/unstable/org.matrix.simplified_msc3575/sync'
  const required_state = [
    ['m.room.name', ''],
    ['m.room.member', '$LAZY'],
  ]
  const lists = { all: { ranges: [[0, 9]], timeline_limit: 10, required_state } }
  const body = { lists, extensions }
  return client.ok('POST', path, { body })
}

const search = (client: Client, term: string, order_by = 'recent') => {
  const room_events = { search_term: term, order_by }
  return client.ok('POST', `${v3}/search`, { body: { search_categories: { room_events } } })
}

/** Each prepares one request, and gives it. */
const requests: Record<string, (room: Room) => Promise<() => Promise<unknown>>> = {
  'PUT …/send':
    async ({ id, owner }) =>
    () =>
      owner.say(id, 'it runs'),
  async 'POST /join'({ id }) {
    const charlie = await server.user('charlie')
    return () => charlie.join(id)
  },
  async 'POST /join, by membership of another room'({ id, owner }) {
    const charlie = await server.user('charlie')
    const allow = [{ type: 'm.room_membership', room_id: await charlie.createRoom() }]
    const rules = (content: JsonObject) => owner.setState(id, 'm.room.join_rules', '', content)
    return async () => {
      await rules({ join_rule: 'restricted', allow })
      await charlie.join(id)
      await rules({ join_rule: 'public' })
    }
  },
  async 'POST …/leave'({ id }) {
    const charlie = await server.user('charlie')
    await charlie.join(id)
    return () => charlie.leave(id)
  },
  async 'GET /sync, the first one'({ id, owner, reader }) {
    // What has not been read is counted, which is looked at below.
    const path = reader.roomPath(id, 'receipt', 'm.read', await owner.say(id, 'read'))
    await reader.ok('POST', path, { body: {} })
    return () => reader.sync({ filter: lazy })
  },
  async 'GET /sync, after a message'({ id, owner, reader }) {
    const { next_batch: since } = await reader.sync({ filter: lazy })
    await owner.say(id, 'one more')
    return () => reader.sync({ since, filter: lazy })
  },
  async 'GET /sync, after a join'({ id, reader }) {
    const { next_batch: since } = await reader.sync({ filter: lazy })
    await (await server.user('charlie')).join(id)
    return () => reader.sync({ since, filter: lazy })
  },
  async 'GET /sync, after somebody has left a call'({ id, owner, reader }) {
    const { next_batch: since } = await reader.sync({ filter: lazy })
    await owner.setState(id, callMember, callKey, {})
    return () => reader.sync({ since, filter: lazy })
  },
  'PUT …/state, of who comes to a call':
    async ({ id, owner }) =>
    () =>
      owner.setState(id, callMember, callKey, { application: 'm.call' }),
  'POST /sync, sliding':
    async ({ reader }) =>
    () =>
      sliding(reader),
  async 'GET /sync, the first one, with what is sticky'(room) {
    await stick(room)
    const { id, reader, owner } = room
    const path = reader.roomPath(id, 'receipt', 'm.read', await owner.say(id, 'read'))
    await reader.ok('POST', path, { body: {} })
    return async () => {
      const { rooms } = await reader.sync({ filter: lazy })
      expect((rooms.join?.[id] as JsonObject | undefined)?.sticky.events).not.toEqual([])
    }
  },
  async 'POST /sync, sliding, with what is sticky'(room) {
    await stick(room)
    return async () => {
      const { extensions } = await sliding(room.reader, { sticky_events: { enabled: true } })
      expect(extensions.sticky_events.rooms[room.id].events).not.toEqual([])
    }
  },
  async 'GET …/event, that is sticky, by who may not read the past'(room) {
    const { id, owner } = room
    const shows = (history_visibility: string) =>
      owner.setState(id, 'm.room.history_visibility', '', { history_visibility })
    const charlie = await server.user('charlie')
    await shows('joined')
    await stick(room)
    const { chunk } = await owner.messages(id, { dir: 'b', limit: 20 })
    const sticky = chunk.find(event => event.type === 'm.test')
    await charlie.join(id)
    await shows('shared')
    return () => charlie.event(id, String(sticky?.event_id))
  },
  // Further back than what is in memory.
  async 'GET …/messages'({ id, reader }) {
    const { end } = await reader.messages(id, { dir: 'b', limit: 200 })
    return () => reader.messages(id, { dir: 'b', from: end, limit: 20, filter: lazyPage })
  },
  async 'GET …/context'({ id, owner, reader }) {
    const eventId = await owner.say(id, 'here')
    const path = reader.roomPath(id, 'context', eventId)
    return () => reader.ok('GET', path, { query: { limit: 10, filter: lazyPage } })
  },
  'POST /search, for what is everywhere':
    async ({ reader }) =>
    () =>
      search(reader, 'hourglass'),
  'POST /search, for what is everywhere, by rank':
    async ({ reader }) =>
    () =>
      search(reader, 'hourglass', 'rank'),
  'POST /search, for what is there once':
    async ({ reader }) =>
    () =>
      search(reader, 'sand'),
  'GET …/state/m.room.name':
    async ({ id, reader }) =>
    () =>
      reader.state(id, 'm.room.name'),
  async 'GET …/relations, with what is below'({ id, owner, reader }) {
    const eventId = await owner.say(id, 'Does anybody know?')
    const reply = await reader.send(id, 'm.room.message', related(eventId, 'm.thread'))
    await owner.send(id, 'm.room.message', related(reply, 'm.reference'))
    const path = `/_matrix/client/v1/rooms/${encodeURIComponent(id)}/relations/${encodeURIComponent(eventId)}`
    return () => reader.ok('GET', path, { query: { recurse: true } })
  },
  async 'GET …/threads'({ id, owner, reader }) {
    const eventId = await owner.say(id, 'Does anybody know?')
    await reader.send(id, 'm.room.message', related(eventId, 'm.thread'))
    const path = `/_matrix/client/v1/rooms/${encodeURIComponent(id)}/threads`
    return () => reader.ok('GET', path, { query: { include: 'participated' } })
  },
  async 'GET …/timestamp_to_event'({ id, owner, reader }) {
    await owner.say(id, 'now')
    const path = `/_matrix/client/v1/rooms/${encodeURIComponent(id)}/timestamp_to_event`
    return () => reader.ok('GET', path, { query: { ts: server.now(), dir: 'b' } })
  },
  async 'GET …/state/m.room.name, of who has left'({ id }) {
    const charlie = await server.user('charlie')
    await charlie.join(id)
    await charlie.leave(id)
    return () => charlie.state(id, 'm.room.name')
  },
  async 'GET …/state of a call, of who has left'({ id }) {
    const charlie = await server.user('charlie')
    await charlie.join(id)
    await charlie.leave(id)
    return () => charlie.state(id, callMember, callKey)
  },
  async 'POST …/receipt'({ id, owner, reader }) {
    const path = reader.roomPath(id, 'receipt', 'm.read', await owner.say(id, 'read'))
    return () => reader.ok('POST', path, { body: {} })
  },
}

/** What may be read at the most, where it is more than 250: other rooms do not count, either. */
const mostRows: Record<string, number> = {
  // The latest 2,000 texts are looked at, and what is found there.
  'POST /search, for what is everywhere': 8_200,
  'POST /search, for what is everywhere, by rank': 8_200,
  'POST /search, for what is there once': 2_200,
}

/** A plan may have been made when little was in the tables that are large now, or much more. */
const densities = [1 / 50, 20]

async function rowsIn(room: Room, name: string) {
  const prepare = requests[name]
  if (!prepare) throw new Error(`there is no request ${name}`)
  const request = await prepare(room)
  const { rows, statements, worst } = await server.rowsRead(request, densities)
  // On one line: where a test fails, only the lines about the difference are shown.
  return { rows, statements, worst: { ...worst, text: worst.text.replaceAll(/\s+/g, ' ') } }
}

describe.each([
  ['members', { members: 1_200 }, { members: 5_000 }],
  ['events', { messages: 2_500 }, { messages: 40_000 }],
  ['changes of state', { changes: 500 }, { changes: 20_000 }],
  ['changes of a membership', { changes: 500 }, { changes: 20_000 }],
] as [string, JsonObject, JsonObject][])('A room of many %s', (kind, few, many) => {
  let small: Room
  let large: Room
  beforeAll(async () => {
    small = await makeRoom()
    large = await makeRoom()
    for (const { id, sleeper } of kind === 'changes of a membership' ? [small, large] : []) {
      const content = { membership: 'join', displayname: 'Sleeper' }
      await sleeper.setState(id, 'm.room.member', sleeper.userId, content)
    }
    await server.enlarge(small.id, few)
    await server.enlarge(large.id, many)
  })

  test.each(Object.keys(requests))('%s reads no more than in a small one', async name => {
    const [inSmall, inLarge] = [await rowsIn(small, name), await rowsIn(large, name)]
    // Statements are explained with the plan of the moment, which may differ a little.
    const most = Math.min(inSmall.rows + 50, mostRows[name] ?? 250)
    const measured = {
      ...inLarge,
      isMore: inLarge.rows > most || inLarge.statements > inSmall.statements,
    }
    expect(measured).toEqual({ ...inLarge, isMore: false })
  })

  test(`it is really large: GET …/${kind === 'members' ? 'members' : 'messages'} shows it`, async () => {
    if (kind === 'members') {
      const { chunk } = await large.reader.ok('GET', large.reader.roomPath(large.id, 'members'))
      expect(chunk.length).toBeGreaterThan(5_000)
      const path = large.reader.roomPath(large.id, 'members')
      const { rows } = await server.rowsRead(() => large.reader.ok('GET', path))
      expect(rows).toBeGreaterThan(5_000)
    } else {
      const { chunk } = await large.reader.messages(large.id, { dir: 'b', limit: 1_000 })
      expect(chunk).toHaveLength(1_000)
    }
  })
})

describe('GET /sync of who has never read anything', () => {
  const relatedAs =
    (type: string) =>
    async ({ id, owner, reader }: Room) => {
      const eventId = await owner.say(id, 'Does anybody know?')
      await reader.send(id, 'm.room.message', related(eventId, type))
    }

  test.each([
    ['messages', async () => {}],
    ['replies in threads', relatedAs('m.thread')],
    ['what relates to something else', relatedAs('m.reference')],
  ])('a room full of %s is looked at as far as 1,000 events', async (_, prepare) => {
    const room = await makeRoom()
    await prepare(room)
    await server.enlarge(room.id, { messages: 20_000 })
    const counted = async (since?: string) => {
      const { rooms, next_batch } = await room.sleeper.sync({ filter: lazy, since })
      const shown = rooms.join?.[room.id] as unknown as JsonObject | undefined
      return { count: shown?.unread_notifications.notification_count, next_batch }
    }
    // As many in threads, besides; and what each relates to.
    expect((await server.rowsRead(() => counted())).rows).toBeLessThan(2_300)
    const first = await counted()
    expect(first.count).toBe(1_000)
    await room.owner.say(room.id, 'one more')
    expect((await counted(first.next_batch)).count).toBe(1_001)
  })
})

test('when a room was last spoken in is known, however much has happened there since', async () => {
  const room = await makeRoom()
  const bumpStamp = async () => (await sliding(room.reader)).rooms[room.id].bump_stamp
  const before = await bumpStamp()
  await server.enlarge(room.id, { changes: 5_000 })
  // A thousand of what has not been read are looked at, whatever they are.
  expect((await server.rowsRead(bumpStamp)).rows).toBeLessThan(1_250)
  expect(await bumpStamp()).toBe(before)
  await room.owner.say(room.id, 'and now')
  expect(await bumpStamp()).toBeGreaterThan(before)
})

test('what has been sticky is not looked through for what is', async () => {
  const room = await makeRoom()
  const path = room.owner.roomPath(room.id, 'send', 'm.room.message', 'sticky')
  const query = { sticky_duration_ms: 1_000 }
  await room.owner.ok('PUT', path, { query, body: { msgtype: 'm.text', body: 'here' } })
  await server.enlarge(room.id, { messages: 20_000 })
  await server.advance(1_000)
  await stick(room)
  const extensions = { sticky_events: { enabled: true } }
  let told: JsonObject[] = []
  const { rows } = await server.rowsRead(async () => {
    const answer = await sliding(room.reader, extensions)
    told = answer.extensions.sticky_events.rooms[room.id].events
  }, densities)
  expect(told).toHaveLength(1)
  // A thousand of what has not been read are looked at, whatever they are.
  expect(rows).toBeLessThan(1_250)
})

test('in which thread something is, is found without reading all threads of the room', async () => {
  const room = await makeRoom()
  const eventId = await room.owner.say(room.id, 'Does anybody know?')
  const thread = related(eventId, 'm.thread')
  const reply = await room.reader.send(room.id, 'm.room.message', thread)
  await server.enlarge(room.id, { messages: 5_000 })
  // A reference to a reference to what is in the thread.
  const about = await room.reader.send(room.id, 'm.room.message', related(reply, 'm.reference'))
  await room.reader.send(room.id, 'm.room.message', related(about, 'm.reference'))
  await server.enlarge(room.id, { messages: 1_000 })
  // A thousand of each, what they are about, and what that is about.
  const { rows } = await server.rowsRead(() => room.sleeper.sync({ filter: lazy }))
  expect(rows).toBeGreaterThan(4_000)
  expect(rows).toBeLessThan(4_400)
})

describe('POST /search for a word that is everywhere', () => {
  let room: Room
  beforeAll(async () => {
    room = await makeRoom()
    await server.enlarge(room.id, { messages: 4_000 })
  })

  async function walk(
    order_by: string,
    limit: number,
    room: Room,
  ): Promise<{ ids: string[]; counts: number[] }> {
    const [ids, counts]: [string[], number[]] = [[], []]
    let next_batch: string | undefined
    do {
      const room_events = {
        search_term: 'hourglass',
        order_by,
        filter: { rooms: [room.id], limit },
      }
      const body = { search_categories: { room_events } }
      const answer = await room.reader.ok('POST', `${v3}/search`, { query: { next_batch }, body })
      const found = answer.search_categories.room_events
      ids.push(...found.results.map(({ result }: JsonObject) => result.event_id))
      counts.push(found.count)
      next_batch = found.next_batch
    } while (next_batch !== undefined)
    return { ids, counts }
  }

  test('by time, the pages go on to the first that was said', async () => {
    const { ids, counts } = await walk('recent', 100, room)
    const { chunk } = await room.reader.messages(room.id, { dir: 'b', limit: 1_000 })
    const latest = chunk.filter(event => event.type === 'm.room.message')
    expect(ids.slice(0, 900)).toEqual(latest.slice(0, 900).map(event => event.event_id))
    expect(new Set(ids).size).toBe(4_001)
    expect(new Set(counts)).toEqual(new Set([2_000]))
  })

  test('by rank, the latest that have it are weighed', async () => {
    const { ids, counts } = await walk('rank', 100, room)
    expect(new Set(ids).size).toBe(2_000)
    expect(counts[0]).toBe(2_000)
  })

  test('by either, only what its reader may see is found', async () => {
    const content = { history_visibility: 'joined' }
    const initial_state = [{ type: 'm.room.history_visibility', content }]
    const hidden = await makeRoom({ initial_state })
    await server.enlarge(hidden.id, { messages: 300 })
    const charlie = await server.user('charlie')
    await charlie.join(hidden.id)
    await hidden.owner.say(hidden.id, 'an hourglass for charlie')
    await server.enlarge(hidden.id, { messages: 300 })
    const { chunk } = await charlie.messages(hidden.id, { dir: 'b', limit: 1_000 })
    const readable = new Set(chunk.map(event => event.event_id))
    for (const order_by of ['recent', 'rank']) {
      const { ids } = await walk(order_by, 100, { ...hidden, reader: charlie })
      expect(ids).toHaveLength(301)
      expect(ids.filter(eventId => !readable.has(eventId))).toEqual([])
    }
  })
})

describe('POST /search for a word that was everywhere long ago', () => {
  let room: Room
  beforeAll(async () => {
    room = await makeRoom()
    await server.enlarge(room.id, { messages: 20_000 })
    await room.owner.say(room.id, 'it runs and runs')
    await server.enlarge(room.id, { messages: 9_000 })
    await room.owner.say(room.id, 'one hourglass more')
    await room.owner.say(room.id, 'it runs and runs')
    await server.enlarge(room.id, { messages: 1_000 })
  })

  const found = async (order_by: string, next_batch?: string): Promise<JsonObject> => {
    const room_events = { search_term: 'hourglass', order_by, filter: { limit: 100 } }
    const body = { search_categories: { room_events } }
    const answer = await room.reader.ok('POST', `${v3}/search`, { query: { next_batch }, body })
    return answer.search_categories.room_events
  }
  const bodies = ({ results }: JsonObject): string[] =>
    results.map(({ result }: JsonObject) => result.content.body)

  test.each(['recent', 'rank'])('order_by=%s does not look at all that have it', async order_by => {
    const { rows, places } = await server.rowsRead(() => found(order_by))
    // The index says where all are; that is asked twice, and for a page by rank once more.
    expect(places).toBeGreaterThan(2 * 20_000)
    expect(rows - places).toBeLessThan(30_000)
  })

  test('by time, a page may end before it is full, and the next goes on from there', async () => {
    const first = await found('recent')
    // Of 10,000 texts in which it is once, 8,000 are looked through.
    expect(bodies(first)).toEqual(['one hourglass more'])
    const second = await found('recent', first.next_batch)
    const third = await found('recent', second.next_batch)
    const ids = [second, third].flatMap(({ results }) =>
      results.map(({ result }: JsonObject) => result.event_id),
    )
    // The last of those that were said 20,000 times, each with its number, and those right before it.
    const original = String(ids[0]).replace(/20000$/, '')
    expect(ids).toEqual(Array.from({ length: 200 }, (_, i) => `${original}${20_000 - i}`))
  })

  test('by rank, the latest that have it are weighed beside as many of the others as are looked at', async () => {
    const page = await found('rank')
    expect(page.count).toBe(2_001)
    expect(page.results).toHaveLength(100)
    expect(page.next_batch).toBeDefined()
  })
})
