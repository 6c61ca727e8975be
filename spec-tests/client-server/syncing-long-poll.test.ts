import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject, SyncResponse } from '../support/wire.ts'

let server: TestServer
let alice: Client
let bob: Client
let room: string
let since: string
beforeAll(async () => {
  server = await startServer()
})
beforeEach(async () => {
  alice = await server.user('alice')
  bob = await server.user('bob')
  room = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(room)
  await bob.sync()
  since = (await alice.sync()).next_batch
})
afterAll(() => server.stop())

/** A /sync that the server holds; whether it is answered yet, and the answer to await. */
async function hold(query: Record<string, string | number> = {}, user = alice) {
  const state = { isAnswered: false }
  const held = server.waiting()
  const answer = user.sync({ since, timeout: 30_000, ...query }).then(response => {
    state.isAnswered = true
    return response
  })
  await server.untilWaiting(held + 1)
  return { answer, isAnswered: () => state.isAnswered }
}

const isEmpty = ({ rooms, presence, account_data, to_device }: SyncResponse) =>
  [rooms, presence.events, account_data.events, to_device.events].every(
    section => Object.keys(section).length === 0,
  )

describe('GET /_matrix/client/v3/sync with a timeout', () => {
  test('answers as soon as an event arrives, with the event', async () => {
    const { answer, isAnswered } = await hold()
    expect(isAnswered()).toBe(false)
    const eventId = await bob.say(room, 'hello')
    const { rooms, next_batch } = await answer
    expect(rooms.join?.[room]?.timeline.events).toMatchObject([{ event_id: eventId }])
    expect(next_batch).not.toBe(since)
    expect(server.waiting()).toBe(0)
  })

  test('answers at once if there is news already', async () => {
    const eventId = await bob.say(room, 'hello')
    const { rooms } = await alice.sync({ since, timeout: 30_000 })
    expect(rooms.join?.[room]?.timeline.events).toMatchObject([{ event_id: eventId }])
  })

  test('an initial sync does not wait, nor does one of the full state', async () => {
    const stranger = await server.user('charlie')
    expect((await stranger.sync({ timeout: 30_000 })).rooms).toEqual({})
    const full = await alice.sync({ since, timeout: 30_000, full_state: true })
    expect(Object.keys(full.rooms.join ?? {})).toEqual([room])
  })

  test('times out by the clock, with an empty answer and a token that can be used', async () => {
    const { answer, isAnswered } = await hold()
    await server.advance(29_999)
    expect(server.waiting()).toBe(1)
    expect(isAnswered()).toBe(false)
    await server.advance(1)
    const response = await answer
    expect(isEmpty(response)).toBe(true)
    expect(server.waiting()).toBe(0)
    const eventId = await bob.say(room, 'hello')
    const { rooms } = await alice.sync({ since: response.next_batch })
    expect(rooms.join?.[room]?.timeline.events).toMatchObject([{ event_id: eventId }])
  })

  test('timeout=0, or none, does not wait', async () => {
    expect(isEmpty(await alice.sync({ since, timeout: 0 }))).toBe(true)
    expect(isEmpty(await alice.sync({ since }))).toBe(true)
  })

  test('is not answered by what happens in rooms of others', async () => {
    const { answer, isAnswered } = await hold()
    const elsewhere = await bob.createRoom()
    await bob.say(elsewhere, 'hello')
    expect(server.waiting()).toBe(1)
    expect(isAnswered()).toBe(false)
    await server.advance(30_000)
    expect(isEmpty(await answer)).toBe(true)
  })

  test('is not answered by what the filter leaves out', async () => {
    const filter = JSON.stringify({ room: { timeline: { types: ['m.room.message'] } } })
    const { answer, isAnswered } = await hold({ filter })
    await bob.send(room, 'org.example.other', {})
    await server.untilWaiting(1)
    expect(isAnswered()).toBe(false)
    const eventId = await bob.say(room, 'hello')
    const { rooms } = await answer
    expect(rooms.join?.[room]?.timeline.events).toMatchObject([{ event_id: eventId }])
  })

  test('is answered by an invite, a join of one’s own, and a kick', async () => {
    const charlie = await server.user('charlie')
    since = (await charlie.sync()).next_batch
    const invited = await hold({}, charlie)
    await alice.invite(room, charlie.userId)
    const invite = await invited.answer
    expect(Object.keys(invite.rooms.invite ?? {})).toEqual([room])

    const joined = await hold({ since: invite.next_batch }, charlie)
    await charlie.join(room)
    const join = await joined.answer
    expect(Object.keys(join.rooms.join ?? {})).toEqual([room])

    const kicked = await hold({ since: join.next_batch }, charlie)
    const body = { user_id: charlie.userId }
    await alice.ok('POST', alice.roomPath(room, 'kick'), { body })
    expect(Object.keys((await kicked.answer).rooms.leave ?? {})).toEqual([room])
  })

  test('is answered by account data and by a message to the device', async () => {
    const dataPath = `/_matrix/client/v3/user/${encodeURIComponent(alice.userId)}/account_data/org.example`
    const first = await hold()
    await alice.ok('PUT', dataPath, { body: { a: 1 } })
    const { account_data: accountData } = await first.answer
    expect(accountData.events).toEqual([{ type: 'org.example', content: { a: 1 } }])

    const second = await hold({ since: (await first.answer).next_batch })
    const messages = { [alice.userId]: { '*': { b: 2 } } }
    await bob.ok('PUT', '/_matrix/client/v3/sendToDevice/org.example/1', { body: { messages } })
    expect((await second.answer).to_device.events).toEqual([
      { type: 'org.example', sender: bob.userId, content: { b: 2 } },
    ])
  })

  test('several who wait for one room are all answered', async () => {
    const laptop = alice.sibling()
    await laptop.login()
    since = (await laptop.sync()).next_batch
    const answers = [alice, laptop, bob].map(user => user.sync({ since, timeout: 30_000 }))
    await server.untilWaiting(3)
    const eventId = await alice.say(room, 'hello')
    for (const { rooms } of await Promise.all(answers)) {
      expect(rooms.join?.[room]?.timeline.events).toMatchObject([{ event_id: eventId }])
    }
    expect(server.waiting()).toBe(0)
  })
})

