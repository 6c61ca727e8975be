import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

let server: TestServer
let alice: Client
let bob: Client
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  bob = await server.user('bob')
})
afterAll(() => server.stop())

const enc = encodeURIComponent
const rules = '/_matrix/client/v3/pushrules/global'
const rulePath = (kind: string, id: string, part = '') => `${rules}/${kind}/${enc(id)}${part}`

async function sharedRoom(options: JsonObject = {}): Promise<string> {
  const room = await alice.createRoom({ preset: 'public_chat', ...options })
  await bob.join(room)
  return room
}

const threads = JSON.stringify({ room: { timeline: { unread_thread_notifications: true } } })

const shown = (count: JsonObject) => `${count.notification_count}/${count.highlight_count}`

/** `notifications/highlights` that bob's initial sync shows. */
async function counts(room: string): Promise<string> {
  const { rooms } = await bob.sync({ filter: JSON.stringify({ room: { rooms: [room] } }) })
  const { unread_notifications: unread } = (rooms.join?.[room] ?? {}) as JsonObject
  return shown(unread)
}

const read = (who: Client, room: string, eventId: string, body: JsonObject = {}, type = 'm.read') =>
  who.ok('POST', who.roomPath(room, 'receipt', type, eventId), { body })

describe('TestThreadedReceipts: unread_notifications and unread_thread_notifications', () => {
  test('a receipt resets what it speaks of: 6/2, 5/2, 4/2, 2/0, 1/0', async () => {
    const room = await sharedRoom()
    const { next_batch: since } = await bob.sync()
    const say = (body: string, relation?: JsonObject) =>
      alice.send(room, 'm.room.message', {
        msgtype: 'm.text',
        body,
        ...(relation ? { 'm.relates_to': relation } : {}),
      })
    const a = await say('Hello world!')
    const inThread = { rel_type: 'm.thread', event_id: a }
    const b = await say('Start thread!', inThread)
    await say(`Thread response ${bob.userId}!`, inThread)
    const d = await say(`Hello ${bob.userId}!`)
    await say('End thread', inThread)
    const f = await say('Reference!', { rel_type: 'm.reference', event_id: a })
    const g = await alice.send(room, 'm.reaction', {
      'm.relates_to': { rel_type: 'm.annotation', event_id: f, key: 'test' },
    })
    /** As a whole, and with threads told apart; by the same `since`, and from the beginning. */
    async function expectCounts(whole: string, main: string, thread: string | undefined) {
      for (const query of [{ since }, {}]) {
        const together = (await bob.sync(query)).rooms.join?.[room] as unknown as JsonObject
        expect(shown(together.unread_notifications)).toBe(whole)
        expect(together).not.toHaveProperty('unread_thread_notifications')
        const answer = await bob.sync({ ...query, filter: threads })
        const apart = answer.rooms.join?.[room] as unknown as JsonObject
        expect(shown(apart.unread_notifications)).toBe(main)
        const { unread_thread_notifications: byThread } = apart
        expect(byThread && shown(byThread[a])).toBe(thread)
      }
    }
    await expectCounts('6/2', '3/1', '3/1')
    await read(bob, room, a, { thread_id: 'main' })
    await expectCounts('5/2', '2/1', '3/1')
    await read(bob, room, b, { thread_id: a })
    await expectCounts('4/2', '2/1', '2/1')
    await read(bob, room, d)
    await expectCounts('2/0', '1/0', '1/0')
    await read(bob, room, g, { thread_id: a })
    await expectCounts('1/0', '1/0', undefined)
    await server.restart()
    await expectCounts('1/0', '1/0', undefined)
  })

  test('counts go on with each event, and a waiting sync is answered with them', async () => {
    const room = await sharedRoom()
    const { next_batch: since } = await bob.sync()
    const waiting = bob.sync({ since, timeout: 10_000 })
    await server.untilWaiting(1)
    await alice.say(room, 'one')
    expect((await waiting).rooms.join?.[room]).toMatchObject({
      unread_notifications: { notification_count: 1, highlight_count: 0 },
    })
    await alice.say(room, 'two')
    expect(await counts(room)).toBe('2/0')
    const redacted = await alice.say(room, 'three')
    expect(await counts(room)).toBe('3/0')
    await alice.redact(room, redacted)
    expect(await counts(room)).toBe('2/0')
  })

  describe('who writes has read what was there before', () => {
    const inThread = (root: string) => ({
      msgtype: 'm.text',
      body: 'in the thread',
      'm.relates_to': { rel_type: 'm.thread', event_id: root },
    })
    /** Bob's, in the main timeline and in the thread, as they go on and as they are counted anew. */
    async function expectCounts(room: string, main: string, ofThread?: string): Promise<void> {
      for (let i = 0; i < 2; i++) {
        const { rooms } = await bob.sync({ filter: threads })
        const { unread_notifications, unread_thread_notifications } = (rooms.join?.[room] ??
          {}) as JsonObject
        expect(shown(unread_notifications)).toBe(main)
        expect(Object.values(unread_thread_notifications ?? {}).map(shown as never)).toEqual(
          ofThread === undefined ? [] : [ofThread],
        )
        if (i === 0) await server.restart()
      }
    }

    test('in the main timeline, and in a thread: each by itself', async () => {
      const room = await sharedRoom()
      const root = await alice.say(room, 'root')
      await alice.send(room, 'm.room.message', inThread(root))
      await alice.say(room, `for ${bob.userId}`)
      await expectCounts(room, '2/1', '1/0')
      await bob.say(room, 'yes')
      await expectCounts(room, '0/0', '1/0')
      await alice.say(room, 'then')
      await expectCounts(room, '1/0', '1/0')
      const own = await bob.send(room, 'm.room.message', inThread(root))
      await expectCounts(room, '1/0')
      // Nobody knows any more where it was.
      await bob.redact(room, own)
      await expectCounts(room, '1/0', '1/0')
      await bob.send(room, 'm.room.message', inThread(root))
      await expectCounts(room, '1/0')
      await alice.send(room, 'm.room.message', inThread(root))
      await expectCounts(room, '1/0', '1/0')
    })

    test('a reaction is written, too; to a reply, in its thread', async () => {
      const room = await sharedRoom()
      const root = await alice.say(room, 'root')
      const reply = await alice.send(room, 'm.room.message', inThread(root))
      const react = (event_id: string) =>
        bob.send(room, 'm.reaction', {
          'm.relates_to': { rel_type: 'm.annotation', event_id, key: 'x' },
        })
      await react(reply)
      await expectCounts(room, '1/0')
      await react(root)
      await expectCounts(room, '0/0')
    })

    test('a receipt behind it takes nothing back', async () => {
      const room = await sharedRoom()
      const first = await alice.say(room, 'one')
      await alice.say(room, 'two')
      await bob.say(room, 'yes')
      await read(bob, room, first)
      await expectCounts(room, '0/0')
    })

    test('but not who has something sent for them', async () => {
      const room = await sharedRoom({ power_level_content_override: { users_default: 50 } })
      await bob.delay(room, 1_000, 'm.room.message', { msgtype: 'm.text', body: 'later' })
      await alice.say(room, 'one')
      await server.advance(1_000)
      await expectCounts(room, '1/0')
      // What clients keep up by themselves while somebody is in a call.
      await bob.setState(room, 'org.matrix.msc3401.call.member', `_${bob.userId}`, { call: 1 })
      const query = { 'org.matrix.msc4354.sticky_duration_ms': 60_000 }
      const path = bob.roomPath(room, 'send', 'org.matrix.msc4143.rtc.member', 'txn')
      await bob.ok('PUT', path, { query, body: { sticky_key: 'x' } })
      await expectCounts(room, '1/0')
      await bob.redact(room, await alice.say(room, 'two'))
      await expectCounts(room, '1/0')
    })
  })

  test('a private receipt counts as well as a public one; what was before a join does not', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    await alice.say(room, 'before')
    await bob.join(room)
    expect(await counts(room)).toBe('0/0')
    const event = await alice.say(room, 'one')
    await alice.say(room, 'two')
    expect(await counts(room)).toBe('2/0')
    const { next_batch: since } = await bob.sync()
    await read(bob, room, event, {}, 'm.read.private')
    expect((await bob.sync({ since })).rooms.join?.[room]).toMatchObject({
      unread_notifications: { notification_count: 1 },
    })
    await bob.leave(room)
    await alice.say(room, 'while away')
    await bob.join(room)
    expect(await counts(room)).toBe('0/0')
  })

  test('a new name or picture does not make everything read', async () => {
    const room = await sharedRoom()
    await alice.say(room, 'one')
    const path = `/_matrix/client/v3/profile/${enc(bob.userId)}/displayname`
    await bob.ok('PUT', path, { body: { displayname: 'Robert' } })
    expect(await counts(room)).toBe('1/0')
    await alice.say(room, 'Dear robert, hello')
    expect(await counts(room)).toBe('2/1')
  })
})

