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
const profile = (who: Client, key = '') =>
  `/_matrix/client/v3/profile/${enc(who.userId)}${key && `/${enc(key)}`}`

const set = (who: Client, key: string, value: unknown) =>
  who.ok('PUT', profile(who, key), { body: { [key]: value } as JsonObject })

describe('TestProfileDisplayName, TestProfileAvatarURL: PUT /profile/{userId}/{keyName}', () => {
  test.each(['displayname', 'avatar_url'])('%s is set, and read without a token', async key => {
    await set(alice, key, 'mxc://hs1/LemurLover')
    const anybody = server.anonymous()
    const expected = { [key]: 'mxc://hs1/LemurLover' }
    expect(await anybody.ok('GET', profile(alice, key))).toEqual(expected)
    expect(await anybody.ok('GET', profile(alice))).toMatchObject(expected)
  })

  test.each(['displayname', 'avatar_url'])(
    'an empty %s, or null, or DELETE removes it',
    async key => {
      const removals = [
        () => set(alice, key, ''),
        () => set(alice, key, null),
        () => alice.ok('DELETE', profile(alice, key)),
      ]
      for (const remove of removals) {
        await set(alice, key, 'x')
        await remove()
        expect(await refusal(bob.ok('GET', profile(alice, key)))).toMatchObject({
          status: 404,
          errcode: 'M_NOT_FOUND',
        })
      }
    },
  )

  test('nobody sets that of another; nobody has that of who is not there', async () => {
    const body = { displayname: 'Mallory' }
    const refused = await refusal(bob.ok('PUT', profile(alice, 'displayname'), { body }))
    expect(refused).toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
    const path = '/_matrix/client/v3/profile/@nobody:hs1'
    const unknown = await refusal(bob.ok('GET', path))
    expect(unknown).toMatchObject({ status: 404, errcode: 'M_NOT_FOUND' })
  })
})

describe('TestDisplayNameUpdate, TestAvatarUrlUpdate: a change is shown in all joined rooms', () => {
  test('as a membership event, and in no room that was left', async () => {
    const left = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(left)
    await alice.leave(left)
    const rooms = [await alice.createRoom(), await alice.createRoom({ preset: 'public_chat' })]
    await alice.setState(rooms[0] ?? '', 'm.room.member', alice.userId, {
      membership: 'join',
      'org.example': 'kept',
    })
    await bob.join(rooms[1] ?? '')
    const { next_batch: since } = await bob.sync()
    await set(alice, 'displayname', 'Alice L.')
    await set(alice, 'avatar_url', 'LemurLover')
    for (const room of rooms) {
      expect(await alice.state(room, 'm.room.member', alice.userId)).toMatchObject({
        membership: 'join',
        displayname: 'Alice L.',
        avatar_url: 'LemurLover',
      })
    }
    expect(await alice.state(rooms[0] ?? '', 'm.room.member', alice.userId)).toMatchObject({
      'org.example': 'kept',
    })
    const answer = await bob.sync({ since })
    expect(Object.keys(answer.rooms.join ?? {})).toEqual([rooms[1]])
    const events = answer.rooms.join?.[rooms[1] ?? '']?.timeline.events
    expect(events).toMatchObject([
      { type: 'm.room.member', content: { displayname: 'Alice L.' } },
      { type: 'm.room.member', content: { avatar_url: 'LemurLover' } },
    ])
    // Again the same is no news.
    await set(alice, 'avatar_url', 'LemurLover')
    expect((await bob.sync({ since: answer.next_batch })).rooms).toEqual({})
  })
})

test('A change at the same moment as a join, or as a room is made, is shown there, too', async () => {
  for (let round = 0; round < 10; round++) {
    const user = await server.user('user')
    const rooms = await Promise.all([1, 2].map(() => alice.createRoom({ preset: 'public_chat' })))
    const entered = await Promise.all([
      user.createRoom(),
      ...rooms.map(room => user.join(room)),
      set(user, 'displayname', 'New').then(() => undefined),
    ])
    for (const room of entered) {
      if (room === undefined) continue
      const { displayname } = await user.state(room, 'm.room.member', user.userId)
      expect(displayname).toBe('New')
    }
  }
})

