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

type Query = Record<string, string | number | boolean | undefined>
const enc = encodeURIComponent
const space = { creation_content: { type: 'm.space' } }

const hierarchy = (client: Client, room: string, query: Query = {}) =>
  client.ok('GET', `/_matrix/client/v1/rooms/${enc(room)}/hierarchy`, { query })

/** The names of the rooms of a page, in order. */
const namesOf = (page: JsonObject): string[] =>
  (page.rooms as JsonObject[]).map(room => String(room.name))

async function link(parent: string, child: string, content: JsonObject = {}): Promise<void> {
  await server.advance(1)
  await alice.setState(parent, 'm.space.child', child, { via: ['hs1'], ...content })
}

/** The state keys of a room's children, as a page shows them. */
function childrenIn(page: JsonObject, room: string): string[] {
  const found = (page.rooms as JsonObject[]).find(one => one.room_id === room)
  return ((found?.children_state ?? []) as JsonObject[]).map(event => String(event.state_key))
}

describe('TestClientSpacesSummary: GET /rooms/{roomId}/hierarchy', () => {
  const rooms: Record<string, string> = {}
  const id = (name: string) => rooms[name] ?? ''

  // root ─┬─ R1 ──(no space)── R5          ss1 ─┬─ ss2 ── R3
  //       ├─ ss1                                └─ R4
  //       └─ R2
  beforeAll(async () => {
    const make = async (name: string, body: JsonObject = {}) => {
      rooms[name] = await alice.createRoom({ name, preset: 'public_chat', ...body })
    }
    for (const name of ['root', 'ss1', 'ss2']) await make(name, space)
    for (const name of ['R1', 'R2', 'R3', 'R4', 'R5']) await make(name)
    await link(id('root'), id('R1'), { suggested: true })
    await link(id('root'), id('ss1'), { suggested: true })
    await link(id('root'), id('R2'))
    await link(id('ss1'), id('ss2'), { suggested: true })
    await link(id('ss1'), id('R4'))
    await link(id('ss2'), id('R3'))
    await link(id('R1'), id('R5'))
  })

  test('the whole tree, depth first', async () => {
    const page = await hierarchy(alice, id('root'))
    expect(namesOf(page)).toEqual(['root', 'R1', 'ss1', 'ss2', 'R3', 'R4', 'R2'])
    expect(page).not.toHaveProperty('next_batch')
    expect(childrenIn(page, id('root'))).toEqual([id('R1'), id('ss1'), id('R2')])
    expect(childrenIn(page, id('R1'))).toEqual([])
    const [root] = page.rooms as JsonObject[]
    expect(root).toMatchObject({ room_type: 'm.space', join_rule: 'public', num_joined_members: 1 })
    expect(root?.children_state[0]).toEqual({
      type: 'm.space.child',
      state_key: id('R1'),
      sender: alice.userId,
      content: { via: ['hs1'], suggested: true },
      origin_server_ts: expect.any(Number),
    })
  })

  test('max_depth leaves rooms out, but not that they are children', async () => {
    const page = await hierarchy(alice, id('root'), { max_depth: 1 })
    expect(namesOf(page)).toEqual(['root', 'R1', 'ss1', 'R2'])
    expect(childrenIn(page, id('ss1'))).toEqual([id('ss2'), id('R4')])
    expect(namesOf(await hierarchy(alice, id('root'), { max_depth: 0 }))).toEqual(['root'])
  })

  test('suggested_only leaves out both', async () => {
    const page = await hierarchy(alice, id('root'), { suggested_only: true })
    expect(namesOf(page)).toEqual(['root', 'R1', 'ss1', 'ss2'])
    expect(childrenIn(page, id('root'))).toEqual([id('R1'), id('ss1')])
  })

  test.each([1, 2, 3, 4, 6])('pages of %i make the whole', async limit => {
    const names: string[] = []
    let from: string | undefined
    do {
      const page = await hierarchy(alice, id('root'), { limit, from })
      expect(namesOf(page).length).toBeLessThanOrEqual(limit)
      names.push(...namesOf(page))
      from = page.next_batch as string | undefined
    } while (from !== undefined)
    expect(names).toEqual(['root', 'R1', 'ss1', 'ss2', 'R3', 'R4', 'R2'])
  })

  test('a page goes on although the room that it stopped at is gone', async () => {
    const root = await alice.createRoom({ name: 'root', ...space })
    await link(root, id('R1'))
    await link(root, id('R2'))
    const first = await hierarchy(alice, root, { limit: 2 })
    expect(namesOf(first)).toEqual(['root', 'R1'])
    await alice.setState(root, 'm.space.child', id('R1'), {})
    const second = await hierarchy(alice, root, { limit: 2, from: first.next_batch })
    expect(namesOf(second)).toEqual(['R2'])
  })

  test('from is refused with other parameters, of another room, and if it is none', async () => {
    const { next_batch: from } = await hierarchy(alice, id('root'), { limit: 1 })
    const refused = async (room: string, query: Query) =>
      (await refusal(hierarchy(alice, room, query))).errcode
    expect(await refused(id('root'), { from, max_depth: 1 })).toBe('M_INVALID_PARAM')
    expect(await refused(id('root'), { from, suggested_only: true })).toBe('M_INVALID_PARAM')
    expect(await refused(id('ss1'), { from })).toBe('M_INVALID_PARAM')
    for (const other of ['x', 'e30', 'bnVsbA']) {
      expect(await refused(id('root'), { from: other })).toBe('M_INVALID_PARAM')
    }
  })

  test('order comes first, then the time; what is no order is none', async () => {
    const root = await alice.createRoom({ name: 'root', ...space })
    await link(root, id('R1'))
    await link(root, id('R2'), { order: 'b' })
    await link(root, id('R3'), { order: 'ü' })
    await link(root, id('R4'), { order: ' ' })
    const page = await hierarchy(alice, root)
    expect(namesOf(page)).toEqual(['root', 'R4', 'R2', 'R1', 'R3'])
  })

  test('emptying its content removes the link', async () => {
    const root = await alice.createRoom({ name: 'root', ...space })
    await link(root, id('R1'))
    await link(root, id('R2'))
    await alice.setState(root, 'm.space.child', id('R1'), {})
    const page = await hierarchy(alice, root)
    expect(namesOf(page)).toEqual(['root', 'R2'])
    expect(childrenIn(page, root)).toEqual([id('R2')])
  })

  test('a circle is walked once', async () => {
    const [one, two] = [
      await alice.createRoom({ name: 'one', ...space }),
      await alice.createRoom({ name: 'two', ...space }),
    ]
    await link(one, two)
    await link(two, one)
    await link(two, two)
    expect(namesOf(await hierarchy(alice, one))).toEqual(['one', 'two'])
    const first = await hierarchy(alice, one, { limit: 1 })
    const second = await hierarchy(alice, one, { limit: 1, from: first.next_batch })
    expect(namesOf(second)).toEqual(['two'])
    expect(second).not.toHaveProperty('next_batch')
  })

  test('children that are no rooms do no harm', async () => {
    const root = await alice.createRoom({ name: 'root', ...space })
    for (const child of ['nonsense', '!none:hs1', '']) await link(root, child)
    expect(namesOf(await hierarchy(alice, root))).toEqual(['root'])
  })
})

