/**
 * Who closes their account may have what they said erased: it stays for those who were there, and whoever
 * comes to the room later is served redacted copies.
 *
 * Spec: POST /account/deactivate `erase`; MSC4025
 */
import type { Client } from '../support/client.ts'
import { ask, marksIn, questionsAbout } from '../support/readings.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject, WireEvent } from '../support/wire.ts'

let server: TestServer
let alice: Client
let bob: Client
beforeAll(async () => {
  server = await startServer()
})
beforeEach(async () => {
  alice = await server.user('alice')
  bob = await server.user('bob')
})
afterAll(() => server.stop())

const enc = encodeURIComponent
const deactivatePath = '/_matrix/client/v3/account/deactivate'

/** Close the account. @param wish what is asked beside that */
function close(client: Client, wish: JsonObject): Promise<JsonObject> {
  return client.ok('POST', deactivatePath, { body: { auth: client.proof(), ...wish } })
}
const erase = (client: Client) => close(client, { erase: true })

async function setDisplayName(client: Client, displayname: string): Promise<void> {
  const path = `/_matrix/client/v3/profile/${enc(client.userId)}/displayname`
  await client.ok('PUT', path, { body: { displayname } })
}

async function comeTo(room: string, name: string): Promise<Client> {
  const user = await server.user(name)
  await user.join(room)
  return user
}

/** A room of alice's, with bob in it. */
async function roomOfTwo(body: JsonObject = {}): Promise<string> {
  const room = await alice.createRoom({ preset: 'public_chat', ...body })
  await bob.join(room)
  return room
}

const said = { msgtype: 'm.text', body: 'what bob said' }
const contentFor = async (reader: Client, room: string, eventId: string) =>
  (await reader.event(room, eventId)).content

