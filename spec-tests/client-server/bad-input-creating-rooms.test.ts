import type { Client } from '../support/client.ts'
import { gist } from '../support/refusals.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

let server: TestServer
let alice: Client
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  await alice.createRoom({ room_alias_name: 'taken' })
})
afterAll(() => server.stop())

const huge = 'x'.repeat(70_000)
const invalidState = '400 M_INVALID_ROOM_STATE'
const badJson = '400 M_BAD_JSON'
const invalidParam = '400 M_INVALID_PARAM'
const tooLarge = '413 M_TOO_LARGE'

const create = (body: JsonObject | string) =>
  alice.request('POST', '/_matrix/client/v3/createRoom', { body })

async function expectRefused(body: JsonObject | string, expected: string) {
  const before = await server.rowCounts()
  const { joined_rooms } = await alice.ok('GET', '/_matrix/client/v3/joined_rooms')
  expect(gist(await create(body))).toBe(expected)
  expect(await server.rowCounts()).toEqual(before)
  expect(await alice.ok('GET', '/_matrix/client/v3/joined_rooms')).toEqual({ joined_rooms })
}

describe('POST /createRoom: a member of a wrong type or value; there is no room then', () => {
  test.each<[string, unknown, string]>([
    ['visibility', 1, badJson],
    ['visibility', 'odd', invalidParam],
    ['preset', {}, badJson],
    ['preset', 'odd', invalidParam],
    ['is_direct', 1, badJson],
    ['is_direct', 'true', badJson],
    ['name', 1, badJson],
    ['name', 'a\0b', invalidParam],
    ['name', huge, tooLarge],
    ['topic', [], badJson],
    ['topic', huge, tooLarge],
    ['room_version', 11, badJson],
    ['room_version', '', '400 M_UNSUPPORTED_ROOM_VERSION'],
    ['room_version', '0', '400 M_UNSUPPORTED_ROOM_VERSION'],
    ['room_version', ' 11', '400 M_UNSUPPORTED_ROOM_VERSION'],
    ['room_version', '__proto__', '400 M_UNSUPPORTED_ROOM_VERSION'],
    ['room_version', huge, '400 M_UNSUPPORTED_ROOM_VERSION'],
    ['room_alias_name', 1, badJson],
    ['room_alias_name', '', invalidParam],
    ['room_alias_name', 'a b', invalidParam],
    ['room_alias_name', 'a:b', invalidParam],
    ['room_alias_name', '#a:hs1', invalidParam],
    ['room_alias_name', 'a\0', invalidParam],
    ['room_alias_name', 'x'.repeat(300), invalidParam],
    ['room_alias_name', 'taken', '400 M_ROOM_IN_USE'],
    ['invite', '@bob:hs1', badJson],
    ['invite', { a: 1 }, badJson],
    ['invite', [1], badJson],
    ['invite', [['@bob:hs1']], badJson],
    ['invite', ['bob'], invalidParam],
    ['invite', [''], invalidParam],
    ['invite', ['@bob\0:hs1'], invalidParam],
    ['invite', [`@${'x'.repeat(300)}:hs1`], invalidParam],
    ['invite', Array.from({ length: 501 }, (_, i) => `@u${i}:hs1`), invalidParam],
    ['creation_content', 1, badJson],
    ['creation_content', [], badJson],
    ['creation_content', { a: 1.5 }, badJson],
    ['creation_content', { a: 2 ** 53 }, badJson],
    ['creation_content', { type: huge }, tooLarge],
    ['power_level_content_override', 1, badJson],
    ['power_level_content_override', [], badJson],
    ['power_level_content_override', { ban: 1.5 }, badJson],
    ['power_level_content_override', { users: 1 }, invalidState],
    ['power_level_content_override', { users: [] }, invalidState],
    ['power_level_content_override', { users: { x: 1 } }, invalidState],
    ['power_level_content_override', { users: { '@x:hs1': '1' } }, invalidState],
    ['power_level_content_override', { events: [] }, invalidState],
    ['power_level_content_override', { events: { a: {} } }, invalidState],
    ['power_level_content_override', { notifications: 'x' }, invalidState],
    ['power_level_content_override', { redact: 'x' }, invalidState],
    ['power_level_content_override', { users_default: null }, invalidState],
    // The creator could not go on with what else belongs into a room.
    ['power_level_content_override', { users: {} }, invalidState],
    ['power_level_content_override', { users: { '@x:hs1': 100 } }, invalidState],
    ['power_level_content_override', { state_default: 101 }, invalidState],
    ['power_level_content_override', { events: { 'm.room.join_rules': 101 } }, invalidState],
    ['power_level_content_override', { [huge]: 1 }, tooLarge],
    ['initial_state', {}, badJson],
    ['initial_state', 'x', badJson],
    ['initial_state', [1], badJson],
    ['initial_state', [null], badJson],
    ['initial_state', [[]], badJson],
    ['initial_state', [{}], badJson],
  ])('%s: %j', async (member, value, expected) => {
    await expectRefused({ [member]: value } as JsonObject, expected)
  })

  test('a member __proto__ is nobody’s prototype', async () => {
    const { status, body } = await create('{"__proto__":{"preset":1,"name":1,"invite":1}}')
    expect(status).toBe(200)
    expect(await alice.ok('GET', alice.roomPath(body.room_id, 'state'))).toHaveLength(6)
  })
})

