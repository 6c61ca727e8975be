/**
 * How often a request asks the database: the same in one room and in fifty, among two members and
 * among hundreds, after two messages and after hundreds. BEGIN and COMMIT count, and so does what a
 * request brings about after its answer. What is said here is the price of what the server remembers:
 * a memory that is lost, or a query in a loop, shows in a number.
 */
import type { Client } from '../support/client.ts'
import { RawConnection } from '../support/raw-http.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

/** What a user has before them. */
interface World {
  /** Of `owner` and `reader`, who have both spoken here. */
  room: string
  /** That and all others that both are in. */
  rooms: string[]
  owner: Client
  reader: Client
}

type Request = () => Promise<unknown>
/** Prepares one request, and gives it. */
type Prepare = (world: World) => Promise<Request> | Request

const v3 = '/_matrix/client/v3'
const hour = 3_600_000
const text = (body: string) => ({ msgtype: 'm.text', body })

let server: TestServer
let small: World
let large: World
beforeAll(async () => {
  server = await startServer()
  small = await makeWorld(1)
  large = await makeWorld(50)
  await server.enlarge(large.room, { members: 300 })
  await large.reader.say(large.room, 'hello')
  await server.enlarge(large.room, { messages: 300 })
})
afterAll(() => server.stop())

async function makeWorld(count: number): Promise<World> {
  const [owner, reader] = [await server.user('owner'), await server.user('reader')]
  const rooms: string[] = []
  for (let i = 0; i < count; i++) {
    const room = await owner.createRoom({ preset: 'public_chat', name: `Room ${i}` })
    await owner.say(room, 'hello')
    await reader.join(room)
    rooms.push(room)
  }
  return { room: rooms[0] ?? '', rooms, owner, reader }
}

/** The first request of a session reads it; and then none does, until somebody writes to sessions. */
const whoami = (client: Client) => client.ok('GET', `${v3}/account/whoami`)

async function newcomer(): Promise<Client> {
  const charlie = await server.user('charlie')
  await whoami(charlie)
  return charlie
}

const pageLength = 5

/** What pages show is asked more of, if it is state. @returns the last event's id */
async function fillPage({ owner, room }: World): Promise<string> {
  let last = ''
  for (let i = 0; i <= pageLength; i++) last = await owner.say(room, 'hello')
  return last
}

async function showState({ owner, room }: World): Promise<void> {
  await owner.setState(room, 'm.room.topic', '', { topic: owner.nextTransactionId() })
}

/** Once what goes on in a room has been told, its rules are known. @returns a `since` after it */
async function told(reader: Client, happen: Request): Promise<string> {
  const { next_batch: since } = await reader.sync()
  await happen()
  return (await reader.sync({ since })).next_batch
}

async function statementsIn(world: World, prepare: Prepare): Promise<string[]> {
  const request = await prepare(world)
  await whoami(world.owner)
  await whoami(world.reader)
  return statementsOf(request)
}

/** In short: what a failure shows. */
async function statementsOf(request: Request): Promise<string[]> {
  const statements = await server.statements(request)
  return statements.map(statement => statement.trim().replace(/\s+/g, ' ').slice(0, 100))
}

async function expectStatements(_name: string, count: number, prepare: Prepare): Promise<void> {
  for (const world of [small, large]) {
    const statements = await statementsIn(world, prepare)
    expect(statements).toHaveLength(count)
  }
}

