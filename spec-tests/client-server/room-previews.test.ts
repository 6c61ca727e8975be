import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject, WireEvent } from '../support/wire.ts'

interface Preview {
  room_id: string
  membership?: string
  messages: { start?: string; end: string; chunk: WireEvent[] }
  state: WireEvent[]
  visibility: string
  account_data: JsonObject[]
}

interface Heard {
  start: string
  end: string
  chunk: WireEvent[]
}

const events = '/_matrix/client/v3/events'
const visibility = 'm.room.history_visibility'

let server: TestServer
let alice: Client
let passerBy: Client
/** World readable. */
let room: string
beforeAll(async () => {
  server = await startServer({ config: { guests: true } })
})
beforeEach(async () => {
  alice = await server.user('alice')
  passerBy = await server.user('passer-by')
  room = await openRoom()
})
afterAll(() => server.stop())

function openRoom(body: JsonObject = {}): Promise<string> {
  const readable = { type: visibility, content: { history_visibility: 'world_readable' } }
  return alice.createRoom({ preset: 'public_chat', initial_state: [readable], ...body })
}

const preview = async (user: Client, roomId = room, query = {}) =>
  (await user.ok('GET', user.roomPath(roomId, 'initialSync'), { query })) as unknown as Preview
const listen = async (user: Client, query: Record<string, string | number> = {}) =>
  (await user.ok('GET', events, { query: { room_id: room, ...query } })) as unknown as Heard

/** What the server holds; whether it is answered yet, and the answer to await. */
async function hold(user: Client, query: Record<string, string | number> = {}) {
  const held = server.waiting()
  const answer = listen(user, { timeout: 30_000, ...query })
  answer.catch(() => undefined)
  await server.untilWaiting(held + 1)
  return { answer }
}

const idsOf = (chunk: readonly WireEvent[]) => chunk.map(event => event.event_id)

describe('GET /_matrix/client/v3/rooms/{roomId}/initialSync', () => {
  test('tells a member of the state and the latest events, oldest first', async () => {
    const sent = [await alice.say(room, 'one'), await alice.say(room, 'two')]
    const found = await preview(alice)
    expect(found).toMatchObject({ room_id: room, membership: 'join', visibility: 'private' })
    expect(idsOf(found.messages.chunk).slice(-2)).toEqual(sent)
    expect(found.state.find(event => event.type === visibility)?.content).toEqual({
      history_visibility: 'world_readable',
    })
  })

  test('tells anybody of a world readable room, guests too; they have no membership in it', async () => {
    const path = '/_matrix/client/v3/register'
    const guest = server.anonymous()
    guest.token = (
      await guest.ok('POST', path, { query: { kind: 'guest' }, body: {} })
    ).access_token
    const eventId = await alice.say(room, 'hello')
    for (const user of [passerBy, guest]) {
      const found = await preview(user)
      expect(found.membership).toBeUndefined()
      expect(found.messages.chunk.at(-1)?.event_id).toBe(eventId)
      expect(found.state.map(event => event.type)).toContain('m.room.create')
      expect((await listen(user)).chunk).toEqual([])
    }
  })

  test('403 for whoever may not look, and the same for a room that does not exist', async () => {
    const closed = await alice.createRoom({ preset: 'private_chat' })
    for (const roomId of [closed, '!none:hs1']) {
      const { status, errcode } = await refusal(preview(passerBy, roomId))
      expect({ status, errcode }).toEqual({ status: 403, errcode: 'M_FORBIDDEN' })
    }
    await alice.invite(closed, passerBy.userId)
    expect(await refusal(preview(passerBy, closed))).toMatchObject({ status: 403 })
  })

  test('for who has left it is as it was then', async () => {
    const shared = await alice.createRoom({ preset: 'public_chat' })
    await passerBy.join(shared)
    const before = await alice.say(shared, 'before')
    await passerBy.leave(shared)
    await alice.say(shared, 'after')
    await alice.setState(shared, 'm.room.name', '', { name: 'Later' })
    const { membership, messages, state } = await preview(passerBy, shared)
    expect(membership).toBe('leave')
    expect(idsOf(messages.chunk)).toContain(before)
    expect(messages.chunk.at(-1)).toMatchObject({
      type: 'm.room.member',
      state_key: passerBy.userId,
    })
    expect(state.map(event => event.type)).not.toContain('m.room.name')
  })

  test('has as many events as are asked for, and tokens to both sides of them', async () => {
    const sent: string[] = []
    for (const body of ['one', 'two', 'three']) sent.push(await alice.say(room, body))
    const { messages } = await preview(passerBy, room, { limit: 2 })
    expect(idsOf(messages.chunk)).toEqual(sent.slice(1))
    const earlier = await passerBy.messages(room, { dir: 'b', from: messages.start, limit: 1 })
    expect(idsOf(earlier.chunk)).toEqual(sent.slice(0, 1))
    const later = await alice.say(room, 'four')
    const heard = await listen(passerBy, { from: messages.end })
    expect(idsOf(heard.chunk)).toEqual([later])
    expect(idsOf((await passerBy.messages(room, { dir: 'f', from: messages.end })).chunk)).toEqual([
      later,
    ])
  })

  test('has what the user keeps for the room, and says whether it is in the directory', async () => {
    const published = await openRoom({ visibility: 'public' })
    const path = `/_matrix/client/v3/user/${alice.userId}/rooms/${published}/account_data/m.test`
    await alice.ok('PUT', path, { body: { kept: true } })
    expect(await preview(alice, published)).toMatchObject({
      visibility: 'public',
      account_data: [{ type: 'm.test', content: { kept: true } }],
    })
    expect(await preview(passerBy, published)).toMatchObject({ account_data: [] })
  })
})

