/** The answers to every test are checked; here is that they are, and the events the server makes. */
import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'

const v3 = '/_matrix/client/v3'
const versions = Array.from({ length: 12 }, (_, index) => String(index + 1))
const presets = ['private_chat', 'public_chat', 'trusted_private_chat']

let server: TestServer
let alice: Client
let bob: Client
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  bob = await server.user('bob')
})
afterAll(() => server.stop())

const problems = (method: string, path: string, status: number, body: object) =>
  conformance.check({
    ...{ method, path, status, contentType: 'application/json' },
    text: JSON.stringify(body),
  })

async function eventProblems(room: string): Promise<string[]> {
  const state = await alice.ok('GET', alice.roomPath(room, 'state'))
  const timeline = await alice.messages(room, { limit: 100, dir: 'f' })
  return [...conformance.checkEvents(state), ...conformance.checkEvents(timeline)]
}

describe('The events that the server makes', () => {
  test.each(versions)('in a room of version %s', async version => {
    for (const preset of presets) {
      const room = await alice.createRoom({
        ...{ room_version: version, preset, invite: [bob.userId] },
        ...{ name: 'Lift', topic: 'Up and down', room_alias_name: `${preset}-${version}` },
      })
      expect(await eventProblems(room)).toEqual([])
    }
  })

  test('as memberships change, and for a redaction', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    await alice.redact(room, await bob.say(room, 'oops'), { reason: 'rude' })
    await alice.kick(room, bob.userId, { reason: 'rude' })
    await alice.ban(room, bob.userId)
    await alice.unban(room, bob.userId)
    await alice.invite(room, bob.userId)
    await bob.leave(room)
    expect(await eventProblems(room)).toEqual([])
  })
})

describe('An answer that is not as specified', () => {
  const content = { room_version: 11 }
  const event = {
    ...{ type: 'm.room.create', state_key: '', sender: '@alice:hs1', event_id: '$1', content },
    ...{ origin_server_ts: 1, unsigned: { age: 1 } },
  }

  test.each<[string, [string, string, number, object], string]>([
    ['lacks a member', ['GET', `${v3}/sync`, 200, {}], "must have required property 'next_batch'"],
    [
      'has one of another type',
      ['GET', `${v3}/joined_rooms`, 200, { joined_rooms: {} }],
      '/joined_rooms must be array',
    ],
    ['has an unspecified status', ['GET', `${v3}/joined_rooms`, 201, {}], '201 is not specified'],
    [
      'is a refusal without errcode',
      ['GET', `${v3}/joined_rooms`, 403, {}],
      "must have required property 'errcode'",
    ],
    [
      'does not say what is left to do',
      ['POST', `${v3}/delete_devices`, 401, { session: '1' }],
      "must have required property 'flows'",
    ],
    [
      'has an event of another form',
      ['GET', `${v3}/rooms/!a/state`, 200, [{ ...event, room_id: '!a' }]],
      '/0 m.room.create /room_version must be string',
    ],
  ])('is found if it %s', (_, [method, path, status, body], problem) => {
    expect(problems(method, path, status, body).map(one => one.trim())).toContain(problem)
  })

  test('is found if it is no JSON', () => {
    const answer = { method: 'GET', path: `${v3}/sync`, status: 200, text: 'OK' }
    expect(conformance.check({ ...answer, contentType: 'text/plain' })).toEqual([
      '200 is text/plain, not JSON',
    ])
  })

  test('is found whatever way the path is written', () => {
    const paths = ['r0/sync', 'v3/sync?since=s1', 'v3/sync/'].map(path => `/_matrix/client/${path}`)
    for (const path of paths) expect(problems('GET', path, 200, {})).toHaveLength(1)
  })

  test('is no answer to an unstable path, which has no schema', () => {
    expect(problems('GET', '/_matrix/client/unstable/org.matrix.msc1/sync', 200, {})).toEqual([])
  })

  test('fails the test', async () => {
    const stranger = server.anonymous()
    await refusal(stranger.ok('GET', `${v3}/sync`))
    const { check } = conformance
    conformance.check = () => ['it is odd']
    try {
      await expect(stranger.request('GET', `${v3}/sync`)).rejects.toThrow('it is odd')
    } finally {
      conformance.check = check
    }
  })
})