const sending: [string, number, Prepare][] = [
  [
    'PUT …/send, the second in a room',
    5,
    async ({ owner, room }) => {
      await owner.say(room, 'one')
      return () => owner.say(room, 'two')
    },
  ],
  [
    'PUT …/send, after the state has changed',
    5,
    async world => {
      const { owner, room } = world
      await showState(world)
      return () => owner.say(room, 'one')
    },
  ],
  [
    'PUT …/send, again with its transaction id',
    1,
    async ({ owner, room }) => {
      const txnId = `again-${owner.nextTransactionId()}`
      const say = () => owner.send(room, 'm.room.message', text('once'), txnId)
      await say()
      return say
    },
  ],
  [
    'PUT …/send, in a thread',
    7,
    async ({ owner, room }) => {
      const event_id = await owner.say(room, 'root')
      const relation = { 'm.relates_to': { rel_type: 'm.thread', event_id } }
      return () => owner.send(room, 'm.room.message', { ...text('reply'), ...relation })
    },
  ],
  [
    'PUT …/send, heard by ten who wait in /sync',
    5,
    async ({ owner, reader, room }) => {
      const since = await told(reader, () => owner.say(room, 'one'))
      const waiting = Array.from({ length: 10 }, () => reader.sync({ since, timeout: hour }))
      await server.untilWaiting(10)
      return async () => {
        await owner.say(room, 'two')
        for (const { rooms } of await Promise.all(waiting)) {
          expect(rooms.join?.[room]?.timeline.events).toHaveLength(1)
        }
      }
    },
  ],
  [
    'PUT …/state',
    7,
    async ({ owner, room }) => {
      await owner.say(room, 'one')
      const topic = owner.nextTransactionId()
      return () => owner.setState(room, 'm.room.topic', '', { topic })
    },
  ],
  [
    'PUT …/state that is there already',
    4,
    async ({ owner, room }) => {
      await owner.setState(room, 'm.room.topic', '', { topic: 'the same' })
      return () => owner.setState(room, 'm.room.topic', '', { topic: 'the same' })
    },
  ],
  [
    'PUT …/redact',
    9,
    async ({ owner, room }) => {
      const eventId = await owner.say(room, 'one')
      return () => owner.redact(room, eventId)
    },
  ],
  [
    'POST /createRoom',
    7,
    ({ owner }) =>
      () =>
        owner.createRoom(),
  ],
  [
    'POST /createRoom with much in it',
    10,
    ({ owner }) => {
      const many = Array.from({ length: 30 }, (_, i) => i)
      const alias = `alias-${owner.nextTransactionId()}`
      const named = { type: 'm.room.canonical_alias', content: { alias: `#${alias}:hs1` } }
      const states = many.map(i => ({ type: 'org.example', state_key: `${i}`, content: { i } }))
      const body = {
        preset: 'trusted_private_chat',
        room_alias_name: alias,
        name: 'Much',
        topic: 'of everything',
        initial_state: [...states, ...many.map(() => named)],
        invite: many.map(i => `@invited-${i}:hs1`),
      }
      return () => owner.createRoom(body)
    },
  ],
  [
    'POST /join',
    10,
    async ({ room }) => {
      const charlie = await newcomer()
      return () => charlie.join(room)
    },
  ],
  [
    'POST …/leave',
    6,
    async ({ room }) => {
      const charlie = await newcomer()
      await charlie.join(room)
      return () => charlie.leave(room)
    },
  ],
  [
    'POST …/invite',
    10,
    async ({ owner, room }) => {
      const charlie = await newcomer()
      return () => owner.invite(room, charlie.userId)
    },
  ],
  ['POST /register', 6, () => () => server.user('charlie')],
  [
    'PUT …/displayname, which all rooms show',
    15,
    ({ reader }) => {
      const displayname = `Reader ${reader.nextTransactionId()}`
      const path = `${v3}/profile/${reader.userId}/displayname`
      return () => reader.ok('PUT', path, { body: { displayname } })
    },
  ],
]

