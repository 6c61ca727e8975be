import type { Answer, Client } from '../support/client.ts'
import { gist } from '../support/refusals.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

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

const versions = Array.from({ length: 12 }, (_, i) => String(i + 1))
const v3 = '/_matrix/client/v3'

async function makeRoom(version: string, extra: JsonObject = {}): Promise<string> {
  const room = await alice.createRoom({ preset: 'public_chat', room_version: version, ...extra })
  await bob.join(room)
  return room
}

/** Ask much of a room whose state is odd. @returns the requests that the server broke at */
async function useRoom(room: string): Promise<string[]> {
  const broken: string[] = []
  let eventId = '$none'
  const ask = async (client: Client, method: string, path: string, body?: JsonObject) => {
    const answer = await client.request(method, path, { body })
    if (answer.status >= 500) broken.push(`${method} ${path}: ${answer.text}`)
    return answer
  }
  const at = (...parts: string[]) => alice.roomPath(room, ...parts)
  for (const client of [alice, bob]) {
    const txnId = client.nextTransactionId()
    const sent = await ask(client, 'PUT', at('send', 'm.room.message', txnId), { body: 'x' })
    eventId = sent.body.event_id ?? eventId
  }
  await ask(alice, 'PUT', at('redact', eventId, alice.nextTransactionId()), {})
  await ask(alice, 'PUT', at('state', 'm.room.topic'), { topic: 'x' })
  await ask(charlie, 'POST', at('join'), {})
  await ask(charlie, 'POST', `${v3}/knock/${encodeURIComponent(room)}`, {})
  await ask(alice, 'POST', at('invite'), { user_id: charlie.userId })
  await ask(alice, 'POST', at('kick'), { user_id: charlie.userId })
  for (const part of ['state', 'members', 'joined_members', 'messages', 'aliases']) {
    await ask(alice, 'GET', at(part))
  }
  await ask(alice, 'GET', at('context', eventId))
  await ask(alice, 'GET', `${v3}/publicRooms`)
  for (const client of [alice, charlie]) {
    await ask(client, 'GET', `${v3}/sync?filter={"room":{"rooms":["${room}"]}}`)
  }
  return broken
}

const setState = (client: Client, room: string, type: string, key: string, content: JsonObject) =>
  client.request('PUT', client.roomPath(room, 'state', type, key), { body: content })

/** JSON text, for what a JavaScript object cannot hold. */
const raw = (json: string) => JSON.parse(json) as JsonObject

