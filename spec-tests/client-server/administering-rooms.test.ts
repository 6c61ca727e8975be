/** Rooms in the hands of an administrator: listed, blocked, deleted. Synapse's interface. */
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

const v1 = '/_synapse/admin/v1/rooms'
const v2 = '/_synapse/admin/v2/rooms'
const enc = encodeURIComponent

let server: TestServer
let operator: Client
let alice: Client
let bob: Client
beforeAll(async () => {
  server = await startServer()
  operator = await server.admin()
  alice = await server.user('alice')
  bob = await server.user('bob')
})
afterAll(() => server.stop())

async function roomOfTwo(extra: JsonObject = {}): Promise<string> {
  const roomId = await alice.createRoom({ preset: 'public_chat', ...extra })
  await bob.join(roomId)
  return roomId
}

const remove = (roomId: string, body: JsonObject = {}) =>
  operator.request('DELETE', `${v1}/${enc(roomId)}`, { body })
const nothing = { kicked_users: [], failed_to_kick_users: [], local_aliases: [], new_room_id: null }

describe('DELETE /_synapse/admin/v1/rooms/{roomId}', () => {
  test('everybody is out, and no trace is left', async () => {
    const before = await server.rowCounts()
    const roomId = await roomOfTwo({ room_alias_name: 'doomed' })
    const charlie = await server.user('charlie')
    await alice.invite(roomId, charlie.userId)
    const root = await alice.say(roomId, 'searchable hourglass')
    const thread = { rel_type: 'm.thread', event_id: root }
    await bob.send(roomId, 'm.room.message', { body: 'x', 'm.relates_to': thread })
    await bob.ok('POST', bob.roomPath(roomId, 'receipt', 'm.read', root), { body: {} })
    await bob.ok('PUT', `/_matrix/client/v3/user/${enc(bob.userId)}/rooms/${enc(roomId)}/tags/x`, {
      body: {},
    })
    await bob.ok('POST', bob.roomPath(roomId, 'report', root), { body: { reason: 'x' } })
    const { next_batch: since } = await bob.sync()

    const { status, body } = await remove(roomId)
    expect(status).toBe(200)
    expect(body).toEqual({
      ...nothing,
      kicked_users: [alice.userId, bob.userId, charlie.userId],
    })
    for (const [method, path] of [
      ['GET', bob.roomPath(roomId, 'messages')],
      ['GET', bob.roomPath(roomId, 'state')],
      ['GET', bob.roomPath(roomId, 'joined_members')],
      ['GET', bob.roomPath(roomId, 'context', root)],
      ['POST', `/_matrix/client/v3/join/${enc(roomId)}`],
      ['PUT', bob.roomPath(roomId, 'send', 'm.test', 'x')],
    ] as const) {
      const answer = await bob.request(method, path, method === 'GET' ? {} : { body: {} })
      expect({ path, isHidden: [403, 404].includes(answer.status) }).toEqual({
        path,
        isHidden: true,
      })
    }
    expect(await operator.request('GET', `${v1}/${enc(roomId)}`)).toMatchObject({ status: 404 })
    const alias = await bob.request(
      'GET',
      `/_matrix/client/v3/directory/room/${enc('#doomed:hs1')}`,
    )
    expect(alias.status).toBe(404)

    // What stays: by what the clients hear of it, and what came of it.
    const after = await server.rowCounts()
    const grown = Object.keys(after).filter(table => after[table] !== before[table])
    expect(grown.sort()).toEqual(
      [
        'devices',
        'events',
        'forgotten_rooms',
        'room_deletions',
        'room_state',
        'sessions',
        'transaction_ids',
        'users',
      ].sort(),
    )
    expect((after.events ?? 0) - (before.events ?? 0)).toBe(3)
    const { rooms } = await bob.sync({ since })
    expect(rooms?.leave?.[roomId]?.timeline?.events).toMatchObject([
      { type: 'm.room.member', state_key: bob.userId, content: { membership: 'leave' } },
    ])
    const filter = JSON.stringify({ room: { include_leave: true } })
    expect((await bob.sync({ filter })).rooms?.leave?.[roomId]).toBeUndefined()
  })

  test('a /sync that waits hears of it', async () => {
    const roomId = await roomOfTwo()
    const { next_batch: since } = await bob.sync()
    const waiting = bob.sync({ since, timeout: 30_000 })
    await server.untilWaiting(1)
    await remove(roomId)
    expect((await waiting).rooms?.leave?.[roomId]).toBeDefined()
  })

  test('who sees events as servers exchange them hears of it, too', async () => {
    const roomId = await roomOfTwo()
    const { next_batch: since } = await bob.sync()
    await remove(roomId)
    const filter = JSON.stringify({ event_format: 'federation' })
    const { rooms } = await bob.sync({ since, filter })
    expect(rooms.leave?.[roomId]?.timeline?.events).toMatchObject([
      { sender: bob.userId, content: { membership: 'leave' }, hashes: {} },
    ])
  })

  test('what was scheduled for it is finalised and never sent, whoever is to send it', async () => {
    const roomId = await roomOfTwo()
    const other = await roomOfTwo()
    const ids = [
      await alice.delay(roomId, 1_000, 'm.test', {}),
      await alice.delayState(roomId, 2_000, 'm.test', 'x', {}),
    ]
    const kept = await alice.delay(other, 1_000, 'm.test', {})
    await remove(roomId)
    expect((await alice.scheduled()).map(item => item.delay_id)).toEqual([kept])
    for (const id of ids) {
      for (const action of ['send', 'restart', 'cancel']) {
        expect((await alice.manage(id, action)).status).toBe(404)
      }
    }
    await server.advance(2_000)
    expect((await alice.finalised()).map(item => [item.delayed_event, item.error])).toEqual(
      expect.arrayContaining(
        ids.map(delay_id => [
          expect.objectContaining({ delay_id }),
          expect.objectContaining({ errcode: 'M_NOT_FOUND' }),
        ]),
      ),
    )
    const late = alice.roomPath(roomId, 'send', 'm.test', 'late')
    const query = { 'org.matrix.msc4140.delay': 1_000 }
    expect(await alice.request('PUT', late, { body: {}, query })).toMatchObject({ status: 404 })
  })

  test('not even a join that is scheduled brings somebody back, if the room is kept', async () => {
    const roomId = await roomOfTwo()
    const join = { membership: 'join' }
    await bob.delayState(roomId, 1_000, 'm.room.member', bob.userId, join)
    await remove(roomId, { purge: false })
    await server.advance(1_000)
    expect(await operator.ok('GET', `${v1}/${enc(roomId)}`)).toMatchObject({ joined_members: 0 })
    // It is not blocked: who asks comes in again.
    await bob.join(roomId)
  })

  test('blocked and kept: nobody comes in any more, by no way', async () => {
    const roomId = await roomOfTwo()
    await remove(roomId, { purge: false, block: true })
    const forbidden = { status: 403, body: { errcode: 'M_FORBIDDEN' } }
    const join = bob.roomPath(roomId, 'join')
    const state = bob.roomPath(roomId, 'state', 'm.room.member', bob.userId)
    const body = { membership: 'join' }
    expect(await bob.request('POST', join, { body: {} })).toMatchObject(forbidden)
    expect(await bob.request('PUT', state, { body })).toMatchObject(forbidden)

    const block = `${v1}/${enc(roomId)}/block`
    expect(await operator.ok('GET', block)).toEqual({ block: true, user_id: operator.userId })
    expect(await operator.ok('PUT', block, { body: { block: false } })).toEqual({ block: false })
    expect(await operator.ok('GET', block)).toEqual({ block: false })
    await bob.join(roomId)
    await operator.ok('PUT', block, { body: { block: true } })
    const charlie = await server.user('charlie')
    const invite = bob.roomPath(roomId, 'invite')
    const invited = await bob.request('POST', invite, { body: { user_id: charlie.userId } })
    expect(invited).toMatchObject(forbidden)
  })

  test('into a new room: they are in it, its aliases too, and cannot speak', async () => {
    const roomId = await roomOfTwo({ room_alias_name: 'moved' })
    const janitor = await server.user('janitor')
    const { body } = await remove(roomId, {
      new_room_user_id: janitor.userId,
      room_name: 'Gone',
      message: 'It is gone',
    })
    const newRoomId = body.new_room_id
    expect(body).toEqual({
      kicked_users: [alice.userId, bob.userId],
      failed_to_kick_users: [],
      local_aliases: ['#moved:hs1'],
      new_room_id: expect.any(String),
    })
    expect(await bob.state(newRoomId, 'm.room.name')).toEqual({ name: 'Gone' })
    expect(await bob.join('#moved:hs1')).toBe(newRoomId)
    const { chunk } = await bob.messages(newRoomId, { dir: 'f', limit: 50 })
    const said = chunk.filter(event => event.type === 'm.room.message')
    expect(said).toMatchObject([{ sender: janitor.userId, content: { body: 'It is gone' } }])
    await expect(bob.say(newRoomId, 'x')).rejects.toMatchObject({ status: 403 })
    expect((await bob.sync()).rooms?.join?.[newRoomId]).toBeDefined()
  })

  test('refused, and nothing is done', async () => {
    const roomId = await roomOfTwo()
    const gone = await server.user('gone')
    const close = `/_synapse/admin/v1/deactivate/${enc(gone.userId)}`
    await operator.ok('POST', close, { body: {} })
    const before = await server.rowCounts()
    const path = `${v1}/${enc(roomId)}`
    expect(await bob.request('DELETE', path, { body: {} })).toMatchObject({ status: 403 })
    expect(await remove('!unknown:hs1')).toMatchObject({ status: 404 })
    expect(await operator.request('DELETE', path)).toMatchObject({ status: 400 })
    for (const wrong of [
      { block: 'yes' },
      { purge: 1 },
      { new_room_user_id: 'x' },
      { new_room_user_id: '@x:elsewhere' },
      // In whose name a room would be that somebody may register later.
      { new_room_user_id: '@nobody-yet:hs1' },
      { new_room_user_id: gone.userId },
    ]) {
      expect(await remove(roomId, wrong)).toMatchObject({ status: 400 })
    }
    expect(await server.rowCounts()).toEqual(before)
  })

  test('a room that we do not know can be blocked', async () => {
    expect(await remove('!unknown:hs1', { block: true })).toMatchObject({
      status: 200,
      body: nothing,
    })
    expect(await operator.ok('GET', `${v1}/${enc('!unknown:hs1')}/block`)).toMatchObject({
      block: true,
    })
  })

  test('many members, many events', async () => {
    const roomId = await roomOfTwo()
    const invite = [...Array(300).keys()].map(n => `@guest-${n}:hs1`)
    const full = await alice.createRoom({ invite })
    for (const name of Array(20).keys()) await alice.say(full, `message ${name}`)
    expect((await remove(full)).body.kicked_users).toHaveLength(301)
    expect((await remove(roomId)).body.kicked_users).toHaveLength(2)
    expect((await operator.request('GET', `${v1}/${enc(full)}`)).status).toBe(404)
  })
})