const reading: [string, number, Prepare][] = [
  [
    'GET /sync without since, once more',
    14,
    async world => {
      // A timeline that begins with the room has no state before it to ask for.
      await fillPage(world)
      await showState(world)
      await world.reader.sync()
      return () => world.reader.sync()
    },
  ],
  [
    'GET /sync, when nothing has happened',
    2,
    async ({ reader }) => {
      const { next_batch: since } = await reader.sync()
      return () => reader.sync({ since, timeout: 0 })
    },
  ],
  [
    'GET /sync, after one message',
    2,
    async ({ owner, reader, room }) => {
      const since = await told(reader, () => owner.say(room, 'one'))
      await owner.say(room, 'two')
      return async () => {
        const { rooms } = await reader.sync({ since })
        expect(Object.keys(rooms.join ?? {})).toEqual([room])
      }
    },
  ],
  [
    'GET /sync, after a message in every room',
    2,
    async ({ owner, reader, rooms }) => {
      const speak = async () => {
        for (const room of rooms) await owner.say(room, 'one')
      }
      const since = await told(reader, speak)
      await speak()
      return async () => {
        const answer = await reader.sync({ since })
        expect(Object.keys(answer.rooms.join ?? {})).toHaveLength(rooms.length)
      }
    },
  ],
  [
    'GET …/messages, of the latest',
    1,
    async world => {
      await fillPage(world)
      return () => world.reader.messages(world.room, { dir: 'b', limit: pageLength })
    },
  ],
  [
    'GET …/messages, just after a redaction, with which the room is forgotten',
    3,
    async world => {
      const { owner, room } = world
      await owner.redact(room, await fillPage(world))
      return () => world.reader.messages(room, { dir: 'b', limit: pageLength })
    },
  ],
  [
    'GET …/state',
    3,
    ({ reader, room }) =>
      () =>
        reader.ok('GET', reader.roomPath(room, 'state')),
  ],
  [
    'GET …/state/m.room.name',
    3,
    ({ reader, room }) =>
      () =>
        reader.state(room, 'm.room.name'),
  ],
  [
    'GET …/members',
    3,
    ({ reader, room }) =>
      () =>
        reader.ok('GET', reader.roomPath(room, 'members')),
  ],
  [
    'GET …/joined_members',
    2,
    ({ reader, room }) =>
      () =>
        reader.ok('GET', reader.roomPath(room, 'joined_members')),
  ],
  [
    'GET …/context',
    8,
    async world => {
      const { reader, room } = world
      const path = reader.roomPath(room, 'context', await fillPage(world))
      return () => reader.ok('GET', path, { query: { limit: 2 * pageLength } })
    },
  ],
  [
    'POST …/receipt',
    6,
    async ({ owner, reader, room }) => {
      const path = reader.roomPath(room, 'receipt', 'm.read', await owner.say(room, 'read'))
      return () => reader.ok('POST', path, { body: {} })
    },
  ],
  [
    'PUT …/typing',
    1,
    ({ reader, room }) =>
      () => {
        const body = { typing: true, timeout: 1_000 }
        return reader.ok('PUT', reader.roomPath(room, 'typing', reader.userId), { body })
      },
  ],
]

const delaying: [string, number, Prepare][] = [
  [
    'scheduling, the second of a user',
    6,
    async ({ owner, room }) => {
      await owner.delay(room, hour, 'm.room.message', text('one'))
      return () => owner.delay(room, hour, 'm.room.message', text('two'))
    },
  ],
  ...(
    [
      ['restart', 4],
      ['cancel', 4],
      ['send', 7],
    ] as const
  ).map(([action, count]): [string, number, Prepare] => [
    `POST …/delayed_events/{delayId}/${action}`,
    count,
    async ({ owner, room }) => {
      await owner.say(room, 'one')
      const delayId = await owner.delay(room, hour, 'm.room.message', text('later'))
      return () => owner.manage(delayId, action)
    },
  ]),
  [
    'POST …/delayed_events/{delayId}/restart, again',
    3,
    async ({ owner, room }) => {
      const delayId = await owner.delay(room, hour, 'm.room.message', text('later'))
      await owner.manage(delayId, 'restart')
      return () => owner.manage(delayId, 'restart')
    },
  ],
  [
    'GET …/delayed_events',
    2,
    ({ owner }) =>
      () =>
        owner.scheduled(),
  ],
]

