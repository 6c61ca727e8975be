import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let alice: Client
let bob: Client
let charlie: Client
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  bob = await server.user('bob')
  charlie = await server.user('charlie')
})
afterAll(() => server.stop())

const forbidden = { status: 403, errcode: 'M_FORBIDDEN' }
const notFound = { status: 404, errcode: 'M_NOT_FOUND' }

/** A room of alice's, with bob and charlie in it. */
async function threeInARoom(version = '11'): Promise<string> {
  const room = await alice.createRoom({ preset: 'public_chat', room_version: version })
  await bob.join(room)
  await charlie.join(room)
  return room
}

const contentOf = async (room: string, eventId: string) =>
  (await charlie.event(room, eventId)).content

describe('PUT /rooms/{roomId}/redact/{eventId}/{txnId}', () => {
  test('TestRedact: nothing is left of the content, for another member either', async () => {
    const [alice, bob] = [await server.user('alice'), await server.user('bob')]
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    const eventId = await alice.say(room, 'Original content')
    await alice.redact(room, eventId, { reason: 'reasons...' })
    expect((await bob.event(room, eventId)).content).toEqual({})
  })

  test('everybody may redact what they said themselves', async () => {
    const room = await threeInARoom()
    const said = await bob.say(room, 'oops')
    await bob.redact(room, said)
    expect(await contentOf(room, said)).toEqual({})
  })

  test.each(['1', '2', '3', '10', '11', '12'])(
    'v%s: what others said only at the redact level',
    async version => {
      const room = await threeInARoom(version)
      const said = await bob.say(room, 'rude')
      expect(await refusal(charlie.redact(room, said))).toMatchObject(forbidden)
      expect(await contentOf(room, said)).toEqual({ msgtype: 'm.text', body: 'rude' })
      await alice.redact(room, said)
      expect(await contentOf(room, said)).toEqual({})
    },
  )

  test('the redact level is that of the moment', async () => {
    const room = await threeInARoom()
    const said = await bob.say(room, 'rude')
    const levels = await alice.state(room, 'm.room.power_levels')
    await alice.setState(room, 'm.room.power_levels', '', { ...levels, redact: 0 })
    await charlie.redact(room, said)
    expect(await contentOf(room, said)).toEqual({})
  })

  test('nor does power to redact help who may not send m.room.redaction', async () => {
    const room = await threeInARoom()
    const said = await bob.say(room, 'mine')
    const levels = await alice.state(room, 'm.room.power_levels')
    const events = { ...levels.events, 'm.room.redaction': 10 }
    await alice.setState(room, 'm.room.power_levels', '', { ...levels, events })
    expect(await refusal(bob.redact(room, said))).toMatchObject(forbidden)
    expect(await contentOf(room, said)).toEqual({ msgtype: 'm.text', body: 'mine' })
  })

  test('power levels that are redacted rule by what is left of them, from then on', async () => {
    const room = await threeInARoom('10')
    const levels = await alice.state(room, 'm.room.power_levels')
    const content = { ...levels, invite: 50 }
    const set = await alice.setState(room, 'm.room.power_levels', '', content)
    expect(await refusal(bob.invite(room, '@dora:hs1'))).toMatchObject(forbidden)
    // Version 10 protects all levels but that for invites.
    await alice.redact(room, set)
    await bob.invite(room, '@dora:hs1')
  })

  test('only from inside the room', async () => {
    const room = await threeInARoom()
    const said = await bob.say(room, 'still there')
    await bob.leave(room)
    expect(await refusal(bob.redact(room, said))).toMatchObject(forbidden)
    expect(await contentOf(room, said)).toEqual({ msgtype: 'm.text', body: 'still there' })
  })

  test('an event that does not exist, or is of another room, is not found', async () => {
    const room = await threeInARoom()
    const other = await threeInARoom()
    const elsewhere = await alice.say(other, 'elsewhere')
    const { next_batch } = await alice.sync()
    expect(await refusal(alice.redact(room, `$${'x'.repeat(43)}`))).toMatchObject(notFound)
    expect(await refusal(alice.redact(room, elsewhere))).toMatchObject(notFound)
    expect(await contentOf(other, elsewhere)).toMatchObject({ body: 'elsewhere' })
    // Nothing was written.
    expect((await alice.sync({ since: next_batch })).rooms.join).toBeUndefined()
  })

  test('what is no event id is refused', async () => {
    const room = await threeInARoom()
    expect(await refusal(alice.redact(room, 'nothing'))).toMatchObject({
      status: 400,
      errcode: 'M_INVALID_PARAM',
    })
  })

  test('the redaction comes down /sync, and the emptied event with a new sync', async () => {
    const room = await threeInARoom()
    const said = await bob.say(room, 'oops')
    const { next_batch } = await alice.sync()
    const redaction = await bob.redact(room, said, { reason: 'typo' })
    const { rooms } = await alice.sync({ since: next_batch })
    expect(rooms.join?.[room]?.timeline.events).toEqual([
      expect.objectContaining({
        event_id: redaction,
        type: 'm.room.redaction',
        redacts: said,
        content: { redacts: said, reason: 'typo' },
      }),
    ])
    const { events } = (await alice.sync()).rooms.join?.[room]?.timeline ?? { events: [] }
    const emptied = events.find(event => event.event_id === said)
    expect(emptied?.content).toEqual({})
    expect(emptied?.unsigned?.redacted_because).toMatchObject({
      event_id: redaction,
      content: { reason: 'typo' },
    })
  })

  test('the same transaction redacts once', async () => {
    const room = await threeInARoom()
    const said = await bob.say(room, 'oops')
    const path = bob.roomPath(room, 'redact', said, 'once')
    const first = await bob.ok('PUT', path, { body: {} })
    const { next_batch } = await bob.sync()
    expect(await bob.ok('PUT', path)).toEqual(first)
    expect((await bob.sync({ since: next_batch })).rooms.join).toBeUndefined()
  })

  test('a second redaction is kept, and the first one stays the reason', async () => {
    const room = await threeInARoom()
    const said = await bob.say(room, 'oops')
    const first = await bob.redact(room, said)
    expect(await alice.redact(room, said)).not.toBe(first)
    const { unsigned } = await charlie.event(room, said)
    expect(unsigned?.redacted_because).toMatchObject({ event_id: first })
  })

  test('v3: an event id with a slash in it can be read and redacted', async () => {
    const room = await threeInARoom('3')
    // Two ids in five have none; that a hundred have none does not happen.
    let said = ''
    for (let tries = 0; tries < 100 && !said.includes('/'); tries++) {
      said = await bob.say(room, `try ${tries}`)
    }
    expect(said).toContain('/')
    await bob.redact(room, said)
    expect(await contentOf(room, said)).toEqual({})
  })
})

