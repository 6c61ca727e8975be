import { type Client, refusal } from '../support/client.ts'
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

const enc = encodeURIComponent
const v3 = '/_matrix/client/v3'

async function upgrade(client: Client, room: string, body: JsonObject): Promise<string> {
  const answer = await client.ok('POST', client.roomPath(room, 'upgrade'), { body })
  return String(answer.replacement_room)
}

const upgradeTo = (client: Client, room: string, version: string) =>
  upgrade(client, room, { new_version: version })

describe('POST /rooms/{roomId}/upgrade', () => {
  test('the two rooms name each other', async () => {
    const old = await alice.createRoom({ room_version: '10' })
    const last = await alice.say(old, 'the end')
    const successor = await upgradeTo(alice, old, '11')
    expect(await alice.state(old, 'm.room.tombstone')).toEqual({
      body: 'This room has been replaced',
      replacement_room: successor,
    })
    expect(await alice.state(successor, 'm.room.create')).toEqual({
      room_version: '11',
      predecessor: { room_id: old, event_id: last },
    })
  })

  test('the state that makes the room what it is goes along, all else stays', async () => {
    const kept: Record<string, JsonObject> = {
      'm.room.join_rules': { join_rule: 'knock' },
      'm.room.history_visibility': { history_visibility: 'invited' },
      'm.room.guest_access': { guest_access: 'forbidden' },
      'm.room.encryption': { algorithm: 'm.megolm.v1.aes-sha2' },
      'm.room.server_acl': { allow: ['*'], deny: ['evil.example'] },
      'm.room.name': { name: 'The room' },
      'm.room.topic': { topic: 'It' },
      'm.room.avatar': { url: 'mxc://hs1/abc' },
    }
    const initial = Object.entries(kept).map(([type, content]) => ({ type, content }))
    const old = await alice.createRoom({
      room_version: '10',
      initial_state: [...initial, { type: 'm.test', content: { here: 'only' } }],
      power_level_content_override: { users: { [alice.userId]: 100, [bob.userId]: 42 } },
    })
    await alice.ban(old, charlie.userId, { reason: 'noise' })
    const successor = await upgradeTo(alice, old, '11')
    for (const [type, content] of Object.entries(kept)) {
      expect([type, await alice.state(successor, type)]).toEqual([type, content])
    }
    const levels = await alice.state(successor, 'm.room.power_levels')
    expect(levels.users).toEqual({ [alice.userId]: 100, [bob.userId]: 42 })
    expect(await alice.state(successor, 'm.room.member', charlie.userId)).toEqual({
      membership: 'ban',
      reason: 'noise',
    })
    expect((await refusal(alice.state(successor, 'm.test'))).status).toBe(404)
  })

  test('a space stays one, with its children', async () => {
    const child = await alice.createRoom()
    const gone = await alice.createRoom()
    const space = await alice.createRoom({ creation_content: { type: 'm.space' } })
    await alice.setState(space, 'm.space.child', child, { via: ['hs1'], suggested: true })
    await alice.setState(space, 'm.space.child', gone, { via: ['hs1'] })
    await alice.setState(space, 'm.space.child', gone, {})
    const successor = await upgradeTo(alice, space, '11')
    expect((await alice.state(successor, 'm.room.create')).type).toBe('m.space')
    expect(await alice.state(successor, 'm.space.child', child)).toEqual({
      via: ['hs1'],
      suggested: true,
    })
    expect((await refusal(alice.state(successor, 'm.space.child', gone))).status).toBe(404)
  })

  test('aliases lead to the new room, and it takes the place in the room list', async () => {
    const old = await alice.createRoom({ visibility: 'public', room_alias_name: 'moving' })
    const other = `${v3}/directory/room/${enc('#moving-too:hs1')}`
    await alice.ok('PUT', other, { body: { room_id: old } })
    const successor = await upgradeTo(alice, old, '11')
    expect((await alice.ok('GET', other)).room_id).toBe(successor)
    expect(await alice.state(successor, 'm.room.canonical_alias')).toEqual({ alias: '#moving:hs1' })
    expect(await alice.state(old, 'm.room.canonical_alias')).toEqual({})
    const { chunk } = await alice.ok('GET', `${v3}/publicRooms`)
    const listed = (chunk as JsonObject[]).map(room => room.room_id)
    expect(listed).toContain(successor)
    expect(listed).not.toContain(old)
  })

  test('in the old room only moderators speak and invite from then on', async () => {
    const old = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(old)
    await upgradeTo(alice, old, '11')
    const levels = await alice.state(old, 'm.room.power_levels')
    expect([levels.events_default, levels.invite]).toEqual([50, 50])
    expect((await refusal(bob.say(old, 'still here'))).errcode).toBe('M_FORBIDDEN')
  })

  test('the levels that were strings become integers', async () => {
    const users = { [alice.userId]: ' 100 ', [bob.userId]: '+50' }
    const old = await alice.createRoom({
      room_version: '9',
      power_level_content_override: { users, kick: '60' },
    })
    const levels = await alice.state(await upgradeTo(alice, old, '10'), 'm.room.power_levels')
    expect(levels.users).toEqual({ [alice.userId]: 100, [bob.userId]: 50 })
    expect(levels.kick).toBe(60)
  })

  test('from version 12 back to 11: who outranked all stands above all', async () => {
    const old = await alice.createRoom({ room_version: '12' })
    const levels = await alice.state(await upgradeTo(alice, old, '11'), 'm.room.power_levels')
    expect(levels.users).toEqual({ [alice.userId]: 150 })
  })

  test('an unknown version is 400 M_UNSUPPORTED_ROOM_VERSION', async () => {
    const room = await alice.createRoom()
    expect(await refusal(upgradeTo(alice, room, '1000'))).toMatchObject({
      status: 400,
      errcode: 'M_UNSUPPORTED_ROOM_VERSION',
    })
  })

  test('who may not send the tombstone is refused, and nothing is made', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    const before = await server.rowCounts()
    for (const client of [bob, charlie]) {
      expect((await refusal(upgradeTo(client, room, '11'))).errcode).toBe('M_FORBIDDEN')
    }
    const nowhere = await refusal(upgradeTo(charlie, '!nowhere:hs1', '11'))
    expect([nowhere.status, nowhere.errcode]).toEqual([403, 'M_FORBIDDEN'])
    expect(await server.rowCounts()).toEqual(before)
  })

  test('numbers that the new version cannot hold are cut to those that it can', async () => {
    const old = await alice.createRoom({
      room_version: '5',
      creation_content: { type: 'm.space' },
      power_level_content_override: { 'org.example.weight': 1.5, notifications: { room: 30 } },
    })
    const child = await alice.createRoom()
    await alice.setState(old, 'm.room.topic', '', { topic: 'x', nested: [{ half: -0.5 }, 2.5] })
    await alice.setState(old, 'm.room.server_acl', '', { allow: ['*'], weight: 1e300 })
    await alice.setState(old, 'm.space.child', child, { via: ['hs1'], order: '1', weight: 7.9 })
    const successor = await upgradeTo(alice, old, '11')
    expect(await alice.state(successor, 'm.room.topic')).toEqual({
      topic: 'x',
      nested: [{ half: 0 }, 2],
    })
    expect(await alice.state(successor, 'm.room.server_acl')).toEqual({
      allow: ['*'],
      weight: Number.MAX_SAFE_INTEGER,
    })
    expect(await alice.state(successor, 'm.space.child', child)).toEqual({
      via: ['hs1'],
      order: '1',
      weight: 7,
    })
    const levels = await alice.state(successor, 'm.room.power_levels')
    expect(levels).toMatchObject({ 'org.example.weight': 1, notifications: { room: 30 } })
    // A version that can hold them keeps them as they are.
    const other = await alice.createRoom({ room_version: '4' })
    await alice.setState(other, 'm.room.topic', '', { topic: 'x', half: 0.5 })
    const same = await upgradeTo(alice, other, '5')
    expect(await alice.state(same, 'm.room.topic')).toEqual({ topic: 'x', half: 0.5 })
  })

  test('what cannot be set there at all stays behind, and keeps nothing else back', async () => {
    const longer = await server.user('a'.repeat(150))
    const old = await alice.createRoom({
      name: 'kept',
      preset: 'public_chat',
      power_level_content_override: { users: { [alice.userId]: 100, [longer.userId]: 100 } },
    })
    await longer.join(old)
    // With the name of alice it just fits into an event.
    await alice.setState(old, 'm.room.topic', '', { topic: 'x'.repeat(64_900) })
    await alice.setState(old, 'm.space.child', alice.userId, { via: ['hs1'] })
    const successor = await upgradeTo(longer, old, '11')
    expect(await longer.state(successor, 'm.room.name')).toEqual({ name: 'kept' })
    for (const [type, key] of [['m.room.topic'], ['m.space.child', alice.userId]] as const) {
      expect((await refusal(longer.state(successor, type, key))).status).toBe(404)
    }
  })
})