// First, because what the others do shows on the pages that these read.
describe('reading', () => {
  test.each(reading)('%s asks %i times', expectStatements)
})

describe('the first request after a start reads what the next ones remember', () => {
  test('PUT …/send asks 8 times, and then 5 times', async () => {
    await server.restart()
    for (const { owner, room } of [small, large]) {
      const say = () => owner.say(room, 'one')
      expect(await statementsOf(say)).toHaveLength(8)
      expect(await statementsOf(say)).toHaveLength(5)
    }
  })

  test('scheduling asks 9 times, and then 6 times', async () => {
    await server.restart()
    for (const { owner, room } of [small, large]) {
      const delay = () => owner.delay(room, hour, 'm.room.message', text('later'))
      expect(await statementsOf(delay)).toHaveLength(9)
      expect(await statementsOf(delay)).toHaveLength(6)
    }
  })

  test('GET /sync asks 25 times, and then 14 times', async () => {
    for (const world of [small, large]) await showState(world)
    await server.restart()
    for (const { reader } of [small, large]) {
      expect(await statementsOf(() => reader.sync())).toHaveLength(25)
      expect(await statementsOf(() => reader.sync())).toHaveLength(14)
    }
  })
})

describe('sending', () => {
  test.each(sending)('%s asks %i times', expectStatements)
})

describe('delayed events', () => {
  test.each(delaying)('%s asks %i times', expectStatements)
})

describe('twenty at once ask as often as one', () => {
  /** All are written in one turn of the event loop, which the server shares with this test. */
  async function atOnce(
    requests: { path: string; body: JsonObject; method: string }[],
    by: Client,
  ) {
    const connections = requests.map(() => new RawConnection(server.baseUrl))
    const bytesOf = (method: string, path: string, body: JsonObject) => {
      const json = JSON.stringify(body)
      const head = `${method} ${path} HTTP/1.1\r\nHost: hs1\r\nAuthorization: Bearer ${by.token}\r\n`
      return Buffer.from(`${head}Content-Length: ${Buffer.byteLength(json)}\r\n\r\n${json}`)
    }
    const first = bytesOf('GET', `${v3}/account/whoami`, {})
    await Promise.all(connections.map(one => one.exchange(first)))
    const statements = await statementsOf(async () => {
      const answers = connections.map((one, i) => {
        const { method, path, body } = requests[i] as (typeof requests)[number]
        return one.exchange(bytesOf(method, path, body))
      })
      for (const { status } of await Promise.all(answers)) expect(status).toBe(200)
    })
    for (const one of connections) one.close()
    return statements
  }
  const twenty = Array.from({ length: 20 }, (_, i) => i)

  test('PUT …/send of twenty messages in a room asks 5 times', async () => {
    const { owner, room } = small
    await owner.say(room, 'one')
    const requests = twenty.map(i => {
      const path = owner.roomPath(room, 'send', 'm.room.message', `at-once-${i}`)
      return { method: 'PUT', path, body: text('at once') }
    })
    expect(await atOnce(requests, owner)).toHaveLength(5)
  })

  test('PUT …/send of a message in each of twenty rooms asks 5 times', async () => {
    const { owner, rooms } = large
    for (const room of rooms) await owner.say(room, 'one')
    const requests = twenty.map(i => {
      const path = owner.roomPath(rooms[i] ?? '', 'send', 'm.room.message', `each-${i}`)
      return { method: 'PUT', path, body: text('at once') }
    })
    expect(await atOnce(requests, owner)).toHaveLength(5)
  })

  test('PUT …/state of twenty keys of a room: hardly any is begun twice', async () => {
    const { owner, room } = small
    await owner.say(room, 'one')
    const requests = twenty.map(i => {
      const path = owner.roomPath(room, 'state', 'm.test', `at-once-${i}`)
      return { method: 'PUT', path, body: text('at once') }
    })
    const statements = await atOnce(requests, owner)
    const begun = statements.filter(statement => statement === 'begin').length
    // The first presumes where the room stands, and another connection may be quicker to its row.
    // Whoever finds somebody at the room presumes nothing; else nearly all would begin twice.
    expect(begun - twenty.length).toBeLessThan(5)
    expect(statements.filter(statement => statement === 'commit')).toHaveLength(twenty.length)
  })

  test('scheduling asks 6 times, restarting all of them 4 times, and again 3 times', async () => {
    const { owner, room } = small
    await owner.delay(room, hour, 'm.room.message', text('one'))
    const query = `?org.matrix.msc4140.delay=${hour}`
    const schedules = twenty.map(i => {
      const path = owner.roomPath(room, 'send', 'm.room.message', `later-${i}`)
      return { method: 'PUT', path: `${path}${query}`, body: text('later') }
    })
    expect(await atOnce(schedules, owner)).toHaveLength(6)
    const scheduled = (await owner.scheduled()).slice(-20)
    const restarts = scheduled.map(({ delay_id }) => {
      const path = `/_matrix/client/unstable/org.matrix.msc4140/delayed_events/${delay_id}/restart`
      return { method: 'POST', path, body: {} }
    })
    expect(await atOnce(restarts, owner)).toHaveLength(4)
    expect(await atOnce(restarts, owner)).toHaveLength(3)
  })

  test('what is due asks 8 times, one or twenty', async () => {
    const { owner, room } = small
    await owner.say(room, 'one')
    // To move the clock asks what time has brought about, too.
    const clock = new Set(await statementsOf(() => server.advance(1)))
    for (const count of [1, 20]) {
      for (let i = 0; i < count; i++) await owner.delay(room, 1_000, 'm.room.message', text('due'))
      const statements = await statementsOf(() => server.advance(1_000))
      const own = statements.filter(statement => !clock.has(statement))
      expect(own).toHaveLength(8)
    }
  })
})

