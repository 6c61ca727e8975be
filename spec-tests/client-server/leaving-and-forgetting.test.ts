import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { SyncResponse, WireEvent } from '../support/wire.ts'

let server: TestServer
let alice: Client
let bob: Client
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  bob = await server.user('bob')
})
afterAll(() => server.stop())

const includeLeave = JSON.stringify({ room: { include_leave: true } })

/** Under which headings of /sync the room is found. */
function headings(answer: SyncResponse, room: string): string[] {
  return Object.entries(answer.rooms)
    .filter(([, rooms]) => Object.hasOwn(rooms ?? {}, room))
    .map(([heading]) => heading)
}

/** A room of alice's that bob has joined, in which something was said. */
async function twoInARoom(): Promise<string> {
  const room = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(room)
  await alice.say(room, 'Hello world!')
  return room
}

describe('TestRoomForget: POST /rooms/{roomId}/forget', () => {
  test('a room that one is still in cannot be forgotten', async () => {
    const room = await alice.createRoom({ preset: 'private_chat' })
    expect(await refusal(alice.forget(room))).toMatchObject({ status: 400, errcode: 'M_UNKNOWN' })
    expect(headings(await alice.sync(), room)).toEqual(['join'])
  })

  test('the messages of a forgotten room cannot be paginated', async () => {
    const room = await twoInARoom()
    await alice.leave(room)
    await alice.ok('GET', alice.roomPath(room, 'messages'))
    await alice.forget(room)
    expect(await refusal(alice.ok('GET', alice.roomPath(room, 'messages')))).toMatchObject({
      status: 403,
      errcode: 'M_FORBIDDEN',
    })
  })

  test('nor can its events be looked up one by one', async () => {
    const room = await twoInARoom()
    const eventId = await alice.say(room, 'still here')
    await bob.leave(room)
    const spoken = await bob.event(room, eventId)
    expect(spoken.content.body).toBe('still here')
    await bob.forget(room)
    expect(await refusal(bob.event(room, eventId))).toMatchObject({ status: 404 })
    const context = bob.ok('GET', bob.roomPath(room, 'context', eventId))
    expect(await refusal(context)).toMatchObject({ status: 404, errcode: 'M_NOT_FOUND' })
  })

  test('of what all the world may read one sees as much as a stranger, and no more', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    const visibility = (history_visibility: string) =>
      alice.setState(room, 'm.room.history_visibility', '', { history_visibility })
    await visibility('joined')
    await bob.join(room)
    const among = await alice.say(room, 'among us')
    await bob.leave(room)
    await bob.forget(room)
    await visibility('world_readable')
    const open = await alice.say(room, 'to everybody')
    const stranger = await server.user('stranger')
    const seenBy = async (who: Client) => {
      const { chunk } = await who.messages(room, { dir: 'b', limit: 100 })
      const statuses: number[] = []
      for (const eventId of [among, open]) {
        for (const kind of ['event', 'context']) {
          const { status } = await who.request('GET', who.roomPath(room, kind, eventId))
          statuses.push(status)
        }
      }
      const search_categories = {
        room_events: { search_term: 'everybody', filter: { rooms: [room] } },
      }
      const body = { search_categories }
      const found = await who.ok('POST', '/_matrix/client/v3/search', { body })
      const { count } = found.search_categories.room_events
      return { read: chunk.map(event => event.event_id), statuses, count }
    }
    const seen = await seenBy(stranger)
    expect(seen).toMatchObject({ statuses: [404, 404, 200, 200], count: 1 })
    expect(seen.read).not.toContain(among)
    expect(await seenBy(bob)).toEqual(seen)
  })

  test('a forgotten room does not show up in an initial sync', async () => {
    const room = await twoInARoom()
    await alice.leave(room)
    expect(headings(await alice.sync({ filter: includeLeave }), room)).toEqual(['leave'])
    await alice.forget(room)
    expect(headings(await alice.sync({ filter: includeLeave }), room)).toEqual([])
  })

  test('the leave of a forgotten room shows up in an incremental sync', async () => {
    const room = await twoInARoom()
    const { next_batch } = await alice.sync()
    await alice.leave(room)
    await alice.forget(room)
    await bob.say(room, 'Hello world!')
    const answer = await alice.sync({ since: next_batch, filter: includeLeave })
    expect(headings(answer, room)).toEqual(['leave'])
    const { events } = answer.rooms.leave?.[room]?.timeline ?? { events: [] }
    expect(events.map(event => event.type)).toEqual(['m.room.member'])
  })

  test('a room that one was kicked from can be forgotten', async () => {
    const room = await twoInARoom()
    await alice.kick(room, bob.userId)
    await bob.forget(room)
    expect(headings(await bob.sync({ filter: includeLeave }), room)).toEqual([])
  })

  test('whoever is invited again can join again, and sees what was said before', async () => {
    const room = await alice.createRoom({ preset: 'private_chat' })
    await alice.invite(room, bob.userId)
    // Not a state event: nothing but a message of an odd type.
    await alice.send(room, 'm.room.join_rules', { join_rule: 'invite' })
    await bob.join(room)
    const before = await alice.say(room, 'Before leave')
    await bob.leave(room)
    await bob.forget(room)
    expect(await refusal(bob.join(room))).toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })

    await alice.invite(room, bob.userId)
    await bob.join(room)
    const messages = async (limit: number): Promise<string[]> => {
      const page = await bob.ok('GET', bob.roomPath(room, 'messages'), {
        query: { dir: 'b', limit },
      })
      return page.chunk.map((event: WireEvent) => event.event_id)
    }
    expect(await messages(100)).toContain(before)
    const after = await alice.say(room, 'After rejoin')
    expect(await messages(1)).toEqual([after])
    expect(headings(await bob.sync(), room)).toEqual(['join'])
  })

  test('a room that one was never an actual member of can be forgotten', async () => {
    const room = await alice.createRoom({ preset: 'private_chat' })
    await alice.invite(room, bob.userId)
    await bob.leave(room)
    await bob.forget(room)
    await alice.leave(room)
    await alice.forget(room)
    expect(headings(await bob.sync({ filter: includeLeave }), room)).toEqual([])
    expect(headings(await alice.sync({ filter: includeLeave }), room)).toEqual([])
  })
})