describe('MSC4133: PUT and DELETE /profile/{userId}/{keyName}', () => {
  const unstable = (who: Client, key: string) =>
    `/_matrix/client/unstable/uk.tcpip.msc4133/profile/${enc(who.userId)}/${key}`

  test('any JSON under any key, on the unstable path too', async () => {
    const values = { 'm.tz': 'Europe/London', 'org.example.list': [1, { a: null }], 'x.n': null }
    for (const [key, value] of Object.entries(values)) {
      await set(bob, key, value)
      expect(await alice.ok('GET', unstable(bob, key))).toEqual({ [key]: value })
    }
    expect(await alice.ok('GET', profile(bob))).toEqual(values)
    await bob.ok('DELETE', unstable(bob, 'm.tz'))
    await bob.ok('DELETE', unstable(bob, 'm.tz'))
    const gone = await refusal(alice.ok('GET', profile(bob, 'm.tz')))
    expect(gone).toMatchObject({ status: 404, errcode: 'M_NOT_FOUND' })
  })

  test.each([
    ['a'.repeat(256), { ['a'.repeat(256)]: 1 }, 'M_KEY_TOO_LARGE'],
    ['Upper', { Upper: 1 }, 'M_INVALID_PARAM'],
    ['m.tz', { other: 1 }, 'M_MISSING_PARAM'],
    ['displayname', { displayname: 5 }, 'M_BAD_JSON'],
    ['displayname', { displayname: 'x'.repeat(2000) }, 'M_INVALID_PARAM'],
    ['avatar_url', { avatar_url: '\u0000' }, 'M_INVALID_PARAM'],
    ['m.tz', { 'm.tz': 'x'.repeat(65_536) }, 'M_PROFILE_TOO_LARGE'],
  ])('%.20s is refused with 400', async (key, body, errcode) => {
    const before = await alice.ok('GET', profile(alice))
    const refused = await refusal(
      alice.ok('PUT', profile(alice, key), { body: body as JsonObject }),
    )
    expect(refused).toMatchObject({ status: 400, errcode })
    expect(await alice.ok('GET', profile(alice))).toEqual(before)
  })
})

describe('POST /user_directory/search', () => {
  const search = async (who: Client, term: string, limit?: number) =>
    who.ok('POST', '/_matrix/client/v3/user_directory/search', {
      body: { search_term: term, ...(limit === undefined ? {} : { limit }) },
    })

  const found = async (who: Client, term: string) =>
    (await search(who, term)).results.map((user: JsonObject) => user.user_id)

  test.each([
    ['TestRoomSpecificUsernameChange', false],
    ['TestRoomSpecificUsernameAtJoin', true],
  ])('%s: the name of one room is neither found nor shown', async (name, isAtJoin) => {
    const [zoe, yann, xena] = [
      await server.user('zoe'),
      await server.user('yann'),
      await server.user('xena'),
    ]
    const publicName = `Zoe ${name}`
    await set(zoe, 'displayname', publicName)
    const publicRoom = await zoe.createRoom({ preset: 'public_chat' })
    const privateRoom = await yann.createRoom()
    await yann.invite(privateRoom, zoe.userId)
    if (isAtJoin) await zoe.join(privateRoom, { displayname: 'Secretive' })
    else {
      await zoe.join(privateRoom)
      const content = { membership: 'join', displayname: 'Secretive' }
      await zoe.setState(privateRoom, 'm.room.member', zoe.userId, content)
    }
    for (const searcher of [yann, xena]) {
      expect(await search(searcher, name)).toEqual({
        limited: false,
        results: [{ user_id: zoe.userId, display_name: publicName }],
      })
      expect(await found(searcher, 'secretive')).toEqual([])
      expect(await found(searcher, zoe.userId)).toEqual([zoe.userId])
    }
    expect(await found(zoe, name)).toEqual([])
    await zoe.leave(publicRoom)
    expect(await found(xena, name)).toEqual([])
    expect(await found(yann, name.toUpperCase())).toEqual([zoe.userId])
  })

  test('all words are wanted, wildcards stand for themselves, and more is said to be more', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    for (const name of ['Ann Wood', 'Ann Stone', '100% Ann']) {
      const user = await server.user('ann')
      await set(user, 'displayname', name)
      await user.join(room)
    }
    const names = async (term: string) =>
      (await search(bob, term)).results.map((user: JsonObject) => user.display_name)
    expect(await names('ann')).toEqual(['100% Ann', 'Ann Stone', 'Ann Wood'])
    expect(await names('wood ann')).toEqual(['Ann Wood'])
    expect(await names('%')).toEqual(['100% Ann'])
    expect(await names('')).toEqual([])
    // Capitals of which JavaScript and PostgreSQL do not make the same small letters.
    for (const name of ['ΜΕΝΕΛΑΟΣ', 'İstanbul']) {
      const user = await server.user('far')
      await set(user, 'displayname', name)
      await user.join(room)
      expect(await names(name)).toEqual([name])
    }
    const limited = await search(bob, 'ann', 2)
    expect(limited).toMatchObject({ limited: true, results: [{}, {}] })
  })
})