describe('POST /_matrix/client/v3/account/deactivate with erase', () => {
  test('who comes to the room later is served redacted copies, who was there is not', async () => {
    const room = await roomOfTwo()
    const eventId = await bob.say(room, said.body)
    await erase(bob)
    const late = await comeTo(room, 'late')
    const { unsigned: _, ...whole } = await alice.event(room, eventId)
    const { unsigned, ...copy } = await late.event(room, eventId)
    expect(whole.content).toEqual(said)
    expect(copy).toEqual({ ...whole, content: {} })
    // Nobody has redacted it.
    expect(unsigned).toEqual({ age: expect.any(Number), membership: 'leave' })
  })

  test('who came after it was said, and before it was erased, could read it and still can', async () => {
    const room = await roomOfTwo()
    const eventId = await bob.say(room, said.body)
    const between = await comeTo(room, 'between')
    await erase(bob)
    expect(await contentFor(between, room, eventId)).toEqual(said)
  })

  test('who was away when it was said, and comes back when it is erased, is as late as others', async () => {
    const room = await roomOfTwo()
    const away = await comeTo(room, 'away')
    const heard = await bob.say(room, said.body)
    await away.leave(room)
    const unheard = await bob.say(room, said.body)
    await erase(bob)
    await away.join(room)
    expect(await contentFor(away, room, heard)).toEqual(said)
    expect(await contentFor(away, room, unheard)).toEqual({})
    expect(await contentFor(alice, room, unheard)).toEqual(said)
  })

  test('who has left since may read on what they could read', async () => {
    const room = await roomOfTwo()
    const gone = await comeTo(room, 'gone')
    const eventId = await bob.say(room, said.body)
    await gone.leave(room)
    await erase(bob)
    expect(await contentFor(gone, room, eventId)).toEqual(said)
    await gone.join(room)
    expect(await contentFor(gone, room, eventId)).toEqual(said)
  })

  test('who looks into a world readable room from outside is served redacted copies', async () => {
    const content = { history_visibility: 'world_readable' }
    const initial_state = [{ type: 'm.room.history_visibility', content }]
    const room = await roomOfTwo({ initial_state })
    const eventId = await bob.say(room, said.body)
    const stranger = await server.user('stranger')
    expect(await contentFor(stranger, room, eventId)).toEqual(said)
    await erase(bob)
    expect(await contentFor(stranger, room, eventId)).toEqual({})
    expect(await contentFor(alice, room, eventId)).toEqual(said)
  })

  test.each(['6', '11'])('v%s: memberships keep what a redaction leaves of them', async version => {
    await setDisplayName(bob, 'Bob the Builder')
    const room = await roomOfTwo({ room_version: version })
    await erase(bob)
    const late = await comeTo(room, 'late')
    const memberships = async (reader: Client) =>
      (await reader.messages(room, { dir: 'f', limit: 100 })).chunk.filter(
        event => event.state_key === bob.userId,
      )
    const [join, leave] = await memberships(late)
    expect(join?.content).toEqual({ membership: 'join' })
    expect(leave?.content).toEqual({ membership: 'leave' })
    expect(leave?.unsigned).not.toHaveProperty('prev_content')
    const [before, after] = await memberships(alice)
    expect(before?.content).toEqual({ membership: 'join', displayname: 'Bob the Builder' })
    expect(after?.unsigned?.prev_content).toEqual(before?.content)
  })

  test('an invite to them does not name them; why somebody banned them is told', async () => {
    await setDisplayName(bob, 'Bob the Builder')
    const room = await alice.createRoom({ preset: 'public_chat', invite: [bob.userId] })
    await bob.join(room)
    await erase(bob)
    await alice.ok('POST', `/_matrix/client/v3/rooms/${enc(room)}/ban`, {
      body: { user_id: bob.userId, reason: 'spam' },
    })
    const late = await comeTo(room, 'late')
    const memberships = async (reader: Client) =>
      (await reader.messages(room, { dir: 'f', limit: 100 })).chunk.filter(
        event => event.state_key === bob.userId,
      )
    const [invite, join, , ban] = await memberships(late)
    expect(invite?.content).toEqual({ membership: 'invite' })
    expect(join?.unsigned).not.toHaveProperty('prev_content')
    expect(ban?.content).toEqual({ membership: 'ban', reason: 'spam' })
    const [before, after] = await memberships(alice)
    expect(before?.content).toMatchObject({ displayname: 'Bob the Builder' })
    expect(after?.unsigned?.prev_content).toEqual(before?.content)
  })

  test('who is left alone in a room is not told in sliding sync what it was called after', async () => {
    const room = await roomOfTwo()
    const there = await comeTo(room, 'there')
    const content = { membership: 'leave', displayname: 'Bob the Builder' }
    await bob.setState(room, 'm.room.member', bob.userId, content)
    await erase(bob)
    const heroesFor = async (reader: Client) => {
      const body = { lists: { all: { ranges: [[0, 9]], timeline_limit: 1, required_state: [] } } }
      const path = '/_matrix/client/unstable/org.matrix.simplified_msc3575/sync'
      const heroes: JsonObject[] = (await reader.ok('POST', path, { body })).rooms[room].heroes
      return heroes.find(hero => hero.user_id === bob.userId)
    }
    await alice.leave(room)
    expect(await heroesFor(there)).toMatchObject({ displayname: 'Bob the Builder' })
    const late = await comeTo(room, 'late')
    await there.leave(room)
    expect(await heroesFor(late)).toEqual({ user_id: bob.userId })
  })

  test('the state of a room is not what somebody has said', async () => {
    const room = await bob.createRoom({ preset: 'public_chat', name: 'A name for all' })
    const algorithm = { algorithm: 'm.megolm.v1.aes-sha2' }
    await bob.setState(room, 'm.room.encryption', '', algorithm)
    await alice.join(room)
    await erase(bob)
    const late = await comeTo(room, 'late')
    expect(await late.state(room, 'm.room.name')).toEqual({ name: 'A name for all' })
    const { chunk } = await late.messages(room, { dir: 'f', limit: 100 })
    const ofType = (type: string) => chunk.find(event => event.type === type)?.content
    expect(ofType('m.room.name')).toEqual({ name: 'A name for all' })
    expect(ofType('m.room.encryption')).toEqual(algorithm)
  })

  test('an edit is not told with what it edits, a reply in a thread without what it said', async () => {
    const room = await roomOfTwo()
    const eventId = await bob.say(room, said.body)
    const root = await alice.say(room, 'a thread begins')
    await bob.send(room, 'm.room.message', {
      ...said,
      'm.new_content': said,
      'm.relates_to': { rel_type: 'm.replace', event_id: eventId },
    })
    await bob.send(room, 'm.room.message', {
      ...said,
      'm.relates_to': { rel_type: 'm.thread', event_id: root },
    })
    await erase(bob)
    const late = await comeTo(room, 'late')
    const relationsFor = async (reader: Client, id: string) =>
      (await reader.event(room, id)).unsigned?.['m.relations'] as JsonObject | undefined
    expect(await relationsFor(late, eventId)).toBeUndefined()
    expect(await relationsFor(alice, eventId)).toHaveProperty(['m.replace'])
    const thread = (await relationsFor(late, root))?.['m.thread']
    expect(thread).toMatchObject({ count: 1, latest_event: { sender: bob.userId, content: {} } })
    expect((await relationsFor(alice, root))?.['m.thread'].latest_event.content).toMatchObject(said)
  })

  test('who went before the last edit is told of the edit that they saw', async () => {
    const room = await roomOfTwo()
    const away = await comeTo(room, 'away')
    const eventId = await bob.say(room, said.body)
    const edit = (body: string) =>
      bob.send(room, 'm.room.message', {
        ...said,
        'm.new_content': { ...said, body },
        'm.relates_to': { rel_type: 'm.replace', event_id: eventId },
      })
    const seen = await edit('second thoughts')
    await away.leave(room)
    const last = await edit('third thoughts')
    await erase(bob)
    await away.join(room)
    const editFor = async (reader: Client) => {
      const relations = (await reader.event(room, eventId)).unsigned?.['m.relations']
      return (relations as JsonObject | undefined)?.['m.replace']?.event_id
    }
    expect(await editFor(away)).toBe(seen)
    expect(await editFor(alice)).toBe(last)
    expect(await editFor(await comeTo(room, 'late'))).toBeUndefined()
  })

  test('why somebody redacted an event is erased, too', async () => {
    const room = await roomOfTwo()
    const eventId = await bob.say(room, 'wrong')
    await bob.redact(room, eventId, { reason: 'a secret' })
    await erase(bob)
    const late = await comeTo(room, 'late')
    const reasonFor = async (reader: Client) => {
      const { redacted_because } = (await reader.event(room, eventId)).unsigned ?? {}
      return (redacted_because as WireEvent).content.reason
    }
    expect(await reasonFor(late)).toBeUndefined()
    expect(await reasonFor(alice)).toBe('a secret')
  })

  test('what is erased is not found any more, and others around it is', async () => {
    await setDisplayName(bob, 'Bob the Builder')
    const room = await roomOfTwo()
    await bob.say(room, 'a needle of bob')
    const needle = await alice.say(room, 'a needle of alice')
    const find = async (reader: Client): Promise<JsonObject> => {
      const room_events = {
        search_term: 'needle',
        filter: { rooms: [room] },
        event_context: { before_limit: 1, after_limit: 0, include_profile: true },
      }
      const body = { search_categories: { room_events } }
      const path = '/_matrix/client/v3/search'
      return (await reader.ok('POST', path, { body })).search_categories.room_events
    }
    expect(await find(alice)).toMatchObject({ count: 2 })
    await erase(bob)
    for (const [reader, body] of [
      [await comeTo(room, 'late'), undefined],
      [alice, 'a needle of bob'],
    ] as const) {
      const { count, results } = await find(reader)
      expect([count, results.length, results[0].result.event_id]).toEqual([1, 1, needle])
      expect(results[0].context.events_before[0].content.body).toBe(body)
      expect(results[0].context.profile_info[bob.userId]).toEqual({})
    }
  })

  test('it holds after a restart', async () => {
    const room = await roomOfTwo()
    const eventId = await bob.say(room, said.body)
    await erase(bob)
    await server.restart()
    const late = await comeTo(room, 'late')
    expect(await contentFor(late, room, eventId)).toEqual({})
    expect(await contentFor(alice, room, eventId)).toEqual(said)
  })

  test.each([[{}], [{ erase: false }]])('%j: nothing is erased', async wish => {
    const room = await roomOfTwo()
    const eventId = await bob.say(room, said.body)
    await close(bob, wish)
    expect(await contentFor(await comeTo(room, 'late'), room, eventId)).toEqual(said)
  })

  test('what is neither true nor false is refused, and the account stays', async () => {
    await expect(close(bob, { erase: 'yes' })).rejects.toMatchObject({ status: 400 })
    expect(await bob.ok('GET', '/_matrix/client/v3/account/whoami')).toMatchObject({
      user_id: bob.userId,
    })
  })
})