describe('POST /rooms/{roomId}/forget: what else cannot be forgotten', () => {
  test('an invite that is still open', async () => {
    const room = await alice.createRoom({ invite: [bob.userId] })
    expect(await refusal(bob.forget(room))).toMatchObject({ status: 400, errcode: 'M_UNKNOWN' })
  })

  test('a room that one never had to do with', async () => {
    const room = await alice.createRoom()
    expect(await refusal(bob.forget(room))).toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
    expect(await refusal(bob.forget('!nowhere:hs1'))).toMatchObject({ status: 403 })
  })

  test('a new invite to a forgotten room is heard of', async () => {
    const room = await twoInARoom()
    await bob.leave(room)
    await bob.forget(room)
    await alice.invite(room, bob.userId)
    expect(headings(await bob.sync(), room)).toEqual(['invite'])
  })

  test.each<[string, (room: string) => Promise<unknown>]>([
    ['bans them', room => alice.ban(room, bob.userId)],
    [
      'bans them, and lifts it',
      async room => {
        await alice.ban(room, bob.userId)
        await alice.unban(room, bob.userId)
      },
    ],
    [
      'says once more that they have left',
      room => {
        const content = { membership: 'leave', reason: 'as you were' }
        return alice.setState(room, 'm.room.member', bob.userId, content)
      },
    ],
  ])('it stays forgotten if somebody %s', async (_, act) => {
    const room = await twoInARoom()
    await bob.leave(room)
    await bob.forget(room)
    const { next_batch } = await bob.sync({ filter: includeLeave })
    await act(room)
    const told = await bob.sync({ since: next_batch, filter: includeLeave })
    expect(headings(told, room)).toEqual([])
    expect(headings(await bob.sync({ filter: includeLeave }), room)).toEqual([])
    expect(await refusal(bob.messages(room))).toMatchObject({ status: 403 })
    expect(await refusal(bob.state(room, 'm.room.create'))).toMatchObject({ status: 403 })
  })

  test('it is heard of again with a knock, and with the ban that answers it', async () => {
    const room = await twoInARoom()
    await bob.leave(room)
    await bob.forget(room)
    await alice.setState(room, 'm.room.join_rules', '', { join_rule: 'knock' })
    await bob.knock(room)
    const { rooms, next_batch } = await bob.sync()
    expect(Object.keys(rooms.knock ?? {})).toContain(room)
    await alice.ban(room, bob.userId)
    expect(headings(await bob.sync({ since: next_batch }), room)).toEqual(['leave'])
    expect(headings(await bob.sync({ filter: includeLeave }), room)).toEqual(['leave'])
  })

  test('it is forgotten after a restart, too', async () => {
    const room = await twoInARoom()
    await bob.leave(room)
    await bob.forget(room)
    await server.restart()
    expect(headings(await bob.sync({ filter: includeLeave }), room)).toEqual([])
  })
})

describe('POST /rooms/{roomId}/leave', () => {
  test('who has left hears and says no more', async () => {
    const room = await twoInARoom()
    await bob.leave(room)
    const { next_batch } = await bob.sync()
    await alice.say(room, 'gone?')
    expect(headings(await bob.sync({ since: next_batch }), room)).toEqual([])
    expect(await refusal(bob.say(room, 'no'))).toMatchObject({ status: 403 })
  })

  test('leaving again does nothing', async () => {
    const room = await twoInARoom()
    await bob.leave(room)
    const { next_batch } = await alice.sync()
    await bob.leave(room)
    expect(headings(await alice.sync({ since: next_batch }), room)).toEqual([])
  })

  test('the reason is told', async () => {
    const room = await twoInARoom()
    await bob.ok('POST', bob.roomPath(room, 'leave'), { body: { reason: 'Late' } })
    expect(await alice.state(room, 'm.room.member', bob.userId)).toEqual({
      membership: 'leave',
      reason: 'Late',
    })
  })

  test('a room that one never had to do with cannot be left', async () => {
    const room = await alice.createRoom()
    expect(await refusal(bob.leave(room))).toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
    expect(await refusal(bob.leave('!nowhere:hs1'))).toMatchObject({ status: 403 })
  })
})