describe.each(versions)('m.room.power_levels of a wrong shape, in room version %s', version => {
  const takesText = Number(version) < 10
  const malformed = '400 M_BAD_JSON'
  const text = takesText ? '200' : malformed
  const wrong: [string, (own: JsonObject) => JsonObject, string][] = [
    ['users: 1', () => ({ users: 1 }), malformed],
    ['users: []', () => ({ users: [] }), malformed],
    ['users: null', () => ({ users: null }), malformed],
    ['users: "x"', () => ({ users: 'x' }), malformed],
    ['a user at "x"', () => ({ users: { '@x:hs1': 'x' } }), malformed],
    ['a user at {}', () => ({ users: { '@x:hs1': {} } }), malformed],
    ['a user who is none', () => ({ users: { x: 1 } }), malformed],
    ['a user __proto__', () => ({ users: raw('{"__proto__":1}') }), malformed],
    ['a user at "1"', users => ({ users: { ...users, '@x:hs1': '1' } }), text],
    ['a user at " +1 "', users => ({ users: { ...users, '@x:hs1': ' +1 ' } }), text],
    ['a user at 1.5', users => ({ users: { ...users, '@x:hs1': 1.5 } }), malformed],
    ['a user at 2^53', users => ({ users: { ...users, '@x:hs1': 2 ** 53 } }), malformed],
    ['events: []', () => ({ events: [] }), malformed],
    ['events: 1', () => ({ events: 1 }), malformed],
    ['an event at "x"', () => ({ events: { 'm.room.name': 'x' } }), malformed],
    ['an event at "50"', users => ({ users, events: { 'm.room.name': '50' } }), text],
    ['an event __proto__', users => ({ users, events: raw('{"__proto__":50}') }), '200'],
    ['notifications: 1', () => ({ notifications: 1 }), malformed],
    ['redact: "x"', () => ({ redact: 'x' }), malformed],
    ['redact: "50"', users => ({ users, redact: '50' }), text],
    ['redact: null', () => ({ redact: null }), malformed],
    ['ban: {}', () => ({ ban: {} }), malformed],
    ['kick: []', () => ({ kick: [] }), malformed],
    ['invite: true', () => ({ invite: true }), malformed],
    ['state_default: ""', () => ({ state_default: '' }), malformed],
    ['users_default: -1.5', () => ({ users_default: -1.5 }), malformed],
    ['nothing at all', () => ({}), '200'],
  ]

  test('is refused, and what is taken breaks nothing', async () => {
    // From version 12 on the creator stands above the levels and may not be among them.
    const own = version === '12' ? {} : { [alice.userId]: 100 }
    let room = await makeRoom(version)
    for (const [what, content, expected] of wrong) {
      const answer = await setState(alice, room, 'm.room.power_levels', '', content(own))
      expect({ what, gist: gist(answer) }).toEqual({ what, gist: expected })
      if (answer.status !== 200) continue
      expect({ what, broken: await useRoom(room) }).toEqual({ what, broken: [] })
      room = await makeRoom(version)
    }
  })
})

/** State that is as good as free: whatever it holds, nothing may break at it later. */
const odd: Record<string, JsonObject[]> = {
  'm.room.join_rules': [
    {},
    { join_rule: 1 },
    { join_rule: null },
    { join_rule: { a: 1 } },
    { join_rule: 'odd' },
    { join_rule: 'restricted' },
    { join_rule: 'restricted', allow: 1 },
    { join_rule: 'restricted', allow: [1, null, {}, [], { type: 1 }] },
    { join_rule: 'restricted', allow: [{ type: 'm.room_membership' }] },
    { join_rule: 'restricted', allow: [{ type: 'm.room_membership', room_id: 1 }] },
    { join_rule: 'restricted', allow: [{ type: 'm.room_membership', room_id: '!\0:hs1' }] },
    { join_rule: 'knock_restricted', allow: [{ type: 'm.room_membership', room_id: '' }] },
    { join_rule: 'public' },
  ],
  'm.room.history_visibility': [
    {},
    { history_visibility: 1 },
    { history_visibility: null },
    { history_visibility: [] },
    { history_visibility: { a: 1 } },
    { history_visibility: 'odd' },
  ],
  'm.room.guest_access': [{}, { guest_access: 1 }, { guest_access: [] }],
  'm.room.name': [{}, { name: 1 }, { name: {} }, { name: null }, { name: '\0' }],
  'm.room.topic': [{ topic: 1 }, { topic: [] }, { 'm.topic': 1 }],
  'm.room.avatar': [{ url: 1 }, { url: {} }, { url: '\0', info: 1 }],
  'm.room.encryption': [{}, { algorithm: 1 }, { algorithm: '' }],
  'm.room.server_acl': [{ allow: 1 }, { allow: [1], deny: {} }],
  'm.room.tombstone': [{ body: 1, replacement_room: 1 }],
  'm.room.pinned_events': [{ pinned: 1 }, { pinned: [1] }],
  'm.room.aliases': [{ aliases: 1 }, { aliases: [1] }],
  'm.room.third_party_invite': [{}, { public_key: 1, public_keys: 1 }, { public_keys: [1, {}] }],
  'm.room.redaction': [{}, { redacts: 1 }, { redacts: '$\0' }, { redacts: '' }],
  'm.space.child': [{ via: 1 }],
  'org.matrix.msc3401.call.member': [{ memberships: 1 }],
  constructor: [{ constructor: 1 }],
  'x\u{10ffff}': [raw('{"__proto__":{"membership":"join"},"":{"a":null}}')],
}