describe('A deletion that the database refuses', () => {
  const endpoint = 'DELETE /_synapse/admin/v1/rooms/{roomId}'
  /** After so many of its transactions. */
  const refuse = (skip: number, count: number) =>
    server.fault({ kind: 'serialisation_failure', endpoint, skip, count })
  const attempts = 3

  test('goes on when that was for the moment', async () => {
    for (const skip of [1, 2]) {
      const roomId = await roomOfTwo()
      refuse(skip, 1)
      expect(await remove(roomId)).toMatchObject({ status: 200 })
      expect((await operator.request('GET', `${v1}/${enc(roomId)}`)).status).toBe(404)
    }
  })

  test('goes on when it is asked for again, whatever is gone already', async () => {
    const events = async () => (await server.rowCounts()).events ?? 0
    const invite = [...Array(300).keys()].map(n => `@half-${n}:hs1`)
    // Asked for; some have left; all have; the room is gone, and not all of its events.
    for (const [i, skip] of [1, 2, 3, 4].entries()) {
      const before = await events()
      const roomId = await alice.createRoom({ invite })
      refuse(skip, attempts)
      expect(await remove(roomId)).toMatchObject({ status: 500 })
      const again = i % 2 === 0 ? v2 : v1
      await operator.ok('DELETE', `${again}/${enc(roomId)}`, { body: {} })
      await server.idle()
      const { results } = await operator.ok('GET', `${v2}/${enc(roomId)}/delete_status`)
      const statuses = results.map(({ status }: JsonObject) => status)
      expect(statuses).toContain('complete')
      expect(statuses).not.toContain('active')
      // The departures, by which clients hear of it.
      expect((await events()) - before).toBe(301)
      expect(await remove(roomId)).toMatchObject({ status: 404 })
    }
  })
})

