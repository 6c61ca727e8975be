import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let alice: Client
let bob: Client
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  bob = await server.user('bob')
  const room = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(room)
})
afterAll(() => server.stop())

const statusOf = (user: Client) => `/_matrix/client/v3/presence/${user.userId}/status`

/** What bob's /sync from `since` says of alice. */
async function seenByBob(since: string) {
  const { presence } = await bob.sync({ since })
  return presence.events.find(event => event.sender === alice.userId)?.content
}

describe('GET /_matrix/client/v3/presence/{userId}/status', () => {
  test('TestPresence: one may ask for oneself right after registering', async () => {
    const charlie = await server.user('charlie')
    expect(await charlie.ok('GET', statusOf(charlie))).toMatchObject({ presence: 'offline' })
  })

  test('who shares no room may not ask', async () => {
    const charlie = await server.user('charlie')
    const asked = charlie.ok('GET', statusOf(alice))
    expect(await refusal(asked)).toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
  })
})

describe('PUT /_matrix/client/v3/presence/{userId}/status', () => {
  test('what one says of oneself reaches room-mates', async () => {
    const { next_batch } = await bob.sync()
    const body = { presence: 'unavailable', status_msg: 'out for a walk' }
    await alice.ok('PUT', statusOf(alice), { body })
    expect(await seenByBob(next_batch)).toMatchObject(body)
    expect(await bob.ok('GET', statusOf(alice))).toMatchObject(body)
  })

  test('nobody speaks for another', async () => {
    const said = bob.ok('PUT', statusOf(alice), { body: { presence: 'online' } })
    expect(await refusal(said)).toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
  })
})

describe('GET /_matrix/client/v3/sync and presence', () => {
  test('TestMembersLocal: whoever joins is introduced to those who are there', async () => {
    const dora = await server.user('dora')
    const room = await alice.createRoom({ preset: 'public_chat' })
    const { next_batch: since } = await alice.sync()
    const status = { presence: 'online', status_msg: 'said before the join' }
    await dora.ok('PUT', statusOf(dora), { body: status })
    await dora.join(room)
    for (const query of [{ since }, {}]) {
      const { rooms, presence } = await alice.sync(query)
      const joins = rooms.join?.[room]?.timeline.events.filter(
        event => event.type === 'm.room.member' && event.state_key === dora.userId,
      )
      expect(joins).toMatchObject([{ content: { membership: 'join' } }])
      expect(presence.events).toContainEqual({
        type: 'm.presence',
        sender: dora.userId,
        content: expect.objectContaining(status),
      })
    }
    const own = await dora.sync()
    expect(own.rooms.join?.[room]?.timeline.events.at(-1)).toMatchObject({
      state_key: dora.userId,
      content: { membership: 'join' },
    })
  })

  test('TestPresenceSyncDifferentRooms: room-mates of all rooms are told of', async () => {
    const others = [await server.user('eve'), await server.user('frank')]
    const away = { presence: 'unavailable', status_msg: 'elsewhere' }
    for (const other of others) {
      await other.join(await alice.createRoom({ preset: 'public_chat' }))
    }
    const { next_batch: since } = await alice.sync()
    for (const other of others) await other.ok('PUT', statusOf(other), { body: away })
    for (const query of [{ since }, {}]) {
      const { presence } = await alice.sync(query)
      for (const other of others) {
        const told = presence.events.find(event => event.sender === other.userId)
        expect(told?.content).toMatchObject(away)
      }
    }
  })

  test('the filter’s limit keeps those whose presence changed last', async () => {
    const others = [await server.user('george'), await server.user('harry')]
    const room = await alice.createRoom({ preset: 'public_chat' })
    for (const other of others) await other.join(room)
    const { next_batch: since } = await alice.sync()
    for (const other of others) {
      await other.ok('PUT', statusOf(other), { body: { presence: 'unavailable' } })
    }
    const limited = (limit: number) => JSON.stringify({ presence: { limit } })
    const told = async (limit: number) =>
      (await alice.sync({ since, filter: limited(limit) })).presence.events
    expect(await told(1)).toMatchObject([{ sender: others[1]?.userId }])
    expect(await told(0)).toEqual([])
  })

  test('`set_presence` reaches room-mates', async () => {
    await alice.sync({ set_presence: 'online' })
    const { next_batch } = await bob.sync()
    await alice.sync({ set_presence: 'unavailable' })
    expect(await seenByBob(next_batch)).toMatchObject({ presence: 'unavailable' })
  })

  test('`set_presence=offline` does not say that the user is there, nor that they are not', async () => {
    await alice.ok('PUT', statusOf(alice), { body: { presence: 'online' } })
    const { next_batch: since } = await bob.sync()
    const other = alice.sibling()
    await other.login()
    const query = { set_presence: 'offline' }
    const sliding = '/_matrix/client/unstable/org.matrix.simplified_msc3575/sync'
    await other.sync(query)
    await other.ok('POST', sliding, { body: {}, query })
    expect(await seenByBob(since)).toBeUndefined()
    expect(await bob.ok('GET', statusOf(alice))).toMatchObject({ presence: 'online' })
    const eve = await server.user('eve')
    await eve.sync(query)
    await eve.ok('POST', sliding, { body: {}, query })
    expect(await eve.ok('GET', statusOf(eve))).toMatchObject({ presence: 'offline' })
  })

  test('whoever has not synced for a minute is offline', async () => {
    await alice.sync()
    const { next_batch } = await bob.sync()
    await server.advance(59_999)
    expect(await seenByBob(next_batch)).toBeUndefined()
    await server.advance(1)
    expect(await seenByBob(next_batch)).toMatchObject({ presence: 'offline' })
  })

  test('their going wakes all who then share a room with them', async () => {
    const dora = await server.user('dora')
    const eve = await server.user('eve')
    await dora.sync()
    await eve.join(await dora.createRoom({ preset: 'public_chat' }))
    const { next_batch: since } = await eve.sync()
    const waiting = eve.sync({ since, timeout: 600_000 })
    await server.untilWaiting(1)
    await server.advance(60_000)
    expect(server.waiting()).toBe(0)
    const { presence } = await waiting
    expect(presence.events).toMatchObject([
      { sender: dora.userId, content: { presence: 'offline' } },
    ])
  })

  test('whoever waits in a long poll is there, however long it is', async () => {
    const { next_batch: aliceSince } = await alice.sync()
    const { next_batch } = await bob.sync()
    const waiting = alice.sync({
      since: aliceSince,
      timeout: 120_000,
      filter: '{"presence":{"types":[]}}',
    })
    await server.untilWaiting(1)
    await server.advance(119_000)
    expect(await bob.ok('GET', statusOf(alice))).toMatchObject({ presence: 'online' })
    expect(await seenByBob(next_batch)).toBeUndefined()
    await server.advance(1_000)
    await waiting
  })
})