describe('Push rules: what an event means', () => {
  const message = (content: JsonObject) => ({ msgtype: 'm.text', body: 'x', ...content })

  test.each([
    ['a message', 'm.room.message', message({}), '1/0'],
    ['an encrypted one', 'm.room.encrypted', { algorithm: 'm.megolm.v1.aes-sha2' }, '1/0'],
    ['a notice', 'm.room.message', message({ msgtype: 'm.notice' }), '0/0'],
    ['a reaction', 'm.reaction', {}, '0/0'],
    ['an edit', 'm.room.message', message({ 'm.relates_to': { rel_type: 'm.replace' } }), '0/0'],
    ['@room by who may', 'm.room.message', message({ body: 'Hey @room, hello' }), '1/1'],
    ['the same within a word', 'm.room.message', message({ body: 'me@rooms' }), '1/0'],
    ['a mention of the room', 'm.room.message', message({ 'm.mentions': { room: true } }), '1/1'],
    ['its own kind of call', 'm.call.invite', {}, '1/0'],
    ['an unknown type', 'org.example.x', { body: 'x' }, '0/0'],
  ])('%s', async (_, type, content, expected) => {
    const room = await sharedRoom()
    await alice.send(room, type, content)
    expect(await counts(room)).toBe(expected)
  })

  test('intentional mentions: who is named, and nobody else', async () => {
    const room = await sharedRoom()
    const mention = (user_ids: string[]) =>
      alice.send(room, 'm.room.message', {
        body: `for ${bob.userId} @room`,
        'm.mentions': { user_ids },
      })
    await mention([bob.userId])
    expect(await counts(room)).toBe('1/1')
    await mention([alice.userId])
    expect(await counts(room)).toBe('2/1')
  })

  test('@room takes the power to notify, as it is in the power levels', async () => {
    const room = await sharedRoom()
    const charlie = await server.user('charlie')
    await charlie.join(room)
    await charlie.say(room, '@room')
    expect(await counts(room)).toBe('1/0')
    const levels = await alice.state(room, 'm.room.power_levels')
    await alice.setState(room, 'm.room.power_levels', '', {
      ...levels,
      notifications: { room: 0 },
    })
    await charlie.say(room, '@room')
    expect(await counts(room)).toBe('2/1')
  })

  test('conditions of one’s own, of every kind', async () => {
    const room = await sharedRoom()
    const matching: [string, JsonObject, boolean][] = [
      ['glob', { kind: 'event_match', key: 'content.tag', pattern: 'T?ST*' }, true],
      ['part', { kind: 'event_match', key: 'content.tag', pattern: 'est' }, false],
      ['word', { kind: 'event_match', key: 'content.body', pattern: 'wor*' }, true],
      ['dots', { kind: 'event_match', key: 'content.a\\.b', pattern: 'c' }, true],
      ['is', { kind: 'event_property_is', key: 'content.number', value: 5 }, true],
      ['is not', { kind: 'event_property_is', key: 'content.number', value: '5' }, false],
      ['has', { kind: 'event_property_contains', key: 'content.list', value: null }, true],
      ['has not', { kind: 'event_property_contains', key: 'content.list', value: 2 }, false],
      ['count', { kind: 'room_member_count', is: '>=2' }, true],
      ['fewer', { kind: 'room_member_count', is: '<2' }, false],
      ['power', { kind: 'sender_notification_permission', key: 'room' }, true],
      ['unknown', { kind: 'org.example', key: 'x' }, false],
    ]
    let highlights = 0
    for (const [id, condition, matches] of matching) {
      const body = { actions: ['notify', { set_tweak: 'highlight' }], conditions: [condition] }
      await bob.ok('PUT', rulePath('override', id), { body })
      const content = { body: 'a WORD', tag: 'test', 'a.b': 'c', number: 5, list: [1, null] }
      const event = await alice.send(room, 'org.example.x', content)
      highlights = matches ? 1 : 0
      expect([id, await counts(room)]).toEqual([id, `${highlights}/${highlights}`])
      await read(bob, room, event)
      await bob.ok('DELETE', rulePath('override', id))
    }
  })

  test('a glob cannot keep the server busy', async () => {
    const room = await sharedRoom()
    const body = { actions: ['notify'], pattern: `${'*a'.repeat(100)}b` }
    await bob.ok('PUT', rulePath('content', 'slow'), { body })
    await alice.say(room, 'a'.repeat(20_000))
    expect(await counts(room)).toBe('1/0')
    await bob.ok('DELETE', rulePath('content', 'slow'))
  })
})

