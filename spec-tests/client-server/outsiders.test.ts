import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

let server: TestServer
let alice: Client
let bob: Client
let outsider: Client
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  bob = await server.user('bob')
  outsider = await server.user('outsider')
})
afterAll(() => server.stop())

const unknownRoom = '!unknown:hs1'

/** What somebody who is not in a room may try in it. */
const attempts: Record<string, (room: string) => Promise<unknown>> = {
  'kick a member': room => outsider.kick(room, bob.userId),
  'kick who is none': room => outsider.kick(room, '@nobody:hs1'),
  'ban a member': room => outsider.ban(room, bob.userId),
  'unban a member': room => outsider.unban(room, bob.userId),
  'unban who is banned': room => outsider.unban(room, '@banned:hs1'),
  'invite a member': room => outsider.invite(room, bob.userId),
  'invite who is none': room => outsider.invite(room, '@nobody:hs1'),
  'send a message': room => outsider.say(room, 'hello'),
  'send a message that is too long': room => outsider.say(room, 'x'.repeat(70_000)),
  'redact an event': room => outsider.redact(room, '$unknown'),
  'set the name': room => outsider.setState(room, 'm.room.name', '', { name: 'mine' }),
  'set power levels that name the creator': room =>
    outsider.setState(room, 'm.room.power_levels', '', { users: { [alice.userId]: 100 } }),
  'set an alias that is none': room =>
    outsider.setState(room, 'm.room.canonical_alias', '', { alias: '#nowhere:hs1' }),
  'set another create event': room => outsider.setState(room, 'm.room.create', '', {}),
}

/** What is asked of state before the room's rules are. */
const states: Record<string, [type: string, content: JsonObject]> = {
  'power levels that name the creator': ['m.room.power_levels', { users: { '@alice-1:hs1': 100 } }],
  'an alias that is none': ['m.room.canonical_alias', { alias: '#nowhere:hs1' }],
}

describe.each(['10', '12'])('in a room of version %s, an outsider', roomVersion => {
  let room: string
  beforeAll(async () => {
    room = await alice.createRoom({ room_version: roomVersion, invite: [bob.userId] })
    await bob.join(room)
    await alice.ban(room, '@banned:hs1')
  })

  test.each(Object.keys(attempts))('who tries to %s learns no more than of no room', async what => {
    const attempt = attempts[what] as (room: string) => Promise<unknown>
    const [known, unknown] = [await refusal(attempt(room)), await refusal(attempt(unknownRoom))]
    const text = (body: JsonObject, id: string) => JSON.stringify(body).replaceAll(id, 'ROOM')
    expect(known).toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
    expect(text(known.body, room)).toBe(text(unknown.body, unknownRoom))
  })

  test.each(Object.keys(states))(
    'who schedules %s hears when it is sent what all hear',
    async what => {
      const [type, content] = states[what] as [string, JsonObject]
      for (const isDue of [false, true]) {
        const delayId = await outsider.delayState(room, 1_000, type, '', content)
        const direct = await refusal(outsider.setState(room, type, '', content))
        if (!isDue) {
          const { status, body } = await outsider.manage(delayId, 'send')
          expect({ status, body }).toEqual({ status: direct.status, body: direct.body })
          await outsider.manage(delayId, 'cancel')
        }
        await server.advance(1_000)
        expect((await outsider.finalised())[0]).toMatchObject({
          delayed_event: { delay_id: delayId },
          ...(isDue ? { error: direct.body } : { reason: 'action' }),
        })
      }
    },
  )
})

describe('PUT /rooms/{roomId}/state/{eventType}/{stateKey} with what is there already', () => {
  let room: string
  let eventId: string
  beforeEach(async () => {
    room = await alice.createRoom({
      preset: 'public_chat',
      power_level_content_override: { events: { 'org.example': 50 } },
    })
    await bob.join(room)
    await setLevel(50)
    eventId = await setIt()
  })
  const setLevel = async (level: number) => {
    const levels = await alice.state(room, 'm.room.power_levels')
    const users = { ...levels.users, [bob.userId]: level }
    await alice.setState(room, 'm.room.power_levels', '', { ...levels, users })
  }
  const setIt = () => bob.setState(room, 'org.example', '', { same: true })
  const expectForbidden = async () => {
    expect(await refusal(setIt())).toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
  }

  test('gives the event that is there', async () => {
    expect(await setIt()).toBe(eventId)
  })
  test('is refused to who has left', async () => {
    await bob.leave(room)
    await expectForbidden()
  })
  test('is refused to who is banned', async () => {
    await alice.ban(room, bob.userId)
    await expectForbidden()
  })
  test('is refused to who may not set it any more', async () => {
    await setLevel(49)
    await expectForbidden()
  })
})
