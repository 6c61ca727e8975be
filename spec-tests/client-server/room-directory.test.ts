import { type Client, refusal } from '../support/client.ts'
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

const enc = encodeURIComponent
const v3 = '/_matrix/client/v3'
const listPath = (room: string) => `${v3}/directory/list/room/${enc(room)}`
const aliasPath = (alias: string) => `${v3}/directory/room/${enc(alias)}`

const list = (query: Record<string, string | number> = {}) =>
  alice.ok('GET', `${v3}/publicRooms`, { query, token: null })
const search = (body: JsonObject) => alice.ok('POST', `${v3}/publicRooms`, { body })
const idsOf = (page: JsonObject): string[] =>
  (page.chunk as JsonObject[]).map(room => String(room.room_id))

describe('TestPublicRooms', () => {
  const open = (body: JsonObject) => alice.createRoom({ visibility: 'public', ...body })

  test('a search looks at name, topic and alias, whatever the case', async () => {
    const byName = await open({ name: 'WOMBLES of Wimbledon' })
    const byTopic = await open({ topic: 'about wombles' })
    const byAlias = await open({ room_alias_name: 'Wombles' })
    await alice.createRoom({ name: 'wombles in private' })
    const found = await search({ filter: { generic_search_term: 'wOmBlEs' } })
    expect(idsOf(found).sort()).toEqual([byName, byTopic, byAlias].sort())
    const none = await search({ filter: { generic_search_term: 'w%mbles' } })
    expect(idsOf(none)).toEqual([])
  })

  test('an entry has what is set, and nothing that is not', async () => {
    const named = await open({ name: '💥 Ünïcode', room_alias_name: '字' })
    const bare = await open({})
    const { chunk } = await list()
    const entry = (room: string) => (chunk as JsonObject[]).find(one => one.room_id === room)
    expect(entry(named)).toMatchObject({ name: '💥 Ünïcode', canonical_alias: '#字:hs1' })
    expect(entry(bare)).toEqual({
      room_id: bare,
      num_joined_members: 1,
      world_readable: false,
      guest_can_join: false,
      join_rule: 'public',
    })
  })

  test('room_types chooses, null standing for rooms without a type', async () => {
    const space = await open({ name: 'typed', creation_content: { type: 'm.space' } })
    const plain = await open({ name: 'typed' })
    const of = async (room_types: (string | null)[]) =>
      idsOf(await search({ filter: { generic_search_term: 'typed', room_types } }))
    expect(await of(['m.space'])).toEqual([space])
    expect(await of([null])).toEqual([plain])
    expect((await of([null, 'm.space'])).sort()).toEqual([space, plain].sort())
    expect(await of([])).toEqual([])
  })

  test('pages lead through the list, largest rooms first, and back again', async () => {
    for (const n of [1, 2, 3, 4, 5]) await open({ name: `paged ${n}` })
    const large = await open({ name: 'paged 6', preset: 'public_chat' })
    await bob.join(large)
    const filter = { generic_search_term: 'paged' }
    const all = idsOf(await search({ filter }))
    expect(all).toHaveLength(6)
    expect(all[0]).toBe(large)
    const first = await search({ filter, limit: 2 })
    expect(first).not.toHaveProperty('prev_batch')
    const second = await search({ filter, limit: 2, since: first.next_batch })
    const third = await search({ filter, limit: 2, since: second.next_batch })
    expect([first, second, third].flatMap(idsOf)).toEqual(all)
    expect(third).not.toHaveProperty('next_batch')
    const back = await search({ filter, limit: 2, since: third.prev_batch })
    expect(idsOf(back)).toEqual(idsOf(second))
    const start = await search({ filter, limit: 2, since: back.prev_batch })
    expect(idsOf(start)).toEqual(idsOf(first))
    expect(start).not.toHaveProperty('prev_batch')
    expect(start.next_batch).toBe(first.next_batch)
  })

  test('GET has pages too, and an estimate of all there are', async () => {
    const whole = await list()
    expect(whole.total_room_count_estimate).toBe(idsOf(whole).length)
    const first = await list({ limit: 3 })
    const rest = await list({ since: first.next_batch })
    expect([...idsOf(first), ...idsOf(rest)]).toEqual(idsOf(whole))
    expect(idsOf(await list({ limit: 0 }))).toEqual([])
    expect((await refusal(list({ since: 'nonsense' }))).errcode).toBe('M_INVALID_PARAM')
  })

  test('a room that all have left is not in it, until somebody is there again', async () => {
    const room = await open({ preset: 'public_chat' })
    const { total_room_count_estimate: before } = await list()
    await alice.leave(room)
    const without = await list()
    expect(idsOf(without)).not.toContain(room)
    expect(without.total_room_count_estimate).toBe(before - 1)
    await bob.join(room)
    expect(idsOf(await list())).toContain(room)
  })

  test('the list of another server cannot be had', async () => {
    expect(idsOf(await list({ server: 'hs1' })).length).toBeGreaterThan(0)
    expect((await refusal(list({ server: 'elsewhere.example' }))).errcode).toBe('M_NOT_FOUND')
  })
})

