import type { Client } from '../support/client.ts'
import { refusal } from '../support/client.ts'
import { beforeEachWithUsers } from '../support/keys.ts'
import type { TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

let server: TestServer
let alice: Client
let bob: Client
beforeEachWithUsers(all => {
  ;({ server, alice, bob } = all)
})

const versionPath = '/_matrix/client/v3/room_keys/version'
const algorithm = 'm.megolm_backup.v1.curve25519-aes-sha2'
const unknown = { status: 404, errcode: 'M_NOT_FOUND' }

const create = async (authData: JsonObject = { public_key: 'x' }, client = alice) => {
  const body = { algorithm, auth_data: authData }
  return String((await client.ok('POST', versionPath, { body })).version)
}
const info = (version?: string, client = alice) =>
  client.ok('GET', version === undefined ? versionPath : `${versionPath}/${version}`)

const keysPath = (...parts: string[]) =>
  ['/_matrix/client/v3/room_keys/keys', ...parts.map(encodeURIComponent)].join('/')
const on = (method: string, version: string, parts: string[], body?: JsonObject) =>
  alice.ok(method, keysPath(...parts), { query: { version }, body })

const data = (change: JsonObject = {}) => ({
  first_message_index: 0,
  forwarded_count: 0,
  is_verified: true,
  session_data: { ciphertext: 'x', mac: 'y', ephemeral: 'z' },
  ...change,
})
const rooms = () => ({
  rooms: {
    '!a:hs1': { sessions: { A1: data(), A2: data() } },
    '!b:hs1': { sessions: { B1: data({ session_data: { ciphertext: 'b' } }) } },
  },
})

describe('TestE2EKeyBackupReplaceRoomKeyRules: PUT /room_keys/keys/{roomId}/{sessionId}', () => {
  const triple = (is_verified: boolean, first_message_index: number, forwarded_count: number) =>
    data({ is_verified, first_message_index, forwarded_count })

  test.each<[string, JsonObject, JsonObject[]]>([
    [
      'unverified, 10, 5',
      triple(false, 10, 5),
      [triple(false, 11, 5), triple(false, 10, 6), triple(false, 11, 6), triple(false, 11, 0)],
    ],
    [
      'verified, 10, 5',
      triple(true, 10, 5),
      [
        ...[triple(false, 11, 5), triple(false, 10, 6), triple(false, 11, 6), triple(false, 0, 0)],
        ...[triple(true, 11, 5), triple(true, 10, 6), triple(true, 11, 6), triple(true, 11, 0)],
      ],
    ],
  ])('%s is not replaced by what is worse', async (_, kept, worse) => {
    const version = await create()
    const session = ['!foo:hs1', 'a']
    const stored = await on('PUT', version, session, kept)
    for (const other of worse) {
      expect(await on('PUT', version, session, { ...other, session_data: {} })).toEqual(stored)
      expect(await on('GET', version, session)).toEqual(kept)
    }
  })

  test.each<[string, JsonObject]>([
    ['verified, though later and forwarded', triple(true, 20, 9)],
    ['earlier, though forwarded', triple(false, 9, 9)],
    ['forwarded less often', triple(false, 10, 4)],
  ])('unverified, 10, 5 is replaced by one that is %s', async (_, better) => {
    const version = await create()
    const session = ['!foo:hs1', 'a']
    const first = await on('PUT', version, session, triple(false, 10, 5))
    const second = await on('PUT', version, session, better)
    expect(second.count).toBe(1)
    expect(second.etag).not.toBe(first.etag)
    expect(await on('GET', version, session)).toEqual(better)
  })
})

describe('/room_keys/version', () => {
  test('a backup is created, described, changed, superseded and deleted', async () => {
    expect(await refusal(info())).toMatchObject(unknown)
    const first = await create({ public_key: 'one' })
    const described = { algorithm, auth_data: { public_key: 'one' }, count: 0, version: first }
    expect(await info()).toEqual({ ...described, etag: expect.any(String) })
    expect(await info(first)).toEqual(await info())

    const change = { algorithm, auth_data: { public_key: 'other' } }
    await alice.ok('PUT', `${versionPath}/${first}`, { body: { ...change, version: first } })
    expect((await info()).auth_data).toEqual({ public_key: 'other' })

    const second = await create({ public_key: 'two' })
    expect(second).not.toBe(first)
    expect((await info()).version).toBe(second)
    expect((await info(first)).version).toBe(first)

    await alice.ok('DELETE', `${versionPath}/${second}`)
    await alice.ok('DELETE', `${versionPath}/${second}`)
    expect(await refusal(info(second))).toMatchObject(unknown)
    expect((await info()).version).toBe(first)
    // A version is not given out again.
    expect([first, second]).not.toContain(await create())
  })

  test('many at once are different versions', async () => {
    const versions = await Promise.all(Array.from({ length: 5 }, () => create()))
    expect(new Set(versions).size).toBe(5)
  })

  test('only auth_data can be changed', async () => {
    const version = await create()
    const put = (body: JsonObject, of = version) =>
      refusal(alice.ok('PUT', `${versionPath}/${of}`, { body }))
    const auth_data = { public_key: 'other' }
    const wrong = { status: 400, errcode: 'M_INVALID_PARAM' }
    expect(await put({ algorithm: 'other', auth_data })).toMatchObject(wrong)
    expect(await put({ algorithm, auth_data, version: '99' })).toMatchObject(wrong)
    expect(await put({ algorithm })).toMatchObject({ status: 400, errcode: 'M_MISSING_PARAM' })
    expect(await put({ algorithm, auth_data }, '99')).toMatchObject(unknown)
    expect((await info()).auth_data).toEqual({ public_key: 'x' })
  })

  test('versions that there never were: 404', async () => {
    await create({}, bob)
    for (const version of ['1', '0', '-1', 'x', '9'.repeat(30), '%00']) {
      expect(await refusal(info(version))).toMatchObject({ status: version === '%00' ? 400 : 404 })
      const deleted = alice.ok('DELETE', `${versionPath}/${version}`)
      expect(await refusal(deleted)).toMatchObject({ status: version === '%00' ? 400 : 404 })
    }
  })
})

describe('/room_keys/keys: all, by room, by session', () => {
  test('what is put at one level is found at every other', async () => {
    const version = await create()
    const { rooms: all } = rooms()
    expect(await on('PUT', version, [], rooms())).toMatchObject({ count: 3 })
    expect(await on('GET', version, [])).toEqual({ rooms: all })
    expect(await on('GET', version, ['!a:hs1'])).toEqual(all['!a:hs1'])
    expect(await on('GET', version, ['!b:hs1', 'B1'])).toEqual(all['!b:hs1'].sessions.B1)

    await on('PUT', version, ['!c:hs1'], { sessions: { C1: data() } })
    await on('PUT', version, ['!c:hs1', 'C/2'], data())
    expect(await on('GET', version, ['!c:hs1'])).toEqual({
      sessions: { C1: data(), 'C/2': data() },
    })
    expect((await info()).count).toBe(5)
  })

  test('what is not there: an empty map, and 404 for one session', async () => {
    const version = await create()
    expect(await on('GET', version, [])).toEqual({ rooms: {} })
    expect(await on('GET', version, ['!a:hs1'])).toEqual({ sessions: {} })
    expect(await refusal(on('GET', version, ['!a:hs1', 'A1']))).toMatchObject(unknown)
  })

  test('etag is another when something was written or deleted, and only then', async () => {
    const version = await create()
    const { etag } = await on('PUT', version, [], rooms())
    expect(await on('PUT', version, [], rooms())).toEqual({ count: 3, etag })
    expect((await info()).etag).toBe(etag)

    const one = await on('DELETE', version, ['!a:hs1', 'A1'])
    expect(one.count).toBe(2)
    expect(one.etag).not.toBe(etag)
    expect(await on('DELETE', version, ['!a:hs1', 'A1'])).toEqual(one)
    const room = await on('DELETE', version, ['!a:hs1'])
    expect(room.count).toBe(1)
    const all = await on('DELETE', version, [])
    expect(all.count).toBe(0)
    expect(new Set([etag, one.etag, room.etag, all.etag]).size).toBe(4)
    expect(await on('GET', version, [])).toEqual({ rooms: {} })
  })

  test('only the current backup takes keys; an older one can still be read and emptied', async () => {
    const old = await create()
    await on('PUT', old, [], rooms())
    const current = await create()
    for (const [parts, body] of [
      [[], rooms()],
      [['!a:hs1'], { sessions: {} }],
      [['!a:hs1', 'A1'], data()],
    ] as const) {
      expect(await refusal(on('PUT', old, [...parts], body))).toMatchObject({
        status: 403,
        body: { errcode: 'M_WRONG_ROOM_KEYS_VERSION', current_version: current },
      })
    }
    expect(await on('GET', old, [])).toEqual(rooms())
    expect(await on('GET', current, [])).toEqual({ rooms: {} })
    expect(await on('DELETE', old, ['!a:hs1'])).toMatchObject({ count: 1 })
    await alice.ok('DELETE', `${versionPath}/${current}`)
    expect(await on('PUT', old, [], rooms())).toMatchObject({ count: 3 })
  })

  test('keys of many devices at once are all there', async () => {
    const version = await create()
    const ids = Array.from({ length: 10 }, (_, i) => `S${i}`)
    await Promise.all(ids.map(id => on('PUT', version, ['!a:hs1', id], data())))
    expect(await info()).toMatchObject({ count: 10, etag: '10' })
  })

  test('no backup, none of that version, and a deleted one: 404', async () => {
    const each = (version: string) => [
      on('PUT', version, [], rooms()),
      on('PUT', version, ['!a:hs1', 'A1'], data()),
      on('GET', version, []),
      on('GET', version, ['!a:hs1']),
      on('DELETE', version, ['!a:hs1', 'A1']),
    ]
    const deleted = await create()
    await on('PUT', deleted, [], rooms())
    await alice.ok('DELETE', `${versionPath}/${deleted}`)
    await create()
    for (const version of [deleted, '99', 'x']) {
      for (const refused of await Promise.all(each(version).map(refusal))) {
        expect(refused).toMatchObject(unknown)
      }
    }
  })

  test('nobody else’s backup can be reached', async () => {
    const version = await create()
    await on('PUT', version, [], rooms())
    const bobs = await create({}, bob)
    expect(bobs).toBe(version)
    const query = { version }
    expect(await bob.ok('GET', keysPath(), { query })).toEqual({ rooms: {} })
    await bob.ok('DELETE', keysPath(), { query })
    await bob.ok('DELETE', `${versionPath}/${version}`)
    expect(await on('GET', version, [])).toEqual(rooms())
  })

  test.each<[string, string[], JsonObject, string]>([
    ['no rooms', [], {}, 'M_MISSING_PARAM'],
    ['rooms as a list', [], { rooms: [] }, 'M_BAD_JSON'],
    ['a room without sessions', [], { rooms: { '!a:hs1': {} } }, 'M_MISSING_PARAM'],
    ['what is no room', [], { rooms: { x: { sessions: {} } } }, 'M_INVALID_PARAM'],
    ['a negative index', ['!a:hs1', 'A'], data({ first_message_index: -1 }), 'M_INVALID_PARAM'],
    ['a fraction', ['!a:hs1', 'A'], data({ forwarded_count: 0.5 }), 'M_BAD_JSON'],
    ['a word for a boolean', ['!a:hs1', 'A'], data({ is_verified: 'yes' }), 'M_BAD_JSON'],
    ['session data as text', ['!a:hs1', 'A'], data({ session_data: 'x' }), 'M_BAD_JSON'],
    ['a session called NUL', ['!a:hs1'], { sessions: { '\0': data() } }, 'M_INVALID_PARAM'],
  ])('bad input: %s', async (_, parts, body, errcode) => {
    const version = await create()
    const before = await server.rowCounts()
    expect(await refusal(on('PUT', version, parts, body))).toMatchObject({ status: 400, errcode })
    expect(await server.rowCounts()).toEqual(before)
  })

  test('a version must be named', async () => {
    await create()
    const missing = { status: 400, errcode: 'M_MISSING_PARAM' }
    expect(await refusal(alice.ok('GET', keysPath()))).toMatchObject(missing)
    expect(await refusal(alice.ok('PUT', keysPath(), { body: rooms() }))).toMatchObject(missing)
    expect(await refusal(alice.ok('DELETE', keysPath()))).toMatchObject(missing)
  })
})

test('a closed account keeps no backup', async () => {
  const auth = { type: 'm.login.password', user: alice.userId, password: alice.password }
  const empty = await server.rowCounts()
  const version = await create()
  await on('PUT', version, [], rooms())
  await alice.ok('POST', '/_matrix/client/v3/account/deactivate', { body: { auth } })
  const { key_backups, key_backup_sessions } = await server.rowCounts()
  expect([key_backups, key_backup_sessions]).toEqual([empty.key_backups, empty.key_backup_sessions])
})
