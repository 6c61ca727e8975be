import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject, SyncResponse } from '../support/wire.ts'

const hour = 3_600_000
/** As it is told under unstable paths. */
const overtaken = {
  errcode: 'M_UNKNOWN',
  'org.matrix.msc4140.errcode': 'M_CANCELLED_BY_STATE_UPDATE',
}
const member = 'org.matrix.msc3401.call.member'

let server: TestServer
let alice: Client
let bob: Client
let room: string
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  bob = await server.user('bob')
})
beforeEach(async () => {
  room = await alice.createRoom({
    preset: 'public_chat',
    power_level_content_override: { events: { [member]: 0, 'm.test': 0 } },
  })
  await bob.join(room)
})
afterEach(async () => {
  for (const user of [alice, bob]) {
    for (const { delay_id } of await user.scheduled()) await user.manage(delay_id, 'cancel')
  }
})
afterAll(() => server.stop())

const scheduledIds = async (user: Client) => (await user.scheduled()).map(item => item.delay_id)

const stranger = () => server.user('stranger')

describe('a newer state event for the same key', () => {
  test('of another user cancels, with M_CANCELLED_BY_STATE_UPDATE', async () => {
    const delayId = await alice.delayState(room, 5_000, 'm.test', 'k', { by: 'alice' })
    await server.advance(1_000)
    await bob.setState(room, 'm.test', 'k', { by: 'bob' })
    expect(await alice.scheduled()).toEqual([])
    expect((await alice.finalised())[0]).toEqual({
      delayed_event: expect.objectContaining({ delay_id: delayId, content: { by: 'alice' } }),
      outcome: 'cancel',
      reason: 'error',
      error: { ...overtaken, error: expect.any(String) },
      origin_server_ts: server.now(),
    })
    await server.advance(5_000)
    expect(await alice.state(room, 'm.test', 'k')).toEqual({ by: 'bob' })
  })

  test('of the owner does not: they renew their membership while the leave is waiting', async () => {
    const key = `_${alice.userId}_DEVICE_m.call`
    const delayId = await alice.delayState(room, 5_000, member, key, {})
    await alice.setState(room, member, key, { call_id: '' })
    await alice.setState(room, member, key, { call_id: '', expires: hour })
    expect(await scheduledIds(alice)).toEqual([delayId])
    await server.advance(5_000)
    expect(await alice.state(room, member, key)).toEqual({})
  })

  test('of the owner, sent from another device, does not', async () => {
    const delayId = await alice.delayState(room, hour, 'm.test', '', {})
    const phone = alice.sibling()
    await phone.login()
    await phone.setState(room, 'm.test', '', { from: 'the phone' })
    expect(await scheduledIds(alice)).toEqual([delayId])
  })

  test.each<[string, (other: string) => Promise<unknown>]>([
    ['with another key', () => bob.setState(room, 'm.test', 'other', {})],
    ['with the empty key', () => bob.setState(room, 'm.test', '', {})],
    ['of another type', () => bob.setState(room, member, 'k', {})],
    ['in another room', other => bob.setState(other, 'm.test', 'k', {})],
    ['that was refused', async () => refusal((await stranger()).setState(room, 'm.test', 'k', {}))],
    ['that is only scheduled', () => bob.delayState(room, hour, 'm.test', 'k', {})],
  ])('%s does not', async (_, happen) => {
    const other = await bob.createRoom()
    const delayId = await alice.delayState(room, hour, 'm.test', 'k', { n: 1 })
    await happen(other)
    expect(await scheduledIds(alice)).toEqual([delayId])
  })

  test('a message event of the same type is left alone, and leaves alone', async () => {
    const messageId = await alice.delay(room, hour, 'm.test', { n: 1 })
    const stateId = await alice.delayState(room, hour, 'm.test', '', { n: 2 })
    await bob.send(room, 'm.test', {})
    expect(await scheduledIds(alice)).toEqual([messageId, stateId])
    await bob.setState(room, 'm.test', '', {})
    expect(await scheduledIds(alice)).toEqual([messageId])
  })

  test('that equals what is there already is no update', async () => {
    await bob.setState(room, 'm.test', 'k', { by: 'bob' })
    const delayId = await alice.delayState(room, hour, 'm.test', 'k', {})
    await bob.setState(room, 'm.test', 'k', { by: 'bob' })
    expect(await scheduledIds(alice)).toEqual([delayId])
  })

  test('that was itself delayed cancels when it is sent, and not its own user’s', async () => {
    await alice.delayState(room, 2_000, 'm.test', 'k', { by: 'alice, late' })
    await bob.delayState(room, 1_000, 'm.test', 'k', { by: 'bob' })
    const second = await bob.delayState(room, 3_000, 'm.test', 'k', { by: 'bob, again' })
    await server.advance(1_000)
    expect(await alice.scheduled()).toEqual([])
    expect(await scheduledIds(bob)).toEqual([second])
    await server.advance(2_000)
    expect(await alice.state(room, 'm.test', 'k')).toEqual({ by: 'bob, again' })
  })

  test('a membership changed by another user cancels: a kick overtakes the delayed leave', async () => {
    await bob.delayState(room, hour, 'm.room.member', bob.userId, { membership: 'leave' })
    const body = { user_id: bob.userId }
    await alice.ok('POST', alice.roomPath(room, 'kick'), { body })
    expect(await bob.scheduled()).toEqual([])
    expect((await bob.finalised())[0]?.error).toMatchObject(overtaken)
  })

  test('cancels all that another user has scheduled for it', async () => {
    for (let i = 0; i < 3; i++) await alice.delayState(room, hour, 'm.test', 'k', { i })
    await bob.setState(room, 'm.test', 'k', {})
    expect(await alice.scheduled()).toEqual([])
  })
})