describe('TestClientSpacesSummaryJoinRules', () => {
  test('what one may not join is left out, and is still a child', async () => {
    const root = await alice.createRoom({ name: 'root', preset: 'public_chat', ...space })
    const inner = await alice.createRoom({ name: 'inner', ...space })
    const open = await alice.createRoom({ name: 'open', preset: 'public_chat' })
    const closed = await alice.createRoom({ name: 'closed' })
    await link(root, inner)
    await link(root, closed)
    await link(inner, open)
    const page = await hierarchy(bob, root)
    expect(namesOf(page)).toEqual(['root'])
    expect(childrenIn(page, root)).toEqual([inner, closed])
    await alice.invite(inner, bob.userId)
    expect(namesOf(await hierarchy(bob, root))).toEqual(['root', 'inner', 'open'])
    await bob.join(inner)
    await alice.invite(closed, bob.userId)
    expect(namesOf(await hierarchy(bob, root))).toEqual(['root', 'inner', 'open', 'closed'])
  })

  const rule = (content: JsonObject, more: JsonObject = {}) => ({
    initial_state: [{ type: 'm.room.join_rules', content }],
    ...more,
  })

  test('TestRestrictedRoomsSpacesSummaryLocal: for members of the rooms they name', async () => {
    const root = await alice.createRoom({ name: 'root', preset: 'public_chat', ...space })
    const allow = [{ type: 'm.room_membership', room_id: root }]
    const content = { join_rule: 'restricted', allow }
    const child = await alice.createRoom(rule(content, { name: 'restricted' }))
    const unknowing = rule(content, { name: 'version 7', room_version: '7' })
    await link(root, child)
    await link(root, await alice.createRoom(unknowing))
    expect(namesOf(await hierarchy(bob, root))).toEqual(['root'])
    await bob.join(root)
    const page = await hierarchy(bob, root)
    expect(namesOf(page)).toEqual(['root', 'restricted'])
    expect((page.rooms as JsonObject[])[1]).toMatchObject({ allowed_room_ids: [root] })
  })

  test('one may find what one may knock on or read, but not what one is banned from', async () => {
    const root = await alice.createRoom({ name: 'root', preset: 'public_chat', ...space })
    const readable = {
      name: 'readable',
      initial_state: [
        { type: 'm.room.history_visibility', content: { history_visibility: 'world_readable' } },
      ],
    }
    for (const body of [
      rule({ join_rule: 'knock' }, { name: 'knock' }),
      rule({ join_rule: 'knock' }, { name: 'knock in version 6', room_version: '6' }),
      rule({ join_rule: 'knock_restricted' }, { name: 'knock_restricted' }),
      readable,
    ]) {
      await link(root, await alice.createRoom(body))
    }
    const banned = await alice.createRoom({ name: 'banned', preset: 'public_chat' })
    await alice.ban(banned, bob.userId)
    await link(root, banned)
    const found = namesOf(await hierarchy(bob, root))
    expect(found).toEqual(['root', 'knock', 'knock_restricted', 'readable'])
  })

  test('nor what one is banned from, though the join rules would let one in', async () => {
    const root = await alice.createRoom({ name: 'root', preset: 'public_chat', ...space })
    const allow = [{ type: 'm.room_membership', room_id: root }]
    const content = { join_rule: 'restricted', allow }
    const child = await alice.createRoom(rule(content, { name: 'restricted' }))
    await link(root, child)
    await bob.join(root)
    await alice.ban(child, bob.userId)
    expect(namesOf(await hierarchy(bob, root))).toEqual(['root'])
  })

  test('a root that one may not see is as one that is not there', async () => {
    const secret = await alice.createRoom({ name: 'secret', ...space })
    for (const room of [secret, '!none:hs1']) {
      const error = await refusal(hierarchy(bob, room))
      expect([error.status, error.errcode]).toEqual([403, 'M_FORBIDDEN'])
    }
  })
})