describe('GET /_matrix/client/v3/events', () => {
  test('holds on until there is an event, and goes on where it ended', async () => {
    const { answer } = await hold(passerBy)
    const first = await alice.say(room, 'one')
    const heard = await answer
    expect(idsOf(heard.chunk)).toEqual([first])
    const second = await alice.say(room, 'two')
    const next = await listen(passerBy, { from: heard.end, timeout: 30_000 })
    expect(next).toMatchObject({ start: heard.end, chunk: [{ event_id: second, room_id: room }] })
  })

  test('without `from` it tells what comes from now on', async () => {
    await alice.say(room, 'before')
    expect((await listen(passerBy)).chunk).toEqual([])
  })

  test('answers with nothing when the time is up', async () => {
    const { answer } = await hold(passerBy, { timeout: 5_000 })
    await server.advance(4_999)
    expect(server.waiting()).toBe(1)
    await server.advance(1)
    expect((await answer).chunk).toEqual([])
  })

  test('does not tell of other rooms', async () => {
    const { answer } = await hold(passerBy, { timeout: 5_000 })
    const other = await openRoom()
    await alice.say(other, 'elsewhere')
    await passerBy.join(other)
    await server.advance(5_000)
    expect((await answer).chunk).toEqual([])
  })

  test('leaves nothing out when there is more than goes into one answer', async () => {
    const { end } = await listen(passerBy)
    const sent: string[] = []
    for (let i = 0; i < 103; i += 1) sent.push(await alice.say(room, String(i)))
    const first = await listen(passerBy, { from: end })
    const second = await listen(passerBy, { from: first.end })
    expect(first.chunk.length).toBeLessThan(103)
    expect(idsOf([...first.chunk, ...second.chunk])).toEqual(sent)
  })

  test('a delayed event is heard when it is sent', async () => {
    await alice.delay(room, 8_000, 'm.room.message', { msgtype: 'm.text', body: 'late' })
    const { answer } = await hold(passerBy)
    await server.advance(8_000)
    expect((await answer).chunk).toMatchObject([{ content: { body: 'late' } }])
  })

  test('ends with 403 when the room is closed to the listener', async () => {
    const { answer } = await hold(passerBy)
    await alice.setState(room, visibility, '', { history_visibility: 'joined' })
    expect(await refusal(answer)).toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
    expect(await refusal(listen(passerBy))).toMatchObject({ status: 403 })
  })

  test('a member listens, too, until they are sent away', async () => {
    await alice.setState(room, visibility, '', { history_visibility: 'joined' })
    await passerBy.join(room)
    const { answer } = await hold(passerBy)
    const eventId = await alice.say(room, 'hello')
    const { chunk, end } = await answer
    expect(idsOf(chunk)).toEqual([eventId])
    await alice.kick(room, passerBy.userId)
    await alice.say(room, 'among ourselves')
    const { chunk: last } = await listen(passerBy, { from: end })
    expect(last).toMatchObject([{ type: 'm.room.member', content: { membership: 'leave' } }])
  })

  test('who is ignored is not heard', async () => {
    const path = `/_matrix/client/v3/user/${passerBy.userId}/account_data/m.ignored_user_list`
    await passerBy.ok('PUT', path, { body: { ignored_users: { [alice.userId]: {} } } })
    const { answer } = await hold(passerBy, { timeout: 5_000 })
    await alice.say(room, 'hello')
    await server.advance(5_000)
    expect((await answer).chunk).toEqual([])
  })

  test('ends with 401 when the session does', async () => {
    const { answer } = await hold(passerBy)
    await passerBy.ok('POST', '/_matrix/client/v3/logout')
    expect(await refusal(answer)).toMatchObject({ status: 401, errcode: 'M_UNKNOWN_TOKEN' })
  })

  test('400 without a room, and for a token that is none', async () => {
    const { status, body } = await passerBy.request('GET', events)
    expect({ status, body }).toMatchObject({ status: 400, body: { errcode: 'M_MISSING_PARAM' } })
    const refused = await refusal(listen(passerBy, { from: 's999999' }))
    expect(refused).toMatchObject({ status: 400, errcode: 'M_INVALID_PARAM' })
  })
})
