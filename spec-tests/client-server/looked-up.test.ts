/**
 * What a request asks the database is looked up by an index, from its first column on: no request reads
 * a table or an index from end to end, whatever is in it. How much is read of what was found is for
 * `large-rooms.test.ts`.
 */
import type { Client } from '../support/client.ts'
import { GoodRequests } from '../support/good-requests.ts'
import { picture } from '../support/pictures.ts'
import { closeConnections, sendRaw } from '../support/raw-http.ts'
import { allEndpoints, startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

const enc = encodeURIComponent

let server: TestServer
let good: GoodRequests
let alice: Client
let bob: Client
/** Theirs, and what she said there first. */
let room: string
let eventId: string
beforeAll(async () => {
  server = await startServer()
  good = await GoodRequests.make(server)
  alice = await server.user('alice')
  bob = await server.user('bob')
  room = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(room)
  eventId = await alice.say(room, 'hello')
})
afterAll(async () => {
  closeConnections()
  await server.stop()
})

/** The keys of his device, and others. */
function uploadByBob(keys: JsonObject) {
  const ids = { user_id: bob.userId, device_id: bob.deviceId }
  const device_keys = { ...ids, algorithms: [], keys: {}, signatures: {} }
  return bob.ok('POST', '/_matrix/client/v3/keys/upload', { body: { device_keys, ...keys } })
}

/** Those that are about all that there is: what administrators see. */
const wholes: Record<string, string[]> = {
  'GET /_synapse/admin/v2/users': ['users_pkey', 'users'],
  'GET /_synapse/admin/v1/rooms': ['rooms'],
  'GET /_hourglass/admin/v1/delayed_events': ['delayed_events_of_user'],
}

const cases = allEndpoints().map(endpoint => ({
  endpoint,
  path: endpoint.paths[0] ?? '',
  name: `${endpoint.method} ${endpoint.paths[0]}`,
}))

test.each(cases)('$name', async ({ endpoint, path, name }) => {
  await good.repair()
  // What is in memory is not asked for.
  await server.restart()
  const request = good.request(endpoint, path)
  const token = request.token && good.token
  const walks = await server.walks(() => sendRaw(server.baseUrl, { ...request, token }))
  // A search is planned for its words, and for how many texts there are.
  const expected = [...(wholes[name] ?? []), 'searchable_texts']
  expect(walks.filter(walk => !expected.includes(walk.name))).toEqual([])
  expect(walks.map(walk => walk.name)).toEqual(expect.arrayContaining(wholes[name] ?? []))
})

describe('what a request asks for when something has happened', () => {
  const sliding = (client: Client, pos?: string): Promise<JsonObject> => {
    const path = '/_matrix/client/unstable/org.matrix.simplified_msc3575/sync'
    const required_state = [
      ['m.room.name', ''],
      ['m.room.member', '$LAZY'],
    ]
    const on = { enabled: true }
    const extensions = { receipts: on, typing: on, e2ee: on, to_device: on, account_data: on }
    const lists = { all: { ranges: [[0, 9]], timeline_limit: 10, required_state } }
    return client.ok('POST', path, { query: { pos }, body: { lists, extensions } })
  }
  const filter = JSON.stringify({ room: { state: { lazy_load_members: true } } })

  /** Those of whom 'GET /sync' and the sliding one are asked what has happened since. */
  const readings: Record<string, (client: Client) => Promise<() => Promise<unknown>>> = {
    'GET /sync': async client => {
      const { next_batch: since } = await client.sync()
      return () => client.sync({ since })
    },
    'GET /sync, lazily': async client => {
      const { next_batch: since } = await client.sync({ filter })
      return () => client.sync({ since, filter })
    },
    'POST /sync, sliding': async client => {
      const { pos } = await sliding(client)
      return () => sliding(client, pos)
    },
    'GET /keys/changes': async client => {
      const { next_batch: from } = await client.sync()
      return async () => {
        const { next_batch: to } = await client.sync()
        return client.ok('GET', '/_matrix/client/v3/keys/changes', { query: { from, to } })
      }
    },
  }

  let reactions = 0

  const about = (rel_type: string) => ({
    msgtype: 'm.text',
    body: 'I do',
    'm.relates_to': { rel_type, event_id: eventId },
  })
  const happenings: Record<string, () => Promise<unknown>> = {
    'a message': () => bob.say(room, 'hello'),
    'a message in a thread': () => bob.send(room, 'm.room.message', about('m.thread')),
    'a reaction': async () => {
      reactions += 1
      const relation = { rel_type: 'm.annotation', event_id: eventId, key: `${reactions}` }
      await bob.send(room, 'm.reaction', { 'm.relates_to': relation })
    },
    'a redaction': async () => bob.redact(room, await bob.say(room, 'wrong')),
    'a change of state': () => alice.setState(room, 'm.room.name', '', { name: `${server.now()}` }),
    'a join': async () => (await server.user('charlie')).join(room),
    'a leave': async () => {
      await bob.leave(room)
      await bob.join(room)
    },
    'an invitation': async () => bob.invite(await bob.createRoom(), alice.userId),
    'a room': () => alice.createRoom(),
    'a receipt': async () => {
      const path = bob.roomPath(room, 'receipt', 'm.read', await alice.say(room, 'read'))
      await bob.ok('POST', path, { body: {} })
    },
    typing: () => {
      const path = bob.roomPath(room, 'typing', bob.userId)
      return bob.ok('PUT', path, { body: { typing: true, timeout: 1_000 } })
    },
    'a tag': () => {
      const path = `/_matrix/client/v3/user/${enc(alice.userId)}/rooms/${enc(room)}/tags/u.test`
      return alice.ok('PUT', path, { body: { order: 0.5 } })
    },
    'account data': () => {
      const path = `/_matrix/client/v3/user/${enc(alice.userId)}/account_data/m.test`
      return alice.ok('PUT', path, { body: { n: server.now() } })
    },
    'the end of a delayed event': async () =>
      alice.manage(await alice.delay(room, 3_600_000, 'm.test', {}), 'cancel'),
    'keys of a device': () => uploadByBob({}),
    'a message to a device': () => {
      const messages = { [alice.userId]: { '*': { n: 1 } } }
      const path = `/_matrix/client/v3/sendToDevice/m.test/${server.now()}`
      return bob.ok('PUT', path, { body: { messages } })
    },
    'many who come back': async () => {
      for (let i = 0; i < 10; i++) {
        const stranger = await server.user('stranger')
        if (i < 5) await stranger.join(room)
        await stranger.sync()
      }
    },
  }

  describe.each([
    ['while the server runs', () => server.idle()],
    ['before the server restarts', () => server.restart()],
  ])('%s', (_, afterwards) => {
    test.each(Object.keys(happenings))('GET /sync, lazily, after %s', async happening => {
      const read = await readings['GET /sync, lazily']?.(alice)
      await happenings[happening]?.()
      await afterwards()
      expect(await server.walks(async () => read?.())).toEqual([])
    })
  })

  test.each(Object.keys(readings))('%s, after all of it', async reading => {
    const read = await readings[reading]?.(alice)
    for (const happen of Object.values(happenings)) await happen()
    await server.idle()
    expect(await server.walks(async () => read?.())).toEqual([])
  })
})

describe('a request that goes further', () => {
  const v1 = '/_matrix/client/v1'
  const v3 = '/_matrix/client/v3'
  beforeAll(async () => {
    for (const rel_type of ['m.thread', 'm.reference']) {
      const relation = { rel_type, event_id: eventId }
      await bob.send(room, 'm.room.message', {
        msgtype: 'm.text',
        body: 'I do',
        'm.relates_to': relation,
      })
    }
  })

  const keysOfBob = (kind: string, key: string) =>
    uploadByBob({ [kind]: { [`signed_curve25519:${key}`]: { key, signatures: {} } } })
  const claim = () => {
    const one_time_keys = { [bob.userId]: { [bob.deviceId]: 'signed_curve25519' } }
    return alice.ok('POST', `${v3}/keys/claim`, { body: { one_time_keys } })
  }

  /** Each prepares one request, and gives it. */
  const further: Record<string, () => Promise<() => Promise<unknown>>> = {
    'GET …/relations?recurse=true': async () => {
      const path = `${v1}/rooms/${enc(room)}/relations/${enc(eventId)}`
      return () => alice.ok('GET', path, { query: { recurse: true } })
    },
    'GET …/threads?include=participated': async () => () =>
      bob.ok('GET', `${v1}/rooms/${enc(room)}/threads`, { query: { include: 'participated' } }),
    'GET …/messages, with threads': async () => () => alice.messages(room, { dir: 'b' }),
    'PUT …/send/m.reaction': async () => () => {
      const relation = { rel_type: 'm.annotation', event_id: eventId, key: 'x' }
      return bob.send(room, 'm.reaction', { 'm.relates_to': relation })
    },
    ...Object.fromEntries(
      ['send_ts', 'finalised_ts', 'running_since'].map(order => [
        `GET /delayed_events?order_by=${order}`,
        async () => {
          await alice.delay(room, 3_600_000, 'm.test', {})
          const query = { order_by: order, outcome: 'send', reason: 'delay' }
          return () => alice.ok('GET', `${v1}/delayed_events`, { query })
        },
      ]),
    ),
    'POST /keys/claim': async () => {
      await keysOfBob('one_time_keys', 'AAAAAQ')
      return claim
    },
    'POST /keys/claim, of a fallback key': async () => {
      await keysOfBob('fallback_keys', 'AAAAAg')
      await claim()
      return claim
    },
    'POST /refresh': async () => {
      const client = await server.user('refresher')
      const { refresh_token } = await client.login({ refresh_token: true })
      const body = { refresh_token }
      return () => client.ok('POST', `${v3}/refresh`, { body, token: null })
    },
    'PUT /media/upload, after it was announced': async () => {
      const { content_uri } = await alice.ok('POST', '/_matrix/media/v1/create')
      const path = String(content_uri).replace('mxc://', '/_matrix/media/v3/upload/')
      return () => alice.ok('PUT', path, { body: picture(2, 2) })
    },
    'POST /account/deactivate': async () => {
      const client = await server.user('leaver')
      const auth = {
        type: 'm.login.password',
        identifier: { type: 'm.id.user', user: client.userId },
        password: client.password,
      }
      return () => client.ok('POST', `${v3}/account/deactivate`, { body: { auth, erase: true } })
    },
  }

  test.each(Object.keys(further))('%s', async name => {
    const request = await further[name]?.()
    expect(await server.walks(async () => request?.())).toEqual([])
  })

  test('POST /user_directory/search, of those whose names fit', async () => {
    const body = { search_term: 'bob' }
    const path = `${v3}/user_directory/search`
    const walks = await server.walks(() => alice.ok('POST', path, { body }))
    // Which they are is found by reading all names.
    expect(walks.filter(walk => !/^users/.test(walk.name))).toEqual([])
  })
})

describe('what the server does by itself', () => {
  const hour = 3_600_000
  beforeAll(async () => {
    const url = 'http://127.0.0.1:9/_matrix/push/v1/notify'
    const names = { app_display_name: 'x', device_display_name: 'x', lang: 'en' }
    const body = { app_id: 'x', pushkey: 'x', kind: 'http', data: { url }, ...names }
    await alice.ok('POST', '/_matrix/client/v3/pushers/set', { body })
  })

  const moments: Record<string, () => Promise<number>> = {
    'a message is due': async () => {
      await alice.delay(room, 1_000, 'm.room.message', { msgtype: 'm.text', body: 'now' })
      return 1_000
    },
    'state is due': async () => {
      await alice.delayState(room, 1_000, 'm.test', '', { n: 1 })
      return 1_000
    },
    'many are due at once': async () => {
      for (let i = 0; i < 20; i++) await alice.delay(room, 1_000, 'm.test', {})
      return 1_000
    },
    'what was restarted would have been due': async () => {
      const delayId = await alice.delay(room, 1_000, 'm.test', {})
      await server.advance(500)
      await alice.manage(delayId, 'restart')
      return 500
    },
    'nobody may send any more what is due': async () => {
      const bob = await server.user('bob')
      const other = await bob.createRoom({ preset: 'public_chat' })
      await alice.join(other)
      await alice.delay(other, 1_000, 'm.test', {})
      await bob.kick(other, alice.userId)
      return 1_000
    },
    'nothing is due': async () => 1,
  }

  test.each(Object.keys(moments))('%s', async name => {
    const ms = await moments[name]?.()
    expect(await server.walks(() => server.advance(ms ?? 0))).toEqual([])
  })

  /** What expires is short-lived, and there is little of it. */
  const shortLived = ['tickets_pkey', 'url_previews_pkey', 'room_deletions']
  test('what is over is forgotten', async () => {
    await alice.manage(await alice.delay(room, 2 * hour, 'm.test', {}), 'cancel')
    const walks = await server.walks(() => server.advance(hour))
    expect(walks.filter(walk => !shortLived.includes(walk.name))).toEqual([])
    expect(walks.map(walk => walk.name)).toEqual(expect.arrayContaining(['room_deletions']))
  })

  test('members are carried over into the room that follows theirs when it is closed', async () => {
    const from = await alice.createRoom()
    const tag = `/_matrix/client/v3/user/${alice.userId}/rooms/${from}/tags/u.test`
    await alice.ok('PUT', tag, { body: {} })
    const predecessor = { room_id: from, event_id: '$last' }
    const replacement_room = await alice.createRoom({ creation_content: { predecessor } })
    const closed = async () => {
      await alice.setState(from, 'm.room.tombstone', '', { body: 'This way', replacement_room })
      await server.idle()
    }
    expect(await server.walks(closed)).toEqual([])
  })

  /** By its members, what they have set or said of it, and what they have scheduled for it. */
  const ofNoRoom = [
    'account_data_pkey',
    'delayed_events_of_user',
    'forgotten_rooms_pkey',
    'reports',
    'thread_subscriptions',
  ]
  test('a room is deleted', async () => {
    const operator = await server.admin()
    const gone = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(gone)
    await bob.say(gone, 'hello')
    const walks = await server.walks(async () => {
      await operator.ok('DELETE', `/_synapse/admin/v2/rooms/${encodeURIComponent(gone)}`, {
        body: {},
      })
      await server.idle()
    })
    expect(walks.filter(walk => !ofNoRoom.includes(walk.name))).toEqual([])
    expect(walks.map(walk => walk.name)).toEqual(expect.arrayContaining(ofNoRoom))
  })

  test('somebody is notified', async () => {
    const said = async () => {
      await bob.say(room, 'hello')
      await server.idle()
    }
    expect(await server.walks(said)).toEqual([])
  })
})