describe('DELETE /_synapse/admin/v2/rooms/{roomId}', () => {
  const start = async (roomId: string) =>
    String((await operator.ok('DELETE', `${v2}/${enc(roomId)}`, { body: {} })).delete_id)

  test('says what comes of it, by its id and by the room', async () => {
    const roomId = await roomOfTwo()
    const deleteId = await start(roomId)
    await server.idle()
    const status = await operator.ok('GET', `${v2}/delete_status/${deleteId}`)
    expect(status).toEqual({
      delete_id: deleteId,
      room_id: roomId,
      status: 'complete',
      shutdown_room: { ...nothing, kicked_users: [alice.userId, bob.userId] },
    })
    expect(await operator.ok('GET', `${v2}/${enc(roomId)}/delete_status`)).toEqual({
      results: [status],
    })
    const none = await operator.request('GET', `${v2}/delete_status/none`)
    expect(none).toMatchObject({ status: 404, body: { errcode: 'M_NOT_FOUND' } })
    expect(await operator.request('DELETE', `${v2}/!x:hs1`, { body: {} })).toMatchObject({
      status: 404,
    })
    const asBob = await bob.request('GET', `${v2}/delete_status/${deleteId}`)
    expect(asBob).toMatchObject({ status: 403 })
  })

  test('goes on after a restart, and is forgotten after a day', async () => {
    const invite = [...Array(300).keys()].map(n => `@waiting-${n}:hs1`)
    const roomId = await alice.createRoom({ invite })
    const deleteId = await start(roomId)
    await server.restart()
    await server.idle()
    const path = `${v2}/delete_status/${deleteId}`
    expect(await operator.ok('GET', path)).toMatchObject({ status: 'complete' })
    expect((await operator.request('GET', `${v1}/${enc(roomId)}`)).status).toBe(404)
    await server.advance(86_400_000 + 3_600_000)
    expect((await operator.request('GET', path)).status).toBe(404)
  })
})