describe('TestPushSync: /pushrules/global/{kind}/{ruleId}', () => {
  /** The rules that a waiting sync is woken with. */
  async function woken(change: () => Promise<unknown>) {
    const { next_batch: since } = await bob.sync()
    const waiting = bob.sync({ since, timeout: 10_000 })
    await server.untilWaiting(1)
    await change()
    const { account_data } = await waiting
    return account_data.events.find(event => event.type === 'm.push_rules')?.content.global
  }

  test('adding, switching off and on, and changing actions each wake with all rules', async () => {
    const room = await sharedRoom()
    const path = rulePath('room', room)
    const body = { actions: ['notify'] }
    const added = await woken(() => bob.ok('PUT', path, { body }))
    expect(added.room).toEqual([{ rule_id: room, default: false, enabled: true, ...body }])
    const off = await woken(() => bob.ok('PUT', `${path}/enabled`, { body: { enabled: false } }))
    expect(off.room).toMatchObject([{ rule_id: room, enabled: false }])
    await woken(() => bob.ok('PUT', `${path}/enabled`, { body: { enabled: true } }))
    const actions = { actions: ['dont_notify'] }
    const changed = await woken(() => bob.ok('PUT', `${path}/actions`, { body: actions }))
    expect(changed.room).toMatchObject([{ rule_id: room, enabled: true, ...actions }])
    expect(changed.override.length).toBeGreaterThan(10)
    expect(await bob.ok('GET', `${path}/actions`)).toEqual(actions)
    expect(await bob.ok('GET', `${path}/enabled`)).toEqual({ enabled: true })
    const gone = await woken(() => bob.ok('DELETE', path))
    expect(gone.room).toEqual([])
    const { account_data: initial } = await bob.sync()
    expect(initial.events).toContainEqual({ type: 'm.push_rules', content: { global: gone } })
  })

  test('TestPushRuleCacheHealth: a deprecated action is kept to the letter', async () => {
    const path = rulePath('sender', alice.userId)
    await bob.ok('PUT', path, { body: { actions: ['dont_notify'] } })
    const { global } = await bob.ok('GET', '/_matrix/client/v3/pushrules/')
    expect(global.sender).toEqual([
      { rule_id: alice.userId, default: false, enabled: true, actions: ['dont_notify'] },
    ])
    const room = await sharedRoom()
    await alice.say(room, 'not for bob')
    expect(await counts(room)).toBe('0/0')
    await bob.ok('DELETE', path)
    expect(await counts(room)).toBe('1/0')
  })

  test('TestPollsLocalPushRules: the rules for polls, those for two before the others', async () => {
    const { global } = await bob.ok('GET', '/_matrix/client/v3/pushrules/')
    const ids = global.underride.map((rule: JsonObject) => rule.rule_id)
    const poll = (what: string) => `.org.matrix.msc3930.rule.poll_${what}`
    expect(await bob.ok('GET', rulePath('override', poll('response')))).toEqual({
      rule_id: poll('response'),
      default: true,
      enabled: true,
      conditions: [
        { kind: 'event_match', key: 'type', pattern: 'org.matrix.msc3381.poll.response' },
      ],
      actions: [],
    })
    for (const what of ['start', 'end']) {
      const [ofTwo, others] = [poll(`${what}_one_to_one`), poll(what)]
      expect(ids.indexOf(ofTwo)).toBeGreaterThan(-1)
      expect(ids.indexOf(ofTwo)).toBeLessThan(ids.indexOf(others))
      expect(await bob.ok('GET', rulePath('underride', ofTwo))).toMatchObject({
        actions: ['notify', { set_tweak: 'sound', value: 'default' }],
        conditions: [
          { kind: 'room_member_count', is: '2' },
          { kind: 'event_match', key: 'type', pattern: `org.matrix.msc3381.poll.${what}` },
        ],
      })
    }
  })

  test('a new rule comes first, or where it is told; written over, it stays', async () => {
    const put = (id: string, query: JsonObject = {}, actions: string[] = []) =>
      bob.ok('PUT', rulePath('override', id), { body: { actions, conditions: [] }, query })
    const own = async () => {
      const { override } = await bob.ok('GET', rules)
      const all = override.map((rule: JsonObject) => rule.rule_id)
      expect(all[0]).toBe('.m.rule.master')
      return all.slice(1, all.indexOf('.m.rule.suppress_notices')).join()
    }
    for (const id of ['a', 'b']) await put(id)
    expect(await own()).toBe('b,a')
    await put('c', { after: 'b' })
    await put('d', { before: 'b' })
    expect(await own()).toBe('d,b,c,a')
    await bob.ok('PUT', rulePath('override', 'c', '/enabled'), { body: { enabled: false } })
    await put('c', {}, ['notify'])
    expect(await own()).toBe('d,b,c,a')
    expect(await bob.ok('GET', rulePath('override', 'c'))).toMatchObject({
      enabled: false,
      actions: ['notify'],
    })
    await put('a', { before: 'd' })
    expect(await own()).toBe('a,d,b,c')
    expect(await refusal(put('e', { before: 'nothing' }))).toMatchObject({ status: 404 })
    for (const id of ['a', 'b', 'c', 'd']) await bob.ok('DELETE', rulePath('override', id))
  })

  test('a predefined rule can be switched off and given other actions, not removed', async () => {
    const path = rulePath('underride', '.m.rule.message')
    await bob.ok('PUT', `${path}/enabled`, { body: { enabled: false } })
    const room = await sharedRoom()
    await (await server.user('charlie')).join(room)
    await alice.say(room, 'hello')
    expect(await counts(room)).toBe('0/0')
    await bob.ok('PUT', `${path}/enabled`, { body: { enabled: true } })
    const actions = ['notify', { set_tweak: 'highlight' }]
    await bob.ok('PUT', `${path}/actions`, { body: { actions } })
    expect(await counts(room)).toBe('1/1')
    await bob.ok('PUT', `${path}/actions`, { body: { actions: ['notify'] } })
    expect(await refusal(bob.ok('DELETE', path))).toMatchObject({
      status: 400,
      errcode: 'M_INVALID_PARAM',
    })
  })

  test.each([
    ['GET', 'postcontent', 'x', undefined, 404, 'M_NOT_FOUND'],
    ['GET', 'override', 'unknown', undefined, 404, 'M_NOT_FOUND'],
    ['PUT', 'postcontent', 'x', { actions: [] }, 400, 'M_INVALID_PARAM'],
    ['PUT', 'override', '.mine', { actions: [] }, 400, 'M_INVALID_PARAM'],
    ['PUT', 'override', 'a/b', { actions: [] }, 400, 'M_INVALID_PARAM'],
    ['PUT', 'room', 'x', { actions: [] }, 400, 'M_INVALID_PARAM'],
    ['PUT', 'sender', 'x', { actions: [] }, 400, 'M_INVALID_PARAM'],
    ['PUT', 'content', 'x', { actions: [] }, 400, 'M_INVALID_PARAM'],
    ['PUT', 'override', 'x', {}, 400, 'M_MISSING_PARAM'],
    ['PUT', 'override', 'x', { actions: ['shout'] }, 400, 'M_BAD_JSON'],
    ['PUT', 'override', 'x', { actions: 'notify' }, 400, 'M_BAD_JSON'],
    ['PUT', 'override', 'x', { actions: [], conditions: [1] }, 400, 'M_BAD_JSON'],
    ['PUT', 'content', 'x', { actions: [], pattern: 'x'.repeat(5000) }, 400, 'M_INVALID_PARAM'],
    ['PUT', 'override', 'unknown/enabled', { enabled: true }, 404, 'M_NOT_FOUND'],
    ['DELETE', 'override', 'unknown', undefined, 404, 'M_NOT_FOUND'],
  ])('%s %s/%s is refused, and writes nothing', async (method, kind, id, body, status, errcode) => {
    const before = await server.rowCounts()
    const path = id.endsWith('/enabled')
      ? rulePath(kind, id.replace('/enabled', ''), '/enabled')
      : rulePath(kind, id)
    expect(await refusal(bob.ok(method, path, { body }))).toMatchObject({ status, errcode })
    expect(await server.rowCounts()).toEqual(before)
  })

  // With one of these among them ruma, of which Element X is made, reads none of a user's rules.
  test.each<JsonObject>([
    { conditions: [{ kind: 'event_match', key: 'type' }] },
    { conditions: [{ kind: 'event_match', key: 'type', pattern: 5 }] },
    { conditions: [{ kind: 'event_property_is', key: 'content.x', value: 0.5 }] },
    { conditions: [{ kind: 'event_property_contains', key: 'content.x', value: {} }] },
    { conditions: [{ kind: 'room_member_count', is: 'two' }] },
    { conditions: [{ kind: 'sender_notification_permission' }] },
    { actions: [{ set_tweak: 'sound' }] },
    { actions: [{ set_tweak: 'sound', value: 5 }] },
    { actions: [{ set_tweak: 'highlight', value: 'yes' }] },
  ])('a rule that lacks what it needs is refused: %j', async rule => {
    const body = { actions: [], ...rule }
    expect(await refusal(bob.ok('PUT', rulePath('override', 'x'), { body }))).toMatchObject({
      status: 400,
      errcode: 'M_BAD_JSON',
    })
  })
})

