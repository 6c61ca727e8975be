import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject, WireEvent } from '../support/wire.ts'

let server: TestServer
let alice: Client
let bob: Client
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  bob = await server.user('bob')
})
afterAll(() => server.stop())

const opaqueId = /^\$[^:]+:hs1$/
const base64Id = /^\$[A-Za-z0-9+/]{43}$/
const base64UrlId = /^\$[A-Za-z0-9_-]{43}$/

const versions: [version: string, eventId: RegExp][] = [
  ['1', opaqueId],
  ['2', opaqueId],
  ['3', base64Id],
  ['4', base64UrlId],
  ['5', base64UrlId],
  ['6', base64UrlId],
  ['7', base64UrlId],
  ['8', base64UrlId],
  ['9', base64UrlId],
  ['10', base64UrlId],
  ['11', base64UrlId],
  ['12', base64UrlId],
]
const isAtLeast = (version: string, other: number) => Number(version) >= other

async function timelineOf(client: Client, room: string): Promise<WireEvent[]> {
  const page = await client.ok('GET', client.roomPath(room, 'messages'), {
    query: { dir: 'f', limit: 50 },
  })
  return page.chunk
}

describe.each(versions)('Room version %s', (version, eventIdForm) => {
  let room: string
  beforeAll(async () => {
    room = await alice.createRoom({ room_version: version, preset: 'public_chat', name: 'Room' })
    await bob.join(room)
  })

  test('is created, joined, spoken in and given state', async () => {
    const said = await bob.say(room, 'hello')
    const named = await alice.setState(room, 'm.room.name', '', { name: 'Renamed' })
    expect(await alice.event(room, said)).toMatchObject({
      room_id: room,
      sender: bob.userId,
      content: { msgtype: 'm.text', body: 'hello' },
    })
    expect(await bob.state(room, 'm.room.name')).toEqual({ name: 'Renamed' })
    const { rooms } = await bob.sync()
    const shown = rooms.join?.[room]?.timeline.events.map(event => event.event_id)
    expect(shown).toEqual(expect.arrayContaining([said, named]))
  })

  test('names its creator as it should', async () => {
    const create = await alice.state(room, 'm.room.create')
    expect(create).toEqual({
      room_version: version,
      ...(isAtLeast(version, 11) ? {} : { creator: alice.userId }),
    })
  })

  test('its ids have the form of that version', async () => {
    const events = await timelineOf(alice, room)
    expect(events.length).toBeGreaterThan(6)
    for (const event of events) expect(event.event_id).toMatch(eventIdForm)
    expect(room).toMatch(isAtLeast(version, 12) ? /^![A-Za-z0-9_-]{43}$/ : /^![A-Za-z]+:hs1$/)
  })

  test('nobody gets in, speaks or sets state against the rules', async () => {
    const charlie = await server.user('charlie')
    const forbidden = { status: 403, errcode: 'M_FORBIDDEN' }
    expect(await refusal(charlie.say(room, 'hello'))).toMatchObject(forbidden)
    expect(await refusal(bob.setState(room, 'm.room.name', '', {}))).toMatchObject(forbidden)
    expect(await refusal(bob.kick(room, alice.userId))).toMatchObject(forbidden)
    expect(await refusal(bob.ban(room, charlie.userId))).toMatchObject(forbidden)
    await alice.setState(room, 'm.room.join_rules', '', { join_rule: 'invite' })
    expect(await refusal(charlie.join(room))).toMatchObject(forbidden)
    await alice.invite(room, charlie.userId)
    await charlie.join(room)
    await charlie.say(room, 'hello')
    await alice.kick(room, charlie.userId)
    await alice.ban(room, charlie.userId)
    await alice.unban(room, charlie.userId)
    expect(await refusal(charlie.join(room))).toMatchObject(forbidden)
  })

  test('redacts', async () => {
    const said = await bob.say(room, 'oops')
    const redaction = await bob.redact(room, said, { reason: 'typo' })
    expect(redaction).toMatch(eventIdForm)
    const redacted = await alice.event(room, said)
    expect(redacted).toMatchObject({ type: 'm.room.message', content: {} })
    expect(redacted.content).toEqual({})
    expect(redacted.unsigned?.redacted_because).toMatchObject({
      event_id: redaction,
      type: 'm.room.redaction',
      sender: bob.userId,
    })
    // Clients of either age find `redacts` where they look for it.
    expect(await alice.event(room, redaction)).toMatchObject({
      redacts: said,
      content: { reason: 'typo', redacts: said },
    })
  })

  test('takes numbers that are not integers only before version 6', async () => {
    const send = alice.send(room, 'org.example.number', { half: 0.5 })
    if (isAtLeast(version, 6)) {
      expect(await refusal(send)).toMatchObject({ status: 400, errcode: 'M_BAD_JSON' })
    } else {
      expect((await alice.event(room, await send)).content).toEqual({ half: 0.5 })
    }
  })
})

describe('Redaction keeps what the room version protects', () => {
  async function redactedState(version: string, type: string, content: JsonObject) {
    const room = await alice.createRoom({ room_version: version })
    const eventId = await alice.setState(room, type, '', content)
    await alice.redact(room, eventId)
    return { left: (await alice.event(room, eventId)).content, room }
  }
  const levels = () => ({
    users: { [alice.userId]: 100 },
    users_default: 0,
    invite: 25,
    notifications: { room: 20 },
  })

  test.each(['1', '5', '6', '10'])('v%s: power levels, without invite', async version => {
    const { left, room } = await redactedState(version, 'm.room.power_levels', levels())
    expect(left).toEqual({ users: { [alice.userId]: 100 }, users_default: 0 })
    // It is the room's state, too, from now on.
    expect(await alice.state(room, 'm.room.power_levels')).toEqual(left)
  })

  test('v11: power levels, with invite', async () => {
    const { left } = await redactedState('11', 'm.room.power_levels', levels())
    expect(left).toEqual({ users: { [alice.userId]: 100 }, users_default: 0, invite: 25 })
  })

  test.each([
    ['7', { join_rule: 'restricted' }],
    ['8', { join_rule: 'restricted', allow: [] }],
  ])('v%s: join rules as %j', async (version, kept) => {
    const content = { join_rule: 'restricted', allow: [], extra: true }
    expect((await redactedState(version, 'm.room.join_rules', content)).left).toEqual(kept)
  })

  test('a name is gone, and nothing else stands in its place', async () => {
    const { left, room } = await redactedState('11', 'm.room.name', { name: 'secret' })
    expect(left).toEqual({})
    expect(await alice.state(room, 'm.room.name')).toEqual({})
  })
})