describe('TestMSC4289PrivilegedRoomCreators_Upgrades', () => {
  const [a, b, c] = ['alice', 'bob', 'charlie']
  const who = (name: string) => ({ alice, bob, charlie })[name] as Client
  const levelsOf = (levels: Record<string, number>) =>
    Object.fromEntries(Object.entries(levels).map(([name, level]) => [who(name).userId, level]))

  test.each([
    ['an admin upgrades 11 to 12', '11', { bob: 100 }, b, [], {}],
    ['another admin stays one', '11', { bob: 100, charlie: 100 }, b, [], { charlie: 100 }],
    ['an owner of 12, with another creator', '12', { bob: 150 }, b, [c], {}],
    ['a moderator becomes a creator', '12', { bob: 150, charlie: 50 }, b, [c], {}],
    ['the creator, with another admin', '11', { alice: 100, bob: 100 }, a, [b], {}],
    ['moderators stay', '11', { alice: 100, bob: 100, charlie: 50 }, a, [b], { charlie: 50 }],
  ])('%s', async (_title, version, users, upgrader, creators, left) => {
    const old = await alice.createRoom({ room_version: version, preset: 'public_chat' })
    for (const client of [bob, charlie]) await client.join(old)
    const levels = levelsOf(users as Record<string, number>)
    await alice.setState(old, 'm.room.power_levels', '', { users: levels })
    const ids = (creators as string[]).map(name => who(name).userId)
    const client = who(upgrader as string)
    const body = { new_version: '12', ...(ids.length ? { additional_creators: ids } : {}) }
    const successor = await upgrade(client, old, body)
    const create = await client.state(successor, 'm.room.create')
    expect(create.additional_creators).toEqual(ids.length ? ids : undefined)
    const after = await client.state(successor, 'm.room.power_levels')
    expect(after.users).toEqual(levelsOf(left as Record<string, number>))
  })

  test.each<[string, JsonObject, number]>([
    ['that no level was named for', {}, 150],
    ['for which the level of all state was enough', { 'm.room.tombstone': 50 }, 150],
    ['above all state', { 'm.room.tombstone': 60 }, 60],
  ])('a tombstone %s needs more than state does, from version 12 on', async (_, events, level) => {
    const old = await alice.createRoom({ room_version: '11', preset: 'public_chat' })
    const users = levelsOf({ alice: 100, bob: 50 })
    await alice.setState(old, 'm.room.power_levels', '', { users, events })
    const successor = await upgradeTo(alice, old, '12')
    const levels = await alice.state(successor, 'm.room.power_levels')
    expect(levels.events).toEqual({ 'm.room.tombstone': level })
    await bob.join(successor)
    const error = await refusal(upgradeTo(bob, successor, '12'))
    expect(error).toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
  })

  test('additional creators must be users, and mean nothing before version 12', async () => {
    const old = await alice.createRoom()
    const given = { additional_creators: ['nobody'] }
    const error = await refusal(upgrade(alice, old, { new_version: '12', ...given }))
    expect(error.status).toBe(400)
    const ignored = { new_version: '11', additional_creators: [bob.userId] }
    const successor = await upgrade(alice, old, ignored)
    expect(await alice.state(successor, 'm.room.create')).not.toHaveProperty('additional_creators')
  })
})