describe('PUT /rooms/{roomId}/send/m.room.redaction/{txnId}', () => {
  test('redacts what its content names, by the same rules', async () => {
    const room = await threeInARoom()
    const said = await bob.say(room, 'rude')
    const content = { redacts: said, reason: 'rude' }
    expect(await refusal(charlie.send(room, 'm.room.redaction', content))).toMatchObject(forbidden)
    expect(await contentOf(room, said)).toMatchObject({ body: 'rude' })
    await alice.send(room, 'm.room.redaction', content)
    expect(await contentOf(room, said)).toEqual({})
  })

  test.each([
    ['1', 'beside'],
    ['10', 'beside'],
    ['11', 'in'],
  ])(
    'version %s: what it redacts stands %s the content, where servers look',
    async (version, place) => {
      const room = await alice.createRoom({ room_version: version })
      const redacts = await alice.say(room, 'rude')
      const id = await alice.send(room, 'm.room.redaction', { redacts, reason: 'rude' })
      const timeline = { types: ['m.room.redaction'] }
      const filter = { event_format: 'federation', room: { rooms: [room], timeline } }
      const { rooms } = await alice.sync({ filter: JSON.stringify(filter) })
      const [pdu] = rooms.join?.[room]?.timeline.events ?? []
      const isBeside = place === 'beside'
      expect(pdu?.content).toEqual({ reason: 'rude', ...(isBeside ? {} : { redacts }) })
      expect(Object.hasOwn(pdu ?? {}, 'redacts')).toBe(isBeside)
      expect(await alice.event(room, id)).toMatchObject({ redacts, content: { redacts } })
    },
  )
})