describe('the end of a long poll', () => {
  test('who hangs up is not waited for any more', async () => {
    const hangUp = new AbortController()
    const answer = alice.sync({ since, timeout: 30_000 }, hangUp.signal)
    await server.untilWaiting(1)
    hangUp.abort()
    await expect(answer).rejects.toMatchObject({ name: 'AbortError' })
    await server.untilWaiting(0)
  })

  const sliding = '/_matrix/client/unstable/org.matrix.simplified_msc3575/sync'
  const post = (user: Client, path: string, body: JsonObject = {}) =>
    user.ok('POST', `/_matrix/client/v3/${path}`, { body })

  test.each<[string, (user: Client) => Promise<unknown>]>([
    ['POST /logout', user => post(user, 'logout')],
    ['POST /logout/all', user => post(user, 'logout/all')],
    [
      'POST /login with the same device',
      user => user.sibling().login({ device_id: user.deviceId }),
    ],
  ])('a session that ends by %s takes its long polls along', async (_title, end) => {
    const body = { extensions: { to_device: { enabled: true } } }
    const { pos } = await alice.ok('POST', sliding, { body })
    const query = { pos, timeout: 30_000 }
    const answers = [
      alice.sync({ since, timeout: 30_000 }),
      alice.ok('POST', sliding, { body, query }),
    ].map(refusal)
    await server.untilWaiting(2)
    await end(alice)
    for (const error of await Promise.all(answers)) {
      expect(error).toMatchObject({ status: 401, errcode: 'M_UNKNOWN_TOKEN' })
    }
    expect(server.waiting()).toBe(0)
  })

  test('a session that ends leaves those of other devices waiting', async () => {
    const other = alice.sibling()
    await other.login()
    const { answer, isAnswered } = await hold()
    await post(other, 'logout')
    await server.idle()
    expect(isAnswered()).toBe(false)
    await bob.say(room, 'hello')
    expect((await answer).rooms.join?.[room]?.timeline.events).toHaveLength(1)
  })

  test('a refresh takes no long poll along', async () => {
    const { refresh_token } = await alice.login({ refresh_token: true })
    const { answer, isAnswered } = await hold()
    const { access_token } = await post(alice, 'refresh', { refresh_token })
    alice.token = access_token
    await alice.ok('GET', '/_matrix/client/v3/account/whoami')
    await server.idle()
    expect(isAnswered()).toBe(false)
    await bob.say(room, 'hello')
    expect((await answer).rooms.join?.[room]?.timeline.events).toHaveLength(1)
  })

  test('when the server stops, who waits is answered, with a token for the next', async () => {
    const { answer } = await hold()
    await server.restart()
    const response = await answer
    expect(isEmpty(response)).toBe(true)
    const eventId = await bob.say(room, 'hello')
    const { rooms } = await alice.sync({ since: response.next_batch })
    expect(rooms.join?.[room]?.timeline.events).toMatchObject([{ event_id: eventId }])
  })
})
