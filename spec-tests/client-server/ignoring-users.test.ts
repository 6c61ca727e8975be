import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'

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

describe('Ignoring users: m.ignored_user_list', () => {
  const ignore = (who: Client, ...ignored: Client[]) =>
    who.ok('PUT', `/_matrix/client/v3/user/${enc(who.userId)}/account_data/m.ignored_user_list`, {
      body: { ignored_users: Object.fromEntries(ignored.map(user => [user.userId, {}])) },
    })

  test('TestInviteFromIgnoredUsersDoesNotAppearInSync', async () => {
    const [dora, charlie] = [await server.user('dora'), await server.user('charlie')]
    await ignore(dora, bob)
    const { next_batch: since } = await dora.sync()
    const [unwanted, wanted] = [await bob.createRoom(), await charlie.createRoom()]
    await bob.invite(unwanted, dora.userId)
    await charlie.invite(wanted, dora.userId)
    expect(Object.keys((await dora.sync({ since })).rooms.invite ?? {})).toEqual([wanted])
    expect(Object.keys((await dora.sync()).rooms.invite ?? {})).toEqual([wanted])
  })

  test('what they say is not seen, does not count, and wakes nobody; their state is seen', async () => {
    const dora = await server.user('dora')
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    await dora.join(room)
    const first = await bob.say(room, 'seen')
    const { next_batch: since } = await dora.sync()
    await ignore(dora, bob)
    const waiting = dora.sync({
      since: (await dora.sync({ since })).next_batch,
      timeout: 30_000,
      filter: JSON.stringify({ presence: { types: [] } }),
    })
    await server.untilWaiting(1)
    await bob.say(room, 'not seen')
    await bob.ok('POST', bob.roomPath(room, 'receipt', 'm.read', first), { body: {} })
    const last = await alice.say(room, 'seen again')
    const woken = (await waiting).rooms.join?.[room]
    expect(woken?.timeline.events.map(event => event.event_id)).toEqual([last])
    expect(woken).toMatchObject({
      ephemeral: { events: [] },
      unread_notifications: { notification_count: 1 },
    })
    for (const typing of [true, false]) {
      await bob.ok('PUT', bob.roomPath(room, 'typing', bob.userId), { body: { typing } })
      const [told] = (await dora.sync({ since })).rooms.join?.[room]?.ephemeral.events ?? []
      expect(told?.content).toEqual({ user_ids: [] })
    }
    const { chunk } = await dora.messages(room, { dir: 'b', limit: 100 })
    const senders = chunk.filter(event => event.sender === bob.userId)
    expect(senders.map(event => event.type)).toEqual(['m.room.member'])
    await ignore(dora)
    const again = (await dora.messages(room, { dir: 'b', limit: 2 })).chunk
    expect(again.map(event => event.content.body)).toEqual(['seen again', 'not seen'])
  })
})