test('GET /sync without since of who is alone in a new room asks 14 times', async () => {
  const charlie = await newcomer()
  await charlie.createRoom()
  await charlie.sync()
  expect(await statementsOf(() => charlie.sync())).toHaveLength(14)
})

test('POST /keys/upload asks 6 times, however many fallback keys it has, and the last of an algorithm counts', async () => {
  const charlie = await newcomer()
  const upload = (algorithms: string[]) =>
    charlie.ok('POST', `${v3}/keys/upload`, {
      body: {
        fallback_keys: Object.fromEntries(
          algorithms.map((name, i) => [`${name}:${i}`, `key ${i}`]),
        ),
      },
    })
  const many = Array.from({ length: 50 }, (_, i) => `algorithm-${i}`)
  for (const algorithms of [['one'], [...many, 'one']]) {
    expect(await statementsOf(() => upload(algorithms))).toHaveLength(6)
  }
  const { device_unused_fallback_key_types: unused } = await charlie.sync()
  expect(unused).toEqual([...many, 'one'].sort())
  await upload(['two', 'two'])
  const { one_time_keys } = await charlie.ok('POST', `${v3}/keys/claim`, {
    body: { one_time_keys: { [charlie.userId]: { [charlie.deviceId]: 'two' } } },
  })
  expect(one_time_keys[charlie.userId]).toEqual({ [charlie.deviceId]: { 'two:1': 'key 1' } })
})

test('a membership that is large, and changed again and again, drives no other room from memory', async () => {
  const { owner } = small
  const [quiet, busy] = [await owner.createRoom(), await owner.createRoom()]
  const say = () => owner.say(quiet, 'one')
  await say()
  for (let i = 0; i < 300; i++) {
    const content = { membership: 'join', i, text: 'x'.repeat(60_000) }
    await owner.setState(busy, 'm.room.member', owner.userId, content)
  }
  expect(await statementsOf(say)).toHaveLength(5)
})
