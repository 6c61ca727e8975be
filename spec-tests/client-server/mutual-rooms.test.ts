import { createClient } from 'matrix-js-sdk'
import type { Logger } from 'matrix-js-sdk/lib/logger.js'
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'

const stable = '/_matrix/client/v1/mutual_rooms'
const unstable = '/_matrix/client/unstable/uk.half-shot.msc2666/user/mutual_rooms'

let server: TestServer
let alice: Client
let bob: Client
beforeAll(async () => {
  server = await startServer()
})
beforeEach(async () => {
  alice = await server.user('alice')
  bob = await server.user('bob')
})
afterAll(() => server.stop())

/** Rooms that both are in. */
async function together(count: number): Promise<string[]> {
  const rooms: string[] = []
  for (let i = 0; i < count; i += 1) {
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    rooms.push(room)
  }
  return rooms.sort()
}

const silent = () => undefined
const silentLogger: Logger = {
  ...{ trace: silent, debug: silent, info: silent, warn: silent, error: silent },
  getChild: () => silentLogger,
}

const ask = (query: Record<string, string | undefined>, path = stable) =>
  alice.request('GET', path, { query })

describe.each([stable, unstable])('GET %s', path => {
  test('the rooms that both have joined, and no others', async () => {
    const rooms = await together(2)
    await alice.createRoom({ preset: 'public_chat' })
    await bob.createRoom({ preset: 'public_chat' })
    const invitedTo = await alice.createRoom({ invite: [bob.userId] })
    const [left = ''] = await together(1)
    await bob.leave(left)
    const [leftByAsker = ''] = await together(1)
    await alice.leave(leftByAsker)
    // Another membership in each of the rooms.
    const name = `/_matrix/client/v3/profile/${alice.userId}/displayname`
    await alice.ok('PUT', name, { body: { displayname: 'Alice' } })
    const { status, body } = await ask({ user_id: bob.userId }, path)
    expect(status).toBe(200)
    expect(body).toEqual({ joined: rooms, count: 2 })
    await bob.join(invitedTo)
    expect((await ask({ user_id: bob.userId }, path)).body.count).toBe(3)
  })

  test('none with somebody who does not exist', async () => {
    await together(1)
    const { body } = await ask({ user_id: '@nobody:hs1' }, path)
    expect(body).toEqual({ joined: [], count: 0 })
  })

  test('400 for oneself, for what is no user id, and without one', async () => {
    for (const [userId, errcode] of [
      [alice.userId, 'M_INVALID_PARAM'],
      ['bob', 'M_INVALID_PARAM'],
      [undefined, 'M_MISSING_PARAM'],
    ]) {
      const { status, body } = await ask({ user_id: userId }, path)
      expect({ status, errcode: body.errcode }).toEqual({ status: 400, errcode })
    }
  })
})

test('there are as many pages as it takes', async () => {
  const rooms = await together(101)
  const first = await ask({ user_id: bob.userId })
  expect(first.body).toMatchObject({ joined: rooms.slice(0, 100), count: 101 })
  const second = await ask({ user_id: bob.userId, from: first.body.next_batch })
  expect(second.body).toEqual({ joined: rooms.slice(100), count: 101 })
  expect((await ask({ user_id: bob.userId, from: 'none' })).body.errcode).toBe('M_INVALID_PARAM')

  // An unmodified matrix-js-sdk turns the pages, too.
  const { baseUrl } = server
  const { userId, token: accessToken = '' } = alice
  const sdk = createClient({ baseUrl, userId, accessToken, logger: silentLogger })
  expect(await sdk._unstable_getSharedRooms(bob.userId)).toEqual(rooms)
})
