/**
 * What others do on the server costs nobody anything, as long as they share no room: rows are counted, not
 * milliseconds.
 */
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'

const v3 = '/_matrix/client/v3'

let server: TestServer
let alice: Client
let bob: Client
let room: string
const strangers: Client[] = []
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  bob = await server.user('bob')
  room = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(room)
  for (let i = 0; i < 10; i++) await alice.createRoom()
})
afterAll(() => server.stop())

const say = (client: Client, presence: string) =>
  client.ok('PUT', `${v3}/presence/${client.userId}/status`, { body: { presence } })

const isThere = async (client: Client) =>
  (await alice.sync()).presence.events.some(event => event.sender === client.userId)

/** Each prepares one request, and gives it. */
const requests: Record<string, () => Promise<() => Promise<unknown>>> = {
  'GET /sync, the first one': async () => () => alice.sync(),
  async 'GET /sync, after everybody has come back'() {
    const { next_batch: since } = await alice.sync()
    for (const presence of ['unavailable', 'online']) {
      for (const client of [bob, ...strangers]) await say(client, presence)
    }
    return () => alice.sync({ since })
  },
  async 'GET /sync, after somebody has come into a room'() {
    const { next_batch: since } = await alice.sync()
    await (await server.user('charlie')).join(room)
    return () => alice.sync({ since })
  },
  'PUT …/send, with pushers': async () => async () => {
    await bob.say(room, 'hello')
    await server.idle()
  },
  'PUT /presence': async () => () => say(bob, 'unavailable'),
}

async function moreStrangers(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const stranger = await server.user('stranger')
    strangers.push(stranger)
    await say(stranger, 'online')
    const url = 'http://127.0.0.1:9/_matrix/push/v1/notify'
    const names = { app_display_name: 'x', device_display_name: 'x', lang: 'en' }
    const body = { app_id: 'x', pushkey: stranger.userId, kind: 'http', data: { url }, ...names }
    await stranger.ok('POST', `${v3}/pushers/set`, { body })
  }
}

async function measure() {
  const measured: Record<string, { rows: number; statements: number; worst: string }> = {}
  for (const [name, prepare] of Object.entries(requests)) {
    const request = await prepare()
    const { rows, statements, worst } = await server.rowsRead(request)
    measured[name] = { rows, statements, worst: worst.text.replaceAll(/\s+/g, ' ') }
  }
  return measured
}

test('among 220 strangers who are there, and have pushers, no more is read than among 20', async () => {
  await moreStrangers(20)
  const few = await measure()
  await moreStrangers(200)
  const many = await measure()
  // Not a row for each who came. What is in memory, and plans for other sizes, make it some more or less.
  const more = Object.entries(many).filter(
    ([name, { rows }]) => rows > (few[name]?.rows ?? 0) + 100,
  )
  expect(Object.fromEntries(more)).toEqual({})
})

test('a stranger who comes into one of the rooms is told of, with all who are there', async () => {
  const [stranger = bob, other = bob] = strangers
  await say(stranger, 'online')
  expect([await isThere(stranger), await isThere(other)]).toEqual([false, false])
  await stranger.join(room)
  expect([await isThere(stranger), await isThere(other), await isThere(bob)]).toEqual([
    true,
    false,
    true,
  ])
})

test('those who come together in a large room, in a small one, and nowhere, are told apart', async () => {
  const reader = await server.user('reader')
  const [small, large] = [
    await reader.createRoom({ preset: 'public_chat' }),
    await reader.createRoom({ preset: 'public_chat' }),
  ]
  const members: Client[] = []
  for (let i = 0; i < 20; i++) {
    const member = await server.user('member')
    await member.join(large)
    members.push(member)
  }
  const [left = bob, ...present] = members.slice(0, 6)
  for (const client of [bob, left]) await client.join(small)
  const { next_batch: since } = await reader.sync()
  for (const room of [small, large]) await left.leave(room)
  for (const client of [left, ...present, bob, ...strangers.slice(0, 6)]) {
    await say(client, 'unavailable')
    await say(client, 'online')
  }
  const expected = [bob, ...present].map(client => client.userId)
  const told = (await reader.sync({ since })).presence.events.map(event => event.sender)
  expect(told.sort()).toEqual(expected.sort())
})