describe('TestMSC4291RoomIDAsHashOfCreateEvent_UpgradedRooms', () => {
  test.each(['12', '11', '10'])('from version %s', async version => {
    const old = await alice.createRoom({ room_version: version, preset: 'public_chat' })
    await bob.join(old)
    const successor = await upgradeTo(alice, old, '12')
    const path = alice.roomPath(successor, 'state', 'm.room.create')
    const create = await alice.ok('GET', path, { query: { format: 'event' } })
    expect(create.event_id).toBe(`$${successor.slice(1)}`)
    expect(create.content.predecessor).toEqual({ room_id: old })
    expect((await alice.state(old, 'm.room.tombstone')).replacement_room).toBe(successor)
  })
})

describe('TestPushRuleRoomUpgrade', () => {
  const mute = (client: Client, room: string) =>
    client.ok('PUT', `${v3}/pushrules/global/room/${enc(room)}`, {
      body: { actions: ['dont_notify'] },
    })
  const muted = async (client: Client): Promise<string[]> =>
    ((await client.ok('GET', `${v3}/pushrules/`)).global.room as JsonObject[]).map(rule =>
      String(rule.rule_id),
    )

  const successorOf = (client: Client, old: string) =>
    client.createRoom({
      preset: 'public_chat',
      room_version: '11',
      creation_content: { predecessor: { room_id: old } },
    })
  const tombstoneFor = (successor: string) => ({
    body: 'This room has been replaced',
    replacement_room: successor,
  })

  async function manually(client: Client, old: string): Promise<string> {
    const successor = await successorOf(client, old)
    await client.setState(old, 'm.room.tombstone', '', tombstoneFor(successor))
    return successor
  }

  /** The tombstone is scheduled, and comes when it is due, or when it is sent at once. */
  const later = (isSent: boolean) => async (client: Client, old: string) => {
    const successor = await successorOf(client, old)
    const tombstone = tombstoneFor(successor)
    const delayId = await client.delayState(old, 60_000, 'm.room.tombstone', '', tombstone)
    if (isSent) await client.manage(delayId, 'send')
    else await server.advance(60_000)
    return successor
  }

  /** The drafts of 2024-05: all in one body. */
  async function future(
    client: Client,
    old: string,
    bodyOf: (tombstone: JsonObject) => JsonObject,
  ): Promise<{ successor: string; future_token: string }> {
    const successor = await successorOf(client, old)
    const path = `${client.roomPath(old, 'state', 'm.room.tombstone')}//future`
    const body = { 'm.timeout': 60, ...bodyOf(tombstoneFor(successor)) }
    const { future_token } = await client.ok('PUT', path, { body })
    return { successor, future_token }
  }

  async function forNow(client: Client, old: string): Promise<string> {
    const { successor } = await future(client, old, tombstone => ({
      'm.send_now': tombstone,
      'm.send_on_timeout': {},
    }))
    return successor
  }

  async function onTimeout(client: Client, old: string): Promise<string> {
    const { successor } = await future(client, old, tombstone => ({
      'm.send_on_timeout': tombstone,
    }))
    await server.advance(60_000)
    return successor
  }

  async function onAction(client: Client, old: string): Promise<string> {
    const { successor, future_token } = await future(client, old, tombstone => ({
      'm.send_on_timeout': {},
      'm.send_on_action:close': tombstone,
    }))
    const body = { future_token }
    await client.ok('POST', `${v3}/futures/action/close`, { body, token: null })
    return successor
  }

  async function expiring(client: Client, old: string): Promise<string> {
    const successor = await successorOf(client, old)
    const body = { ...tombstoneFor(successor), 'm.will_expire': 60 }
    await client.ok('PUT', client.roomPath(old, 'state', 'm.room.tombstone'), { body })
    return successor
  }

  test.each([
    ['upgrading', (client: Client, old: string) => upgradeTo(client, old, '11')],
    ['manually upgrading', manually],
    ['a delayed tombstone when it is due in', later(false)],
    ['a delayed tombstone that is sent in', later(true)],
    ['a tombstone that expires in', expiring],
    ['a future’s tombstone for now in', forNow],
    ['a future’s tombstone in', onTimeout],
    ['a future’s tombstone for an action in', onAction],
  ])('%s a room carries over push rules, tags and direct chats', async (_title, replace) => {
    const old = await alice.createRoom({ preset: 'public_chat', room_version: '10' })
    await bob.join(old)
    const account = `${v3}/user/${enc(bob.userId)}`
    await bob.ok('PUT', `${account}/account_data/m.direct`, {
      body: { [alice.userId]: [old], [charlie.userId]: ['!other:hs1'] },
    })
    await bob.ok('PUT', `${account}/rooms/${enc(old)}/tags/u.test`, { body: { order: 0.5 } })
    for (const client of [alice, bob]) await mute(client, old)
    const { next_batch: since } = await bob.sync()
    const successor = await replace(alice, old)
    await bob.join(successor)
    for (const client of [alice, bob]) {
      expect(await muted(client)).toEqual(expect.arrayContaining([old, successor]))
    }
    expect(await bob.ok('GET', `${account}/account_data/m.direct`)).toEqual({
      [alice.userId]: [old, successor],
      [charlie.userId]: ['!other:hs1'],
    })
    const { tags } = await bob.ok('GET', `${account}/rooms/${enc(successor)}/tags`)
    expect(tags).toEqual({ 'u.test': { order: 0.5 } })
    const told = await bob.sync({ since })
    const types = (told.account_data?.events ?? []).map(event => event.type)
    expect(types.sort()).toEqual(['m.direct', 'm.push_rules'])
  })

  test.each([
    [
      'a state event',
      (room: string, content: JsonObject) =>
        bob.setState(room, 'm.room.member', bob.userId, content),
    ],
    [
      'a delayed event',
      async (room: string, content: JsonObject) => {
        await bob.delayState(room, 60_000, 'm.room.member', bob.userId, content)
        await server.advance(60_000)
      },
    ],
    [
      'an event that expires',
      async (room: string, content: JsonObject) => {
        const body = { ...content, 'm.will_expire': 60 }
        await bob.ok('PUT', bob.roomPath(room, 'state', 'm.room.member', bob.userId), { body })
      },
    ],
    [
      'an event of a future for now',
      async (room: string, content: JsonObject) => {
        const later = { ...content, membership: 'leave' }
        const body = { 'm.timeout': 60, 'm.send_now': content, 'm.send_on_timeout': later }
        const path = bob.roomPath(room, 'state', 'm.room.member', bob.userId, 'future')
        await bob.ok('PUT', path, { body })
      },
    ],
  ])('so does a join as %s', async (_, join) => {
    const old = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(old)
    await mute(bob, old)
    const successor = await upgradeTo(alice, old, '11')
    await join(successor, { membership: 'join' })
    expect(await muted(bob)).toContain(successor)
  })

  test('who is in the successor before the tombstone comes finds their settings there, too', async () => {
    const old = await alice.createRoom({ preset: 'public_chat' })
    for (const client of [bob, charlie]) {
      await client.join(old)
      await mute(client, old)
    }
    const tags = (room: string) => `${v3}/user/${enc(bob.userId)}/rooms/${enc(room)}/tags`
    await bob.ok('PUT', `${tags(old)}/u.test`, { body: {} })
    await charlie.leave(old)
    const onlyTagged = await server.user('tagged')
    const stranger = await server.user('stranger')
    await onlyTagged.join(old)
    const direct = (client: Client) => `${v3}/user/${enc(client.userId)}/account_data/m.direct`
    for (const client of [onlyTagged, stranger]) {
      await client.ok('PUT', direct(client), { body: { [alice.userId]: [old] } })
    }
    const successor = await successorOf(alice, old)
    for (const client of [bob, charlie, onlyTagged, stranger]) await client.join(successor)
    expect(await muted(bob)).not.toContain(successor)
    const { next_batch: since } = await bob.sync()

    await alice.setState(old, 'm.room.tombstone', '', tombstoneFor(successor))
    for (const client of [bob, charlie]) expect(await muted(client)).toContain(successor)
    expect(await bob.ok('GET', tags(successor))).toEqual({ tags: { 'u.test': {} } })
    const { account_data } = await bob.sync({ since })
    expect(account_data?.events).toMatchObject([{ type: 'm.push_rules' }])
    const rooms = async (client: Client) => (await client.ok('GET', direct(client)))[alice.userId]
    expect(await rooms(onlyTagged)).toEqual([old, successor])
    // Who never was in the old room has come from elsewhere.
    expect(await rooms(stranger)).toEqual([old])

    // A tombstone under another key is none: nobody is looked for who might move.
    const asked = async (type: string) => {
      const set = () => alice.setState(old, type, 'x', tombstoneFor(successor))
      return (await server.statements(set)).length
    }
    expect(await asked('m.room.tombstone')).toBe(await asked('m.test'))
  })

  test('a room that only says that it is the successor gets nothing', async () => {
    const old = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(old)
    await mute(bob, old)
    const creation_content = { predecessor: { room_id: old } }
    const impostor = await charlie.createRoom({ preset: 'public_chat', creation_content })
    await bob.join(impostor)
    expect(await muted(bob)).not.toContain(impostor)
  })
})
