import { closeConnections } from '../support/raw-http.ts'
import {
  badJson,
  cases,
  describeRefusals,
  expectRefused,
  invalid,
  type Row,
  tooLarge,
  type World,
} from '../support/refusal-table.ts'
import { gist } from '../support/refusals.ts'
import { startServer } from '../support/server.ts'

let world: World
beforeAll(async () => {
  const server = await startServer()
  const alice = await server.user('alice')
  const bob = await server.user('bob')
  world = { server, alice, bob, room: await alice.createRoom() }
})
afterAll(async () => {
  closeConnections()
  await world.server.stop()
})

const member = '/v3/rooms/{room}/state/m.room.member/'
const delay = 'org.matrix.msc4140.delay'

const tokens = ['s999999999999999', 't999999999999999_0', 't0_999999999999999', 's9999999999999999']
const noTokens = ['s', 's-1', 's1.5', 't1_', 't_1', 't1', 'S1', 's1 ', 's%00', '1', 't1_1_1']
describeRefusals(
  'A token that this server has not given out is 400 M_INVALID_PARAM',
  () => world,
  cases('GET', [
    ...['', ...tokens, ...noTokens].flatMap((token): Row[] => [
      [`/v3/sync?since=${encodeURIComponent(token)}`, undefined, invalid],
      [`/v3/rooms/{room}/members?at=${encodeURIComponent(token)}`, undefined, invalid],
    ]),
    // Here an empty one is none.
    ...[...tokens, ...noTokens].flatMap((token): Row[] => [
      [`/v3/rooms/{room}/messages?from=${encodeURIComponent(token)}`, undefined, invalid],
      [`/v3/rooms/{room}/messages?to=${encodeURIComponent(token)}`, undefined, invalid],
    ]),
  ]),
)

test('and it acknowledges no message to the device', async () => {
  const content = { messages: { [world.alice.userId]: { '*': { a: 1 } } } }
  await world.bob.ok('PUT', '/_matrix/client/v3/sendToDevice/m.test/1', { body: content })
  await expectRefused(world, {
    method: 'GET',
    path: '/v3/sync?since=s999999999999999',
    expected: invalid,
  })
  expect((await world.alice.sync()).to_device.events).toHaveLength(1)
})

const huge = { body: 'x'.repeat(65_536) }
describeRefusals(
  'Size limits: an event of more than 65,536 bytes, and keys of more than 255',
  () => world,
  [
    ...cases('PUT', [
      ['/v3/rooms/{room}/send/m.test/10', huge, tooLarge],
      ['/v3/rooms/{room}/state/m.test', huge, tooLarge],
      [`/v3/rooms/{room}/send/m.test/11?${delay}=1`, huge, tooLarge],
      [`/v3/rooms/{room}/state/m.test?${delay}=1`, huge, tooLarge],
      [`/v3/rooms/{room}/send/${'x'.repeat(256)}/12`, {}, tooLarge],
      [`/v3/rooms/{room}/send/${encodeURIComponent('é').repeat(128)}/13`, {}, tooLarge],
      [`/v3/rooms/{room}/state/${'x'.repeat(256)}`, {}, tooLarge],
      [`/v3/rooms/{room}/state/m.test/${'x'.repeat(256)}`, {}, tooLarge],
      [`/v3/rooms/{room}/state/m.test/${'x'.repeat(256)}?${delay}=1`, {}, tooLarge],
      ['/v3/rooms/{room}/redact/$none/14', { reason: huge.body }, tooLarge],
      [`${member}{alice}`, { membership: 'join', displayname: huge.body }, tooLarge],
      ['/v3/rooms/{room}/state/m.test', { body: 'x'.repeat(1_100_000) }, tooLarge],
    ]),
    ...cases('POST', [
      ['/v3/rooms/{room}/invite', { user_id: '@x:hs1', reason: huge.body }, tooLarge],
      ['/v3/rooms/{room}/ban', { user_id: '@x:hs1', reason: huge.body }, tooLarge],
      ['/v3/rooms/{room}/leave', { reason: huge.body }, tooLarge],
    ]),
  ],
)

describe('Canonical JSON', () => {
  const contents = ['{"a":1.5}', '{"a":9007199254740992}', '{"a":-9007199254740992}', '{"a":1e30}']

  test.each(['1', '5', '6', '11', '12'])('numbers in room version %s', async room_version => {
    const ours = await world.alice.createRoom({ room_version })
    for (const json of [...contents, '{"a":1e400}', '{"a":"\\ud800"}', '{"\\udc00":1}']) {
      const isTaken = Number(room_version) < 6 && contents.includes(json)
      for (const parts of [
        ['send', 'm.test', world.alice.nextTransactionId()],
        ['state', 'm.test', 'x'],
      ]) {
        const before = await world.server.rowCounts()
        const answer = await world.alice.request('PUT', world.alice.roomPath(ours, ...parts), {
          body: json,
        })
        expect(gist(answer)).toBe(isTaken ? '200' : badJson)
        if (!isTaken) expect(await world.server.rowCounts()).toEqual(before)
      }
      if (isTaken) expect(await world.alice.state(ours, 'm.test', 'x')).toEqual(JSON.parse(json))
    }
  })

  test('the largest of all events that fit', async () => {
    const sizes = [60_000, 64_000, 65_000, 65_200, 65_300, 65_400, 65_500, 65_535]
    const statuses: number[] = []
    for (const size of sizes) {
      const path = world.alice.roomPath(
        world.room,
        'send',
        'm.test',
        world.alice.nextTransactionId(),
      )
      const body = { a: 'x'.repeat(size) }
      statuses.push((await world.alice.request('PUT', path, { body })).status)
    }
    expect(new Set(statuses)).toEqual(new Set([200, 413]))
    expect(statuses).toEqual([...statuses].sort((a, b) => a - b))
  })
})

describe('A filter as long as a body may be', () => {
  const list = (length: number) => Array.from({ length }, (_, i) => `m.${i}`)

  test('is asked as it is', async () => {
    const { alice } = world
    const filter = { room: { timeline: { types: [...list(40_000), 'm.room.*'] } } }
    const path = `/_matrix/client/v3/user/${encodeURIComponent(alice.userId)}/filter`
    const { filter_id } = await alice.ok('POST', path, { body: filter })
    const { rooms } = await alice.sync({ filter: filter_id })
    expect(rooms.join?.[world.room]?.timeline.events.length).toBeGreaterThan(0)
  })

  test('and so is a list of a hundred thousand devices', async () => {
    const { bob } = world
    const identifier = { type: 'm.id.user', user: bob.userId }
    const auth = { type: 'm.login.password', identifier, password: bob.password }
    const body = { devices: list(80_000), auth }
    await bob.ok('POST', '/_matrix/client/v3/delete_devices', { body })
    const messages = Object.fromEntries(list(30_000).map(name => [`@${name}:hs1`, { '*': {} }]))
    const options = { body: { messages } }
    await bob.ok('PUT', '/_matrix/client/v3/sendToDevice/m.test/many', options)
  })
})