describe.each(['1', '8', '12'])('State of a wrong shape, in room version %s', version => {
  test.each(Object.entries(odd))(
    '%s is kept as it is, and breaks nothing',
    async (type, contents) => {
      const room = await makeRoom(version)
      for (const content of contents) {
        for (const key of ['', 'hs1']) {
          const answer = await setState(alice, room, type, key, content)
          expect([200, 403]).toContain(answer.status)
          if (answer.status === 200) expect(await alice.state(room, type, key)).toEqual(content)
        }
        const isLast = content === contents.at(-1)
        const isLookedAt = /join_rules|visibility/.test(type)
        if (isLast || isLookedAt) expect(await useRoom(room)).toEqual([])
      }
    },
  )
})

describe('PUT /rooms/{roomId}/state/m.room.canonical_alias/: what is no alias', () => {
  test.each<[string, JsonObject, string]>([
    ['a number', { alias: 1 }, '400 M_INVALID_PARAM'],
    ['an object', { alias: {} }, '400 M_INVALID_PARAM'],
    ['a word', { alias: 'x' }, '400 M_INVALID_PARAM'],
    ['with NUL', { alias: '#\0:hs1' }, '400 M_INVALID_PARAM'],
    ['unknown', { alias: '#unknown:hs1' }, '400 M_BAD_ALIAS'],
    ['alternatives that are no list', { alt_aliases: 'x' }, '400 M_INVALID_PARAM'],
    ['an object of alternatives', { alt_aliases: {} }, '400 M_INVALID_PARAM'],
    ['a number among the alternatives', { alt_aliases: [1] }, '400 M_INVALID_PARAM'],
    ['an unknown alternative', { alt_aliases: ['#unknown:hs1'] }, '400 M_BAD_ALIAS'],
  ])('%s', async (_, content, expected) => {
    const room = await makeRoom('11')
    const before = await server.rowCounts()
    const answer = await setState(alice, room, 'm.room.canonical_alias', '', content)
    expect(gist(answer)).toBe(expected)
    expect(await server.rowCounts()).toEqual(before)
  })
})

describe.each(['1', '7', '11', '12'])('PUT …/state/m.room.member, in room version %s', version => {
  const memberships = [undefined, null, 1, true, {}, [], ['join']]
  const signed = [1, null, {}, { mxid: 1 }, { mxid: '@x:hs1', token: 1 }]

  test('a membership that is no text is 400 M_BAD_JSON, an unknown one 403', async () => {
    const room = await makeRoom(version)
    const before = await server.rowCounts()
    const put = (membership: unknown) =>
      setState(alice, room, 'm.room.member', alice.userId, { membership } as JsonObject)
    for (const membership of memberships) {
      expect(gist(await put(membership))).toBe('400 M_BAD_JSON')
    }
    for (const membership of ['', 'odd', 'JOIN', 'join\0', '__proto__', 'constructor']) {
      expect(gist(await put(membership))).toBe('403 M_FORBIDDEN')
    }
    expect(await server.rowCounts()).toEqual(before)
  })

  test('the membership of what is no user is refused', async () => {
    const room = await makeRoom(version)
    const before = await server.rowCounts()
    for (const key of ['', 'x', '@', '@x', '@x:', '!x:hs1', '__proto__']) {
      const answer = await setState(alice, room, 'm.room.member', key, { membership: 'invite' })
      expect(gist(answer)).toBe('400 M_INVALID_PARAM')
    }
    expect(await server.rowCounts()).toEqual(before)
  })

  test('a third-party invite of a wrong shape is refused', async () => {
    const room = await makeRoom(version)
    await setState(alice, room, 'm.room.third_party_invite', 'token', { public_keys: [1] })
    const before = await server.rowCounts()
    const blocks = [1, null, 'x', [], {}, ...signed.map(block => ({ signed: block }))]
    const whole = { signed: { mxid: charlie.userId, token: 'token', signatures: 1 } }
    const nul = { signed: { mxid: charlie.userId, token: '\0', signatures: {} } }
    for (const third_party_invite of [...blocks, whole, nul]) {
      const content = { membership: 'invite', third_party_invite } as JsonObject
      const answer = await setState(alice, room, 'm.room.member', charlie.userId, content)
      expect(gist(answer)).toBe('403 M_FORBIDDEN')
    }
    expect(await server.rowCounts()).toEqual(before)
  })

  test('names that are no text are not passed off as names', async () => {
    const room = await makeRoom(version)
    const content = { membership: 'join', displayname: { a: 1 }, avatar_url: 1 }
    expect(gist(await setState(alice, room, 'm.room.member', alice.userId, content))).toBe('200')
    const { joined } = await bob.ok('GET', bob.roomPath(room, 'joined_members'))
    expect(joined[alice.userId]).toEqual({ display_name: null, avatar_url: null })
    expect(await useRoom(room)).toEqual([])
  })
})

