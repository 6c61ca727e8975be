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

const ignore = (who: Client, ...ignored: Client[]) =>
  who.ok('PUT', `/_matrix/client/v3/user/${enc(who.userId)}/account_data/m.ignored_user_list`, {
    body: { ignored_users: Object.fromEntries(ignored.map(user => [user.userId, {}])) },
  })

describe('Ignoring users: m.ignored_user_list', () => {
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

describe('Whoever is ignored does not speak in what is read of a room', () => {
  let dora: Client
  let room: string
  let root: string
  beforeAll(async () => {
    dora = await server.user('dora')
    room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    await dora.join(room)
    root = await alice.say(room, 'a lighthouse')
  })
  beforeEach(() => ignore(dora))

  const relate = (who: Client, parent: string, relType: string, body: string) =>
    who.send(room, 'm.room.message', {
      ...{ msgtype: 'm.text', body },
      'm.relates_to': { rel_type: relType, event_id: parent },
    })
  const idsAt = async (path: string) => {
    const { chunk } = await dora.ok('GET', path)
    return (chunk as { event_id: string }[]).map(event => event.event_id)
  }

  test('GET /relations leaves out what they relate', async () => {
    const [hers, his] = [
      await relate(alice, root, 'm.reference', 'see here'),
      await relate(bob, root, 'm.reference', 'and here'),
    ]
    const path = `/_matrix/client/v1/rooms/${enc(room)}/relations/${enc(root)}/m.reference`
    const bundled = async () =>
      (await dora.event(room, root)).unsigned?.['m.relations']['m.reference'].chunk
    expect(await idsAt(path)).toEqual([his, hers])
    expect(await bundled()).toHaveLength(2)
    await ignore(dora, bob)
    expect(await idsAt(path)).toEqual([hers])
    expect(await idsAt(`${path}?recurse=true`)).toEqual([hers])
    expect(await bundled()).toEqual([{ event_id: hers }])
  })

  test('GET /threads counts and orders without their replies, and redacts their roots', async () => {
    const his = await bob.say(room, 'his root')
    const reply = await relate(alice, root, 'm.thread', 'first')
    await relate(alice, his, 'm.thread', 'under his')
    const latest = await relate(bob, root, 'm.thread', 'last')
    const onlyHis = await alice.say(room, 'nobody else replies')
    await relate(bob, onlyHis, 'm.thread', 'alone')
    const path = `/_matrix/client/v1/rooms/${enc(room)}/threads`
    const aggregated = async () =>
      (await dora.event(room, root)).unsigned?.['m.relations']['m.thread']

    expect(await idsAt(path)).toEqual([onlyHis, root, his])
    expect(await aggregated()).toMatchObject({ count: 2, latest_event: { event_id: latest } })
    await ignore(dora, bob)
    expect(await idsAt(path)).toEqual([his, root])
    expect(await aggregated()).toMatchObject({ count: 1, latest_event: { event_id: reply } })
    const { chunk } = await dora.ok('GET', path)
    expect(chunk).toMatchObject([{ sender: bob.userId, content: {} }, { sender: alice.userId }])
    expect(chunk[0].content).toEqual({})
    expect(chunk[0].unsigned['m.relations']['m.thread'].count).toBe(1)
  })

  test('POST /search finds nothing of theirs, nor shows it around what it finds', async () => {
    await bob.say(room, 'before the storm')
    const found = await alice.say(room, 'a storm')
    await bob.say(room, 'after the storm')
    const search = async () => {
      const { search_categories } = await dora.ok('POST', '/_matrix/client/v3/search', {
        body: {
          search_categories: {
            room_events: {
              ...{ search_term: 'storm', order_by: 'recent' },
              ...{ filter: { rooms: [room] }, event_context: { before_limit: 1, after_limit: 1 } },
            },
          },
        },
      })
      return search_categories.room_events
    }
    expect((await search()).count).toBe(3)
    await ignore(dora, bob)
    const { count, results } = await search()
    expect(count).toBe(1)
    expect(results).toMatchObject([{ result: { event_id: found }, context: { events_after: [] } }])
    const [before] = results[0].context.events_before
    expect(before.sender).toBe(alice.userId)
  })
})