describe('GET /sync', () => {
  /** A long poll that is waiting by the time this returns. */
  async function longPoll(user: Client, timeout: number): Promise<{ poll: Promise<SyncResponse> }> {
    const { next_batch: since } = await user.sync()
    const before = server.waiting()
    const poll = user.sync({ since, timeout, use_state_after: true })
    while (server.waiting() === before) await new Promise(resolve => setImmediate(resolve))
    return { poll }
  }
  const news = (response: SyncResponse): JsonObject[] =>
    response.rooms.join?.[room]?.timeline.events.map(event => event.content) ?? []

  test('a long poll of another user wakes when the event is sent, with the state', async () => {
    await alice.setState(room, 'm.test', 'k', { here: true })
    await alice.delayState(room, 5_000, 'm.test', 'k', {})
    const { poll } = await longPoll(bob, 30_000)
    await server.advance(4_999)
    expect(server.waiting()).toBe(1)
    await server.advance(1)
    const response = await poll
    expect(news(response)).toEqual([{}])
    expect(response.rooms.join?.[room]?.state_after?.events).toEqual([
      expect.objectContaining({ type: 'm.test', state_key: 'k', content: {} }),
    ])
  })

  test('scheduling, restarting and cancelling wake nobody', async () => {
    const { poll } = await longPoll(bob, 1_000)
    const delayId = await alice.delay(room, hour, 'm.test', {})
    await alice.manage(delayId, 'restart')
    await alice.manage(delayId, 'cancel')
    expect(server.waiting()).toBe(1)
    await server.advance(1_000)
    const response = await poll
    expect(response.rooms.join).toBeUndefined()
  })

  test('a long poll wakes when the event is sent on request', async () => {
    const delayId = await alice.delay(room, hour, 'm.test', { n: 1 })
    const { poll } = await longPoll(bob, 30_000)
    await alice.manage(delayId, 'send')
    const response = await poll
    expect(news(response)).toEqual([{ n: 1 }])
  })
})