test('GET /notifications: what was notified of, latest first, with what has been read', async () => {
  const dave = await server.user('dave')
  const room = await alice.createRoom({ preset: 'public_chat' })
  await dave.join(room)
  const first = await alice.say(room, 'one')
  await alice.send(room, 'm.reaction', {})
  const second = await alice.say(room, `two, ${dave.userId}`)
  await read(dave, room, first)
  const path = '/_matrix/client/v3/notifications'
  const all = await dave.ok('GET', path)
  expect(all).toMatchObject({
    notifications: [
      { room_id: room, read: false, event: { event_id: second }, ts: server.now() },
      { room_id: room, read: true, event: { event_id: first } },
    ],
  })
  expect(all).not.toHaveProperty('next_token')
  expect(all.notifications[0].actions).toContainEqual({ set_tweak: 'highlight' })
  const page = await dave.ok('GET', path, { query: { limit: 1 } })
  expect(page.notifications).toMatchObject([{ event: { event_id: second } }])
  const next = await dave.ok('GET', path, { query: { limit: 1, from: page.next_token } })
  expect(next.notifications).toMatchObject([{ event: { event_id: first } }])
  const highlights = await dave.ok('GET', path, { query: { only: 'highlight' } })
  expect(highlights.notifications).toMatchObject([{ event: { event_id: second } }])
  expect(await refusal(dave.ok('GET', path, { query: { from: 'x' } }))).toMatchObject({
    status: 400,
    errcode: 'M_INVALID_PARAM',
  })
})