describe('POST /createRoom: additional_creators of room version 12', () => {
  test.each<[unknown, string]>([
    [1, badJson],
    ['@x:hs1', badJson],
    [{}, badJson],
    [[1], badJson],
    [['x'], invalidParam],
    [['@x\0:hs1'], invalidParam],
    [Array.from({ length: 10_000 }, (_, i) => `@u${i}:hs1`), tooLarge],
  ])('%j', async (additional_creators, expected) => {
    const creation_content = { additional_creators } as JsonObject
    await expectRefused({ room_version: '12', creation_content }, expected)
  })

  test('the creator may not stand in the power levels', async () => {
    const override = { users: { [alice.userId]: 100 } }
    await expectRefused({ room_version: '12', power_level_content_override: override }, badJson)
  })
})

describe('POST /createRoom: one wrong event in initial_state', () => {
  const member = (membership: unknown, state_key = '@x:hs1') =>
    ({ type: 'm.room.member', state_key, content: { membership } }) as JsonObject

  test.each<[string, JsonObject, string]>([
    ['no content', { type: 'm.x' }, badJson],
    ['content null', { type: 'm.x', content: null }, badJson],
    ['a list as content', { type: 'm.x', content: [] }, badJson],
    ['no type', { content: {} }, badJson],
    ['a number as type', { type: 1, content: {} }, badJson],
    ['an empty type', { type: '', content: {} }, invalidParam],
    ['a number as state key', { type: 'm.x', state_key: 1, content: {} }, badJson],
    ['state key null', { type: 'm.x', state_key: null, content: {} }, badJson],
    ['NUL in the type', { type: 'm.\0', content: {} }, badJson],
    ['NUL in the state key', { type: 'm.x', state_key: '\0', content: {} }, badJson],
    ['half a surrogate as type', { type: '\ud800', content: {} }, badJson],
    ['half a surrogate as key', { type: 'm.x', state_key: '\udfff', content: {} }, badJson],
    ['a long type', { type: 'x'.repeat(256), content: {} }, tooLarge],
    ['a long state key', { type: 'm.x', state_key: 'x'.repeat(256), content: {} }, tooLarge],
    ['256 bytes in 128 letters', { type: 'é'.repeat(128), content: {} }, tooLarge],
    ['a large content', { type: 'm.x', content: { a: huge } }, tooLarge],
    ['a fraction', { type: 'm.x', content: { a: 0.5 } }, badJson],
    ['half a surrogate', { type: 'm.x', content: { a: '\ud800' } }, badJson],
    ['a second create event', { type: 'm.room.create', content: {} }, invalidParam],
    ['a membership of no type', member(undefined), badJson],
    ['a membership of another type', member(1), badJson],
    ['an unknown membership', member('odd'), invalidState],
    ['a join for another', member('join'), invalidState],
    ['an invite of what is no user', member('invite', 'x'), invalidParam],
    [
      'power levels of a wrong shape',
      { type: 'm.room.power_levels', content: { users: 1 } },
      invalidState,
    ],
    ['power levels for nobody', { type: 'm.room.power_levels', content: {} }, invalidState],
    ['state of another user', { type: 'm.x', state_key: '@x:hs1', content: {} }, invalidState],
    [
      'an alias that is none',
      { type: 'm.room.canonical_alias', content: { alias: 1 } },
      invalidParam,
    ],
    [
      'an alias of another room',
      { type: 'm.room.canonical_alias', content: { alias: '#taken:hs1' } },
      '400 M_BAD_ALIAS',
    ],
  ])('%s', async (_, event, expected) => {
    await expectRefused({ initial_state: [event] }, expected)
    const fine = { type: 'm.fine', state_key: '', content: {} }
    await expectRefused({ initial_state: [fine, event], name: 'x' }, expected)
  })

  test('the creator’s own departure', async () => {
    await expectRefused({ initial_state: [member('leave', alice.userId)], name: 'x' }, invalidState)
  })

  test('more events than a room can be begun with', async () => {
    const initial_state = Array.from({ length: 20_000 }, (_, i) => ({
      type: 'm.x',
      state_key: String(i),
      content: {},
    }))
    await expectRefused({ initial_state }, invalidParam)
  })

  test.each(['1', '5'])('numbers that room version %s takes', async room_version => {
    const content = { a: 0.5, b: 2 ** 53 }
    const room = await alice.createRoom({
      room_version,
      initial_state: [{ type: 'm.x', content }],
    })
    expect(await alice.state(room, 'm.x')).toEqual(content)
  })
})