describe('TestKnockRoomsInPublicRoomsDirectory, TestKnockRoomsInPublicRoomsDirectoryInMSC3787Room', () => {
  test.each([
    ['7', 'knock'],
    ['10', 'knock_restricted'],
  ])('version %s: the list shows the join rule %s', async (version, rule) => {
    const room = await alice.createRoom({
      room_version: version,
      initial_state: [{ type: 'm.room.join_rules', content: { join_rule: rule, allow: [] } }],
    })
    await alice.ok('PUT', listPath(room), { body: { visibility: 'public' } })
    const shown = async () => {
      const { chunk } = await list()
      return (chunk as JsonObject[]).find(one => one.room_id === room)?.join_rule
    }
    expect(await shown()).toBe(rule)
    await alice.setState(room, 'm.room.join_rules', '', { join_rule: 'public' })
    expect(await shown()).toBe('public')
  })
})

describe('GET and PUT /directory/list/room/{roomId}', () => {
  const visibility = async (room: string) =>
    (await alice.ok('GET', listPath(room), { token: null })).visibility

  test('public, unless something else is said, and private again', async () => {
    const room = await alice.createRoom()
    expect(await visibility(room)).toBe('private')
    await alice.ok('PUT', listPath(room), { body: {} })
    expect(await visibility(room)).toBe('public')
    expect(idsOf(await list())).toContain(room)
    await alice.ok('PUT', listPath(room), { body: { visibility: 'private' } })
    expect(idsOf(await list())).not.toContain(room)
  })

  test('is for those who may name the room', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    const publish = () => refusal(bob.ok('PUT', listPath(room), { body: {} }))
    expect((await publish()).errcode).toBe('M_FORBIDDEN')
    await bob.join(room)
    expect((await publish()).errcode).toBe('M_FORBIDDEN')
    expect(await visibility(room)).toBe('private')
  })

  test('of no room it is 404', async () => {
    for (const method of ['GET', 'PUT']) {
      const body = method === 'PUT' ? {} : undefined
      const error = await refusal(alice.ok(method, listPath('!none:hs1'), { body }))
      expect([error.status, error.errcode]).toEqual([404, 'M_NOT_FOUND'])
    }
  })
})

describe('TestRoomAlias', () => {
  test('aliases of all scripts, listed for members alone', async () => {
    const room = await alice.createRoom()
    const aliases = () => alice.ok('GET', alice.roomPath(room, 'aliases'))
    expect(await aliases()).toEqual({ aliases: [] })
    for (const alias of ['#老虎:hs1', '#🐅:hs1']) {
      await alice.ok('PUT', aliasPath(alias), { body: { room_id: room } })
      expect((await alice.ok('GET', aliasPath(alias))).room_id).toBe(room)
    }
    expect((await aliases()).aliases.sort()).toEqual(['#老虎:hs1', '#🐅:hs1'].sort())
    const error = await refusal(bob.ok('GET', bob.roomPath(room, 'aliases')))
    expect(error).toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
  })

  test('of a room that all the world may read, for everybody, as long as it is one', async () => {
    const room = await alice.createRoom({ preset: 'public_chat', room_alias_name: 'open-to-all' })
    const [left, stranger] = [await server.user('left'), bob]
    await left.join(room)
    await left.leave(room)
    const see = async (history_visibility: string) => {
      await alice.setState(room, 'm.room.history_visibility', '', { history_visibility })
      const asked = [alice, stranger, left].map(async client => {
        const { status, body } = await client.request('GET', client.roomPath(room, 'aliases'))
        return status === 200 ? body.aliases : body.errcode
      })
      return Promise.all(asked)
    }
    const all = ['#open-to-all:hs1']
    expect(await see('world_readable')).toEqual([all, all, all])
    expect(await see('shared')).toEqual([all, 'M_FORBIDDEN', 'M_FORBIDDEN'])
  })
})