test('GET /notifications: what one has answered is read', async () => {
  const room = await sharedRoom()
  const first = await alice.say(room, 'one')
  await bob.say(room, 'yes')
  const second = await alice.say(room, 'two')
  const { notifications } = await bob.ok('GET', '/_matrix/client/v3/notifications')
  const ofRoom = notifications.filter((one: JsonObject) => one.room_id === room)
  expect(ofRoom).toMatchObject([
    { read: false, event: { event_id: second } },
    { read: true, event: { event_id: first } },
  ])
})

test('GET /notifications: what refers to a reply is read with its thread, not with the main timeline', async () => {
  const room = await sharedRoom()
  const say = (body: string, rel_type: string, event_id: string) =>
    alice.send(room, 'm.room.message', {
      msgtype: 'm.text',
      body,
      'm.relates_to': { rel_type, event_id },
    })
  const root = await alice.say(room, 'root')
  const reply = await say('reply', 'm.thread', root)
  const reference = await say('reference', 'm.reference', reply)
  const further = await say('further', 'm.reference', reference)
  const last = await alice.say(room, 'last')
  const areRead = async () => {
    const { notifications } = await bob.ok('GET', '/_matrix/client/v3/notifications')
    const ofRoom = notifications.filter((one: JsonObject) => one.room_id === room)
    const marks = ofRoom.map((one: JsonObject) => [one.event.event_id, one.read])
    return [root, reply, reference, further, last].map(id => Object.fromEntries(marks)[id])
  }
  await read(bob, room, last, { thread_id: 'main' })
  expect(await areRead()).toEqual([true, false, false, false, true])
  await read(bob, room, reference, { thread_id: root })
  expect(await areRead()).toEqual([true, true, true, false, true])
})