describe('TestAddAccountData, TestRemovingAccountData (MSC3391)', () => {
  const data = (type: string, room?: string, base = '/_matrix/client/v3') =>
    `${base}/user/${enc(alice.userId)}${room ? `/rooms/${enc(room)}` : ''}/account_data/${type}`
  const unstable = '/_matrix/client/unstable/org.matrix.msc3391'

  test.each([
    ['global', false, 'DELETE'],
    ['global', false, 'PUT {}'],
    ['of a room', true, 'DELETE'],
    ['of a room', true, 'PUT {}'],
  ])('%s: what is removed is told once, as empty', async (_, isInRoom, how) => {
    const room = isInRoom ? await alice.createRoom() : undefined
    const type = 'org.example.removed'
    const path = data(type, room)
    const shown = async (since?: string) => {
      const answer = await alice.sync({ since })
      const part = room ? answer.rooms.join?.[room]?.account_data : answer.account_data
      if (since === undefined) expect(part?.events).toBeInstanceOf(Array)
      return part?.events.filter(event => event.type === type) ?? []
    }
    await alice.ok('PUT', path, { body: { a: 1 } })
    await alice.ok('PUT', path, { body: { a: 2 } })
    expect(await alice.ok('GET', path)).toEqual({ a: 2 })
    expect(await shown()).toEqual([{ type, content: { a: 2 } }])
    const { next_batch: since } = await alice.sync()
    if (how === 'DELETE') await alice.ok('DELETE', data(type, room, unstable))
    else await alice.ok('PUT', path, { body: {} })
    const gone = await refusal(alice.ok('GET', path))
    expect(gone).toMatchObject({ status: 404, errcode: 'M_NOT_FOUND' })
    for (const _again of [1, 2]) expect(await shown(since)).toEqual([{ type, content: {} }])
    expect(await shown()).toEqual([])
  })

  test.each(['m.fully_read', 'm.push_rules'])('%s is the server’s to write', async type => {
    const room = await alice.createRoom()
    for (const method of ['PUT', 'DELETE']) {
      const body = method === 'PUT' ? { body: {} } : {}
      for (const path of [data(type), data(type, room)]) {
        const refused = await refusal(alice.ok(method, path, body))
        expect(refused).toMatchObject({ status: 405, errcode: 'M_BAD_JSON' })
      }
    }
  })

  test('TestDeletingDeviceRemovesDeviceLocalNotificationSettings', async () => {
    const phone = alice.sibling()
    await phone.login()
    const prefix = 'org.matrix.msc3890.local_notification_settings.'
    const [ofPhone, ofLaptop] = [data(prefix + phone.deviceId), data(prefix + alice.deviceId)]
    for (const path of [ofPhone, ofLaptop]) {
      await alice.ok('PUT', path, { body: { is_silenced: true } })
    }
    await phone.ok('POST', '/_matrix/client/v3/logout')
    expect(await refusal(alice.ok('GET', ofPhone))).toMatchObject({
      status: 404,
      errcode: 'M_NOT_FOUND',
    })
    expect(await alice.ok('GET', ofLaptop)).toEqual({ is_silenced: true })
  })
})

describe('Direct messaging', () => {
  test('TestWriteMDirectAccountData: m.direct comes with the first /sync and with the next', async () => {
    const { next_batch: since } = await alice.sync()
    const content = { [bob.userId]: [await alice.createRoom()] }
    const path = `/_matrix/client/v3/user/${enc(alice.userId)}/account_data/m.direct`
    await alice.ok('PUT', path, { body: content })
    expect(await alice.ok('GET', path)).toEqual(content)
    for (const query of [{ since }, {}]) {
      const { account_data } = await alice.sync(query)
      expect(account_data.events).toContainEqual({ type: 'm.direct', content })
    }
  })

  test('TestIsDirectFlagLocal: whoever is invited sees that it is a direct chat', async () => {
    const room = await alice.createRoom({ invite: [bob.userId], is_direct: true })
    const { invite_state } = (await bob.sync()).rooms.invite?.[room] ?? {}
    expect(invite_state?.events).toContainEqual(
      expect.objectContaining({
        type: 'm.room.member',
        state_key: bob.userId,
        content: expect.objectContaining({ membership: 'invite', is_direct: true }),
      }),
    )
  })
})