describe('TestRoomDeleteAlias: DELETE /directory/room/{roomAlias}', () => {
  let count = 0
  async function named(by: Client, room: string): Promise<string> {
    count += 1
    const alias = `#doomed-${count}:hs1`
    await by.ok('PUT', aliasPath(alias), { body: { room_id: room } })
    return alias
  }
  const remove = (client: Client, alias: string) => client.ok('DELETE', aliasPath(alias))
  async function shared(): Promise<string> {
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    return room
  }

  test('who made it, and who may name the room, may; others may not', async () => {
    const room = await shared()
    const [bobs, alices, another] = [
      await named(bob, room),
      await named(alice, room),
      await named(bob, room),
    ]
    await remove(bob, bobs)
    expect((await refusal(remove(bob, alices))).errcode).toBe('M_FORBIDDEN')
    await remove(alice, another)
    expect((await refusal(remove(alice, another))).errcode).toBe('M_NOT_FOUND')
  })

  test('the canonical alias that it was is taken back', async () => {
    const room = await shared()
    const [alias, other] = [await named(alice, room), await named(alice, room)]
    const type = 'm.room.canonical_alias'
    await alice.setState(room, type, '', { alias, alt_aliases: [alias, other] })
    const { next_batch: since } = await alice.sync()
    await remove(alice, alias)
    expect(await alice.state(room, type)).toEqual({ alt_aliases: [other] })
    const told = await alice.sync({ since })
    expect(told.rooms?.join?.[room]?.timeline?.events).toMatchObject([{ type }])
    await remove(alice, other)
    expect(await alice.state(room, type)).toEqual({})
  })

  test('an alias that means nothing to the room leaves no event', async () => {
    const room = await shared()
    const alias = await named(alice, room)
    const { events } = await server.rowCounts()
    await remove(alice, alias)
    expect((await server.rowCounts()).events).toBe(events)
  })

  test('who may not name the room deletes it all the same', async () => {
    const room = await shared()
    const alias = await named(bob, room)
    await alice.setState(room, 'm.room.canonical_alias', '', { alias })
    await remove(bob, alias)
    expect((await refusal(alice.ok('GET', aliasPath(alias)))).errcode).toBe('M_NOT_FOUND')
    expect(await alice.state(room, 'm.room.canonical_alias')).toEqual({ alias })
  })
})

describe('TestRoomCanonicalAlias: PUT /rooms/{roomId}/state/m.room.canonical_alias', () => {
  const name = '#canon:hs1'
  const set = (room: string, content: JsonObject) =>
    alice.setState(room, 'm.room.canonical_alias', '', content)

  test.each([
    ['alias', (alias: string) => ({ alias })],
    ['alt_aliases', (alias: string) => ({ alt_aliases: [alias] })],
  ])('%s must lead to this room', async (_member, contentOf) => {
    const [room, other] = [await alice.createRoom(), await alice.createRoom()]
    const refused = async (alias: string) => (await refusal(set(room, contentOf(alias)))).errcode
    expect(await refused(name)).toBe('M_BAD_ALIAS')
    expect(await refused('%x:hs1')).toBe('M_INVALID_PARAM')
    await alice.ok('PUT', aliasPath(name), { body: { room_id: other } })
    expect(await refused(name)).toBe('M_BAD_ALIAS')
    await alice.ok('DELETE', aliasPath(name))
    await alice.ok('PUT', aliasPath(name), { body: { room_id: room } })
    await set(room, contentOf(name))
    await alice.ok('DELETE', aliasPath(name))
    expect(await refused(name)).toBe('M_BAD_ALIAS')
  })
})