describe.each(versions)('Message events of a wrong shape, in room version %s', version => {
  const contents: JsonObject[] = [
    { 'm.relates_to': 1 },
    { 'm.relates_to': null },
    { 'm.relates_to': [] },
    { 'm.relates_to': { event_id: 1, rel_type: [] } },
    { 'm.relates_to': { event_id: '$\0', rel_type: '\0' } },
    { 'm.relates_to': { event_id: `$${'x'.repeat(300)}`, rel_type: 'x'.repeat(300) } },
    { 'm.relates_to': { 'm.in_reply_to': 1 } },
    { 'm.relates_to': { 'm.in_reply_to': { event_id: {} } }, 'm.mentions': 1 },
    { url: 1, body: {}, msgtype: [], 'm.new_content': 1 },
    raw('{"__proto__":{"url":"x"},"constructor":{},"":{"\\u0000":"\\u0000"}}'),
  ]

  test('are kept as they are, and break nothing', async () => {
    const room = await makeRoom(version)
    for (const type of ['m.room.message', 'm.reaction', 'm.room.redaction', 'constructor']) {
      for (const content of contents) {
        const eventId = await alice.send(room, type, content)
        const event = await alice.ok('GET', alice.roomPath(room, 'event', eventId))
        expect(event.content).toEqual(content)
      }
    }
    expect(await useRoom(room)).toEqual([])
  })

  test('of the types that make a room are not believed', async () => {
    const room = await makeRoom(version)
    const put = (type: string, content: JsonObject): Promise<Answer> =>
      alice.request('PUT', alice.roomPath(room, 'send', type, alice.nextTransactionId()), {
        body: content,
      })
    const before = await server.rowCounts()
    for (const type of ['m.room.create', 'm.room.member']) {
      expect(gist(await put(type, { membership: 'join', creator: 'x' }))).toMatch(/^40[03]/)
    }
    expect(await server.rowCounts()).toEqual(before)
    await put('m.room.power_levels', { users: {} })
    await put('m.room.join_rules', { join_rule: 'invite' })
    expect(await useRoom(room)).toEqual([])
    expect(await alice.state(room, 'm.room.join_rules')).toEqual({ join_rule: 'public' })
  })

  test('redactions of odd ids', async () => {
    const room = await makeRoom(version)
    for (const redacts of [1, null, '', 'x', '$', '$\0', `$${'x'.repeat(300)}`, '$x:hs1', {}]) {
      await alice.send(room, 'm.room.redaction', { redacts })
    }
    const before = await server.rowCounts()
    for (const eventId of ['$x', '$x:hs1', '$\u{10ffff}', `$${'x'.repeat(254)}`]) {
      const path = alice.roomPath(room, 'redact', eventId, alice.nextTransactionId())
      expect(gist(await alice.request('PUT', path, { body: {} }))).toBe('404 M_NOT_FOUND')
    }
    expect(await server.rowCounts()).toEqual(before)
    expect(await useRoom(room)).toEqual([])
  })
})
