/** What the laboratory is for: long stories in a short time, and the same ones as in real time. */
import { Client } from '../support/client.ts'
import { type Homeserver, startServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

const databaseUrl = process.env.HOURGLASS_TEST_DATABASE_URL

/** Logged in, on a server that somebody else's test holds. */
async function login(hs: Homeserver, name: string): Promise<Client> {
  const user = await hs.user(name)
  const client = new Client(() => user.baseUrl)
  client.userId = user.userId
  client.token = user.accessToken
  return client
}

test('seven days of a call whose heartbeat comes every hour, and then does not', async () => {
  const hs = await hourglass.startHomeserver({ databaseUrl })
  try {
    const alice = await login(hs, 'alice')
    const room = await alice.createRoom()
    const type = 'org.matrix.msc3401.call.member'
    await alice.setState(room, type, alice.userId, { application: 'm.call' })
    const leave = await alice.delayState(room, 2 * 3_600_000, type, alice.userId, {})
    const startedAt = hs.now()
    for (let hour = 0; hour < 7 * 24; hour++) {
      expect(await hs.advance('1h')).toEqual([])
      expect((await alice.manage(leave, 'restart')).status).toBe(200)
    }
    expect(await hs.advance('2h')).toMatchObject([
      { delay_id: leave, outcome: 'sent', finalised_ts: startedAt + (7 * 24 + 2) * 3_600_000 },
    ])
    expect(await alice.state(room, type, alice.userId)).toEqual({})
  } finally {
    await hs.stop()
  }
})

/** Type, sender, state key, and the content of what is ours. */
type Line = [string, string | undefined, string | null, JsonObject | null]

describe('the same scenario in virtual and in real time', () => {
  /**
   * Three who are there, two whose leaves fire, one who restarts in time and hangs up. What the log
   * says depends on the order of the deadlines alone, so that no machine is too slow for it.
   *
   * @param pass until so much time has passed, and what was due is sent
   */
  async function play(
    clients: readonly [Client, Client, Client],
    pass: (ms: number) => Promise<unknown>,
  ): Promise<Line[]> {
    const [alice, bob, charlie] = clients
    const room = await alice.createRoom({ preset: 'public_chat' })
    const type = 'org.matrix.msc3401.call.member'
    const names = new Map(
      clients.map((client, i) => [client.userId, ['alice', 'bob', 'charlie'][i]]),
    )
    await bob.join(room)
    await charlie.join(room)
    const schedule = (client: Client, delayMs: number) =>
      client.delay(room, delayMs, type, { left: names.get(client.userId) ?? '' })
    const alices = await schedule(alice, 60_000)
    await schedule(bob, 500)
    await schedule(charlie, 1_000)
    await pass(2_000)
    await alice.manage(alices, 'restart')
    await alice.manage(alices, 'send')
    const late = await bob.delay(room, 60_000, type, { left: 'never' })
    await bob.manage(late, 'cancel')
    await pass(500)
    const { chunk } = await alice.messages(room, { dir: 'f', limit: 100 })
    return chunk.map(event => [
      event.type,
      names.get(event.sender),
      event.state_key === undefined ? null : (names.get(event.state_key) ?? event.state_key),
      event.type.startsWith('m.') ? null : event.content,
    ])
  }

  test('leaves the same log', async () => {
    const virtual = await startServer()
    const real = await startServer({ realTime: true })
    try {
      const users = (server: typeof virtual) =>
        Promise.all([server.user('alice'), server.user('bob'), server.user('charlie')])
      const inVirtualTime = await play(await users(virtual), ms => virtual.advance(ms))
      const clients = await users(real)
      const later = clients.slice(1)
      const inRealTime = await play(clients, async ms => {
        const until = real.now() + ms
        const scheduled = async () => (await Promise.all(later.map(one => one.scheduled()))).flat()
        while (real.now() < until || (await scheduled()).length > 0) {
          await clients[0].sync({ timeout: 50 })
        }
      })
      expect(inRealTime).toEqual(inVirtualTime)
      const left = inVirtualTime.flatMap(([, , , content]) => content?.left ?? [])
      expect(left).toEqual(['bob', 'charlie', 'alice'])
    } finally {
      await virtual.stop()
      await real.stop()
    }
  })
})