describe('POST /_synapse/admin/v1/deactivate/{userId} with erase', () => {
  test('erases, also what was said by who has closed their account long ago', async () => {
    const admin = await server.admin()
    const room = await roomOfTwo()
    const eventId = await bob.say(room, said.body)
    await close(bob, {})
    const between = await comeTo(room, 'between')
    const user = `/_synapse/admin/v2/users/${enc(bob.userId)}`
    expect(await admin.ok('GET', user)).toMatchObject({ deactivated: true, erased: false })
    const path = `/_synapse/admin/v1/deactivate/${enc(bob.userId)}`
    await admin.ok('POST', path, { body: { erase: true } })
    expect(await admin.ok('GET', user)).toMatchObject({ deactivated: true, erased: true })
    const late = await comeTo(room, 'late')
    const assertErased = async () => {
      expect(await contentFor(between, room, eventId)).toEqual(said)
      expect(await contentFor(late, room, eventId)).toEqual({})
    }
    await assertErased()
    // Of two requests the first counts.
    await admin.ok('POST', path, { body: { erase: true } })
    await assertErased()
    await server.restart()
    await assertErased()
  })
})

test('on no path does who comes later find anything of what was erased, and who was there does', async () => {
  const room = await alice.createRoom({ preset: 'public_chat' })
  const space = await alice.createRoom({
    preset: 'public_chat',
    creation_content: { type: 'm.space' },
    initial_state: [{ type: 'm.space.child', state_key: room, content: { via: ['hs1'] } }],
  })
  await setDisplayName(bob, 'erasedmark0')
  await alice.invite(room, bob.userId)
  await bob.join(room)
  const root = await alice.say(room, 'root')
  const text = (n: number) => ({ msgtype: 'm.text', body: `erasedmark${n}` })
  const related = (n: number, rel_type: string, event_id: string) =>
    bob.send(room, 'm.room.message', {
      ...text(n),
      'm.new_content': text(n),
      'm.relates_to': { rel_type, event_id },
    })
  const own = await bob.say(room, text(1).body)
  const wrong = await bob.say(room, text(2).body)
  const eventIds = [
    root,
    own,
    wrong,
    await related(3, 'm.thread', root),
    await related(4, 'm.replace', own),
    await related(5, 'm.reference', root),
    await related(6, 'm.thread', own),
    await bob.send(room, 'm.reaction', {
      'm.relates_to': { rel_type: 'm.annotation', event_id: root, key: 'erasedmark7' },
    }),
    await bob.redact(room, wrong, { reason: 'erasedmark8' }),
  ]
  await alice.say(room, 'after that')
  await erase(bob)
  const late = await comeTo(room, 'late')

  const searched = [1, 3, 6].map(n => text(n).body).join(' or ')
  const seenBy = async (reader: Client) => {
    const seen: string[][] = []
    for (const question of questionsAbout({ room, space, eventIds, searched }, reader.userId)) {
      for (const answer of await ask(reader, question)) {
        expect([question.path, answer.status]).not.toEqual([question.path, 500])
        seen.push(...marksIn(answer, /erasedmark\d/g).map(mark => [mark, question.path]))
      }
    }
    return seen
  }
  expect(await seenBy(late)).toEqual([])
  const found = (await seenBy(alice)).map(([mark]) => mark)
  expect([...new Set(found)].sort()).toEqual([0, 1, 3, 4, 5, 6, 7, 8].map(n => `erasedmark${n}`))
})