describe('GET /_synapse/admin/v1/rooms', () => {
  let other: TestServer
  let admin: Client
  let ids: string[]
  beforeAll(async () => {
    other = await startServer()
    admin = await other.admin()
    const charlie = await other.user('charlie')
    ids = [
      await admin.createRoom({ name: 'Beta', visibility: 'public', room_alias_name: 'beta' }),
      await admin.createRoom({ name: 'alpha', creation_content: { type: 'm.space' } }),
      await admin.createRoom(),
    ]
    await charlie.join(ids[0] ?? '')
    await admin.leave(ids[2] ?? '')
  })
  afterAll(() => other.stop())

  const list = (query: Record<string, string | number> = {}) => admin.ok('GET', v1, { query })
  const order = async (query: Record<string, string | number>) =>
    (await list(query)).rooms.map((room: JsonObject) => ids.indexOf(room.room_id))

  test('shows all of them, by name', async () => {
    const { rooms, ...rest } = await list()
    expect(rest).toEqual({ offset: 0, total_rooms: 3 })
    expect(rooms.map((room: JsonObject) => room.room_id)).toEqual([ids[1], ids[0], ids[2]])
    expect(rooms[1]).toEqual({
      room_id: ids[0],
      name: 'Beta',
      topic: null,
      avatar: null,
      canonical_alias: '#beta:hs1',
      joined_members: 2,
      joined_local_members: 2,
      version: '11',
      creator: admin.userId,
      encryption: null,
      federatable: true,
      public: true,
      join_rules: 'public',
      guest_access: 'forbidden',
      history_visibility: 'shared',
      state_events: 9,
      room_type: null,
    })
    expect(rooms[0].room_type).toBe('m.space')
    expect(await admin.ok('GET', `${v1}/${enc(ids[0] ?? '')}`)).toEqual(rooms[1])
  })

  test('in other orders, in pages, and only some', async () => {
    expect(await order({ order_by: 'joined_members' })).toEqual([0, 1, 2])
    expect(await order({ order_by: 'joined_members', dir: 'b' })).toEqual([2, 1, 0])
    expect(await order({ order_by: 'canonical_alias', limit: 1 })).toEqual([0])
    expect(await order({ search_term: 'ALPH' })).toEqual([1])
    expect(await order({ search_term: ids[2] ?? '' })).toEqual([2])
    expect(await order({ public_rooms: 'true' })).toEqual([0])
    expect(await order({ empty_rooms: 'true' })).toEqual([2])
    expect(await list({ limit: 2 })).toMatchObject({ next_batch: 2, total_rooms: 3 })
    expect(await list({ from: 2 })).toMatchObject({ offset: 2, prev_batch: 0 })
  })

  test.each([
    { order_by: 'colour' },
    { dir: 'x' },
    { limit: 0 },
    { from: -1 },
    { public_rooms: 'x' },
  ])('refused: %j', async query => {
    const answer = await admin.request('GET', v1, { query })
    expect(answer).toMatchObject({ status: 400, body: { errcode: 'M_INVALID_PARAM' } })
  })

  test('delayed events are listed with neither content nor delay_id', async () => {
    const [roomId = ''] = ids
    const delayId = await admin.delay(roomId, 60_000, 'm.secret', { body: 'secret' })
    const path = '/_hourglass/admin/v1/delayed_events'
    const answer = await admin.request('GET', path)
    expect(answer.body).toEqual({
      delayed_events: [
        {
          user_id: admin.userId,
          room_id: roomId,
          type: 'm.secret',
          delay_ms: 60_000,
          since_ts: other.now(),
          send_at: other.now() + 60_000,
          dialect: expect.any(String),
          status: 'scheduled',
          cause: null,
          finalised_ts: null,
          event_id: null,
        },
      ],
    })
    expect(answer.text).not.toContain(delayId)
    await admin.manage(delayId, 'cancel')
    expect(await admin.ok('GET', path)).toEqual({ delayed_events: [] })
    for (const query of [{ status: 'cancelled' }, { status: 'any', user_id: admin.userId }]) {
      expect((await admin.ok('GET', path, { query })).delayed_events).toHaveLength(1)
    }
    const elsewhere = { status: 'any', room_id: ids[1] }
    expect((await admin.ok('GET', path, { query: elsewhere })).delayed_events).toEqual([])
  })
})
